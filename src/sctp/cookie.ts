import { equalConstantTime, hmacSha256 } from "../crypto/platform.ts";
import { ByteReader, ByteWriter } from "../wire/bytes.ts";
import { type Tsn, tsn } from "../wire/serial.ts";

/**
 * What a state cookie carries (RFC 9260 §5.1.3): everything needed to make the association from a COOKIE ECHO alone, so
 * that an INIT leaves nothing behind.
 */
export interface CookieState {
  readonly localTag: number;
  readonly peerTag: number;
  readonly localInitialTsn: Tsn;
  readonly peerInitialTsn: Tsn;
  /** The peer's first advertised window, bytes. */
  readonly peerWindow: number;
  readonly peerOutboundStreams: number;
  readonly peerInboundStreams: number;
  readonly forwardTsn: boolean;
  readonly interleaving: boolean;
  readonly iForwardTsn: boolean;
  readonly reconfig: boolean;
  /** The tags of an association that exists already (§5.2.2); 0 where there was none. */
  readonly tieLocalTag: number;
  readonly tiePeerTag: number;
  /** When the cookie was made, ms of the association's clock. */
  readonly createdAt: number;
}

/** Of the key under which cookies are sealed. */
export const COOKIE_KEY_BYTES = 32;

const STATE_BYTES = 42;
const MAC_BYTES = 32;
const FLAG_FORWARD_TSN = 0x01;
const FLAG_RECONFIG = 0x02;
const FLAG_INTERLEAVING = 0x04;
const FLAG_I_FORWARD_TSN = 0x08;

/** §5.1.3: "the endpoint MUST … create a Message Authentication Code (MAC) on the State Cookie": HMAC-SHA-256 behind it. */
export function sealCookie(key: Uint8Array, state: CookieState): Uint8Array {
  const body = new ByteWriter(STATE_BYTES + MAC_BYTES)
    .u32(state.localTag)
    .u32(state.peerTag)
    .u32(state.localInitialTsn)
    .u32(state.peerInitialTsn)
    .u32(state.peerWindow)
    .u16(state.peerOutboundStreams)
    .u16(state.peerInboundStreams)
    .u16(flagsOf(state))
    .u32(state.tieLocalTag)
    .u32(state.tiePeerTag)
    .bytes(timeBytes(state.createdAt));
  return body.bytes(hmacSha256(key, body.finish())).finish();
}

/** The state in a cookie that is ours; `undefined` for any other. Whether it is still fresh is the caller's question. */
export function openCookie(key: Uint8Array, cookie: Uint8Array): CookieState | undefined {
  if (cookie.length !== STATE_BYTES + MAC_BYTES) return undefined;
  const body = cookie.subarray(0, STATE_BYTES);
  if (!equalConstantTime(hmacSha256(key, body), cookie.subarray(STATE_BYTES))) return undefined;
  const reader = new ByteReader(body);
  const localTag = reader.u32();
  const peerTag = reader.u32();
  const localInitialTsn = tsn(reader.u32());
  const peerInitialTsn = tsn(reader.u32());
  const peerWindow = reader.u32();
  const peerOutboundStreams = reader.u16();
  const peerInboundStreams = reader.u16();
  const flags = reader.u16();
  return {
    localTag,
    peerTag,
    localInitialTsn,
    peerInitialTsn,
    peerWindow,
    peerOutboundStreams,
    peerInboundStreams,
    forwardTsn: (flags & FLAG_FORWARD_TSN) !== 0,
    reconfig: (flags & FLAG_RECONFIG) !== 0,
    interleaving: (flags & FLAG_INTERLEAVING) !== 0,
    iForwardTsn: (flags & FLAG_I_FORWARD_TSN) !== 0,
    tieLocalTag: reader.u32(),
    tiePeerTag: reader.u32(),
    createdAt: bytesTime(reader.take(8)),
  };
}

function flagsOf(state: CookieState): number {
  return (
    (state.forwardTsn ? FLAG_FORWARD_TSN : 0) |
    (state.reconfig ? FLAG_RECONFIG : 0) |
    (state.interleaving ? FLAG_INTERLEAVING : 0) |
    (state.iForwardTsn ? FLAG_I_FORWARD_TSN : 0)
  );
}

function timeBytes(time: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, time);
  return bytes;
}

function bytesTime(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0);
}
