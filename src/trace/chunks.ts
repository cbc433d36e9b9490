import {
  ABORT,
  CHUNK_HEADER_BYTES,
  COMMON_HEADER_BYTES,
  COOKIE_ACK,
  COOKIE_ECHO,
  DATA,
  ERROR,
  FLAG_BEGIN,
  FLAG_END,
  FLAG_UNORDERED,
  FORWARD_TSN,
  HEARTBEAT,
  HEARTBEAT_ACK,
  I_DATA,
  I_FORWARD_TSN,
  INIT,
  INIT_ACK,
  padded,
  RE_CONFIG,
  SACK,
  SHUTDOWN,
  SHUTDOWN_ACK,
  SHUTDOWN_COMPLETE,
} from "../sctp/packet.ts";
import { ByteReader, toHex } from "../wire/bytes.ts";
import { type Tsn, tsn } from "../wire/serial.ts";

/** What a trace says of one chunk. TSNs are from 0 to 2^32 − 1 here, as on the wire. */
export interface ChunkSummary {
  /** Its name in the RFC, in small letters; `0x…` where it has none here. */
  readonly type: string;
  /** As in its header: without padding. */
  readonly length: number;
  readonly [field: string]: unknown;
}

const NAMES: Readonly<Record<number, string>> = {
  [DATA]: "data",
  [INIT]: "init",
  [INIT_ACK]: "init-ack",
  [SACK]: "sack",
  [HEARTBEAT]: "heartbeat",
  [HEARTBEAT_ACK]: "heartbeat-ack",
  [ABORT]: "abort",
  [SHUTDOWN]: "shutdown",
  [SHUTDOWN_ACK]: "shutdown-ack",
  [ERROR]: "error",
  [COOKIE_ECHO]: "cookie-echo",
  [COOKIE_ACK]: "cookie-ack",
  [SHUTDOWN_COMPLETE]: "shutdown-complete",
  [RE_CONFIG]: "re-config",
  [FORWARD_TSN]: "forward-tsn",
  [I_DATA]: "i-data",
  [I_FORWARD_TSN]: "i-forward-tsn",
};

/**
 * The chunks of an SCTP packet, as far as it can be read: it may be anything that a peer has sent.
 *
 * @param isRetransmission whether a DATA chunk with this TSN has been there before; `undefined` where nobody knows
 */
export function summarizeChunks(packet: Uint8Array, isRetransmission?: (tsn: Tsn) => boolean): ChunkSummary[] {
  const chunks: ChunkSummary[] = [];
  for (let at = COMMON_HEADER_BYTES; at + CHUNK_HEADER_BYTES <= packet.length; ) {
    const reader = new ByteReader(packet, at);
    const type = reader.u8();
    const flags = reader.u8();
    const length = reader.u16();
    if (length < CHUNK_HEADER_BYTES || at + length > packet.length) {
      chunks.push({ type: "malformed", length });
      break;
    }
    const value = new ByteReader(packet, at + CHUNK_HEADER_BYTES, at + length);
    const details = detailsOf(type, flags, value, isRetransmission);
    chunks.push({ type: NAMES[type] ?? `0x${toHex(Uint8Array.of(type))}`, length, ...details });
    at += padded(length);
  }
  return chunks;
}

function detailsOf(type: number, flags: number, value: ByteReader, isRetransmission?: (tsn: Tsn) => boolean): object {
  switch (type) {
    case DATA:
    case I_DATA:
      return dataOf(type, flags, value, isRetransmission);
    case SACK:
      return sackOf(value);
    case INIT:
    case INIT_ACK:
      return initOf(value);
    case SHUTDOWN:
      return { cumulative_tsn: value.u32() };
    case FORWARD_TSN:
    case I_FORWARD_TSN:
      return { new_cumulative_tsn: value.u32() };
    default:
      return {};
  }
}

function dataOf(type: number, flags: number, value: ByteReader, isRetransmission?: (tsn: Tsn) => boolean): object {
  const number = value.u32();
  const isAgain = isRetransmission?.(tsn(number)) === true;
  return {
    tsn: number,
    stream: value.u16(),
    ...(type === DATA ? { ssn: value.u16(), ppid: value.u32() } : interleavedOf(flags, value)),
    payload_length: value.remaining,
    ...((flags & FLAG_UNORDERED) !== 0 && { unordered: true }),
    ...((flags & FLAG_BEGIN) === 0 && { begin: false }),
    ...((flags & FLAG_END) === 0 && { end: false }),
    ...(isAgain && { retransmission: true }),
  };
}

/** RFC 8260 §2.1: the PPID stands in the first fragment alone. */
function interleavedOf(flags: number, value: ByteReader): object {
  value.skip(2);
  const mid = value.u32();
  return (flags & FLAG_BEGIN) === 0 ? { mid, fsn: value.u32() } : { mid, ppid: value.u32() };
}

function sackOf(value: ByteReader): object {
  const cumulative = value.u32();
  const window = value.u32();
  const gapCount = value.u16();
  const duplicateCount = value.u16();
  const gaps: [number, number][] = [];
  for (let i = 0; i < gapCount && value.remaining >= 4; i++) gaps.push([value.u16(), value.u16()]);
  return { cumulative_tsn: cumulative, receive_window: window, gaps, duplicates: duplicateCount };
}

function initOf(value: ByteReader): object {
  value.skip(4); // The tag: who knows it may end the association.
  const [window, outbound, inbound, number] = [value.u32(), value.u16(), value.u16(), value.u32()];
  return { receive_window: window, outbound_streams: outbound, inbound_streams: inbound, initial_tsn: number };
}
