/** STUN messages (RFC 8489): writing. The counterpart of `stun`, where numbers and wire diagrams are. */
import { ByteWriter } from "../wire/bytes.ts";
import { hmacSha1 } from "../crypto/platform.ts";
import { isIpv6, type SocketAddress, writeAddress } from "../wire/address.ts";
import { crc32 } from "./crc32.ts";
import {
  BINDING_ERROR,
  BINDING_REQUEST,
  BINDING_SUCCESS,
  ERROR_CODE,
  FAMILY_IPV4,
  FAMILY_IPV6,
  FINGERPRINT,
  FINGERPRINT_XOR,
  HMAC_SHA1_BYTES,
  ICE_CONTROLLED,
  ICE_CONTROLLING,
  MAGIC_COOKIE,
  MESSAGE_INTEGRITY,
  PRIORITY,
  type StunAttribute,
  STUN_HEADER_BYTES,
  TRANSACTION_ID_AT,
  TRANSACTION_ID_BYTES,
  UNKNOWN_ATTRIBUTES,
  USE_CANDIDATE,
  USERNAME,
  XOR_MAPPED_ADDRESS,
} from "./stun.ts";

const ATTRIBUTE_HEADER_BYTES = 4;
const FINGERPRINT_BYTES = 4;
/** For IPv6. */
const XOR_MAPPED_ADDRESS_BYTES = ATTRIBUTE_HEADER_BYTES + 20;
const encoder = new TextEncoder();

/** What a connectivity check says (RFC 8445 §7.1). */
export interface BindingRequest {
  /** 12 random bytes. */
  readonly transactionId: Uint8Array;
  /** The peer's ufrag, a colon, our own. */
  readonly username: string;
  /** The peer's ICE password, as bytes. */
  readonly key: Uint8Array;
  /** Priority a peer-reflexive candidate found by this check would have. */
  readonly priority: number;
  /** 8 random bytes, the same in all checks of a session. */
  readonly tieBreaker: Uint8Array;
  readonly role: "controlling" | "controlled";
  readonly useCandidate: boolean;
  /** More attributes, in front of MESSAGE-INTEGRITY. */
  readonly extra?: readonly StunAttribute[];
}

export function writeBindingRequest(request: BindingRequest): Uint8Array {
  const attributes: StunAttribute[] = [
    { type: USERNAME, value: encoder.encode(request.username) },
    { type: request.role === "controlling" ? ICE_CONTROLLING : ICE_CONTROLLED, value: request.tieBreaker },
    { type: PRIORITY, value: new ByteWriter(4).u32(request.priority).finish() },
  ];
  if (request.useCandidate) attributes.push({ type: USE_CANDIDATE, value: new Uint8Array(0) });
  if (request.extra !== undefined) attributes.push(...request.extra);
  return writeStun(BINDING_REQUEST, request.transactionId, attributes, request.key);
}

/** The success response to a check: the address it came from, as the peer cannot see it (RFC 8445 §7.3). */
export function writeBindingSuccess(
  transactionId: Uint8Array,
  mapped: SocketAddress,
  key: Uint8Array,
  extra: readonly StunAttribute[] = [],
): Uint8Array {
  const bytes = new Uint8Array(XOR_MAPPED_ADDRESS_BYTES + sizeOf(extra));
  const writer = new StunWriter(bytes, 0, BINDING_SUCCESS, transactionId, 0).xorMappedAddress(mapped);
  return finish(writer.attributes(extra), bytes, key);
}

/** An error response (RFC 8489 §14.8); with the types of UNKNOWN-ATTRIBUTES (§14.9) where there are some. */
export function writeBindingError(
  transactionId: Uint8Array,
  code: number,
  reason: string,
  key: Uint8Array,
  unknown: readonly number[] = [],
): Uint8Array {
  return writeStun(BINDING_ERROR, transactionId, errorAttributes(code, reason, unknown), key);
}

export function errorAttributes(code: number, reason: string, unknown: readonly number[]): StunAttribute[] {
  const value = new ByteWriter(32);
  value
    .u16(0)
    .u8(Math.floor(code / 100))
    .u8(code % 100)
    .bytes(encoder.encode(reason));
  const attributes: StunAttribute[] = [{ type: ERROR_CODE, value: value.finish() }];
  if (unknown.length > 0) {
    const types = new ByteWriter(2 * unknown.length);
    for (const type of unknown) types.u16(type);
    attributes.push({ type: UNKNOWN_ATTRIBUTES, value: types.finish() });
  }
  return attributes;
}

/** Any message: header, these attributes, MESSAGE-INTEGRITY under `key` where one is given, FINGERPRINT. */
export function writeStun(
  type: number,
  transactionId: Uint8Array,
  attributes: readonly StunAttribute[],
  key?: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(sizeOf(attributes));
  return finish(new StunWriter(bytes, 0, type, transactionId, 0).attributes(attributes), bytes, key);
}

/** MESSAGE-INTEGRITY is by the platform's HMAC here. */
function finish(writer: StunWriter, bytes: Uint8Array, key: Uint8Array | undefined): Uint8Array {
  if (key !== undefined) {
    const at = writer.integrity();
    bytes.set(hmacSha1(key, bytes.subarray(0, at - ATTRIBUTE_HEADER_BYTES)), at);
  }
  return writer.finish();
}

/** Of a whole message with these attributes, at most. */
function sizeOf(attributes: readonly StunAttribute[]): number {
  let bytes = STUN_HEADER_BYTES + 2 * ATTRIBUTE_HEADER_BYTES + HMAC_SHA1_BYTES + FINGERPRINT_BYTES;
  for (const { value } of attributes) bytes += ATTRIBUTE_HEADER_BYTES + ((value.length + 3) & ~3);
  return bytes;
}

/** Writes one message into memory that is given and has room for it, which so may be a slot of the transmit ring. */
export class StunWriter {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  #at: number;

  /** @param idAt where in `id` the transaction id stands */
  constructor(bytes: Uint8Array, start: number, type: number, id: Uint8Array, idAt: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#at = start + STUN_HEADER_BYTES;
    setU16(bytes, start, type);
    setU32(bytes, start + 4, MAGIC_COOKIE);
    for (let i = 0; i < TRANSACTION_ID_BYTES; i++) bytes[start + TRANSACTION_ID_AT + i] = id[idAt + i];
  }

  attributes(attributes: readonly StunAttribute[]): this {
    for (const { type, value } of attributes) this.#bytes.set(value, this.#reserve(type, value.length));
    return this;
  }

  /**
   *      0                   1                   2                   3
   *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   *     |0 0 0 0 0 0 0 0|    Family     |  Port XOR cookie's upper half |
   *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   *     |     Address (4 or 16 bytes) XOR cookie and transaction id     |
   *
   * Throws `RangeError` where `mapped.address` is not an IP address.
   */
  xorMappedAddress({ address, port }: SocketAddress): this {
    const bytes = this.#bytes;
    const length = isIpv6(address) ? 16 : 4;
    const at = this.#reserve(XOR_MAPPED_ADDRESS, 4 + length);
    if (!writeAddress(address, bytes, at + 4)) throw new RangeError("mapped.address is not an IP address");
    bytes[at] = 0;
    bytes[at + 1] = length === 4 ? FAMILY_IPV4 : FAMILY_IPV6;
    setU16(bytes, at + 2, port ^ (MAGIC_COOKIE >>> 16));
    // The mask is the cookie and the transaction id, which lie side by side in the header.
    for (let i = 0; i < length; i++) bytes[at + 4 + i] ^= bytes[this.#start + 4 + i];
    return this;
  }

  /**
   * Makes room for MESSAGE-INTEGRITY and returns where its value goes: the HMAC of all that is in front of the attribute, in whose
   * header the length is already that up to its end (RFC 8489 §14.5).
   */
  integrity(): number {
    const at = this.#reserve(MESSAGE_INTEGRITY, HMAC_SHA1_BYTES);
    this.#setLength();
    return at;
  }

  /** Adds FINGERPRINT. Returns a view of the message. */
  finish(): Uint8Array {
    const bytes = this.#bytes;
    const at = this.#reserve(FINGERPRINT, FINGERPRINT_BYTES);
    // RFC 8489 §14.7: the CRC covers the message up to FINGERPRINT, with the length field already counting it.
    this.#setLength();
    setU32(bytes, at, crc32(bytes, this.#start, at - ATTRIBUTE_HEADER_BYTES) ^ FINGERPRINT_XOR);
    return bytes.subarray(this.#start, this.#at);
  }

  /** Writes an attribute's header and padding; returns where its value goes. */
  #reserve(type: number, length: number): number {
    const bytes = this.#bytes;
    const at = this.#at + ATTRIBUTE_HEADER_BYTES;
    setU16(bytes, this.#at, type);
    setU16(bytes, this.#at + 2, length);
    this.#at = (at + length + 3) & ~3;
    // RFC 8489 §14: padding bits "MUST be set to zero on sending"; the length does not count them.
    for (let i = at + length; i < this.#at; i++) bytes[i] = 0;
    return at;
  }

  #setLength(): void {
    setU16(this.#bytes, this.#start + 2, this.#at - this.#start - STUN_HEADER_BYTES);
  }
}

function setU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function setU32(bytes: Uint8Array, at: number, value: number): void {
  setU16(bytes, at, value >>> 16);
  setU16(bytes, at + 2, value);
}
