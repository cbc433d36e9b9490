/** STUN messages (RFC 8489): writing. The counterpart of `stun`, where numbers and wire diagrams are. */
import { ByteWriter } from "../wire/bytes.ts";
import { type SocketAddress, addressBytes } from "../wire/address.ts";
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
  integrityOf,
  MAGIC_COOKIE,
  MESSAGE_INTEGRITY,
  PRIORITY,
  type StunAttribute,
  STUN_HEADER_BYTES,
  TRANSACTION_ID_BYTES,
  UNKNOWN_ATTRIBUTES,
  USE_CANDIDATE,
  USERNAME,
  XOR_MAPPED_ADDRESS,
} from "./stun.ts";

const FINGERPRINT_BYTES = 4;
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
  const attributes = [xorMappedAddressAttribute(mapped, transactionId), ...extra];
  return writeStun(BINDING_SUCCESS, transactionId, attributes, key);
}

/** An error response (RFC 8489 §14.8); with the types of UNKNOWN-ATTRIBUTES (§14.9) where there are some. */
export function writeBindingError(
  transactionId: Uint8Array,
  code: number,
  reason: string,
  key: Uint8Array,
  unknown: readonly number[] = [],
): Uint8Array {
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
  return writeStun(BINDING_ERROR, transactionId, attributes, key);
}

/** Any message: header, these attributes, MESSAGE-INTEGRITY under `key` where one is given, FINGERPRINT. */
export function writeStun(
  type: number,
  transactionId: Uint8Array,
  attributes: readonly StunAttribute[],
  key?: Uint8Array,
): Uint8Array {
  const writer = new ByteWriter(128).u16(type).u16(0).u32(MAGIC_COOKIE);
  writer.bytes(transactionId.subarray(0, TRANSACTION_ID_BYTES));
  for (const attribute of attributes) writeAttribute(writer, attribute.type, attribute.value);
  if (key !== undefined) {
    const at = writer.length;
    writeAttribute(writer, MESSAGE_INTEGRITY, integrityOf(writer.finish(), at, key).subarray(0, HMAC_SHA1_BYTES));
  }
  const fingerprintAt = writer.length;
  writeAttribute(writer, FINGERPRINT, new Uint8Array(FINGERPRINT_BYTES));
  const message = writer.finish();
  const length = message.length - STUN_HEADER_BYTES;
  message[2] = length >>> 8;
  message[3] = length;
  // RFC 8489 §14.7: the CRC covers the message up to FINGERPRINT, with the length field already counting it.
  const fingerprint = crc32(message, 0, fingerprintAt) ^ FINGERPRINT_XOR;
  for (let i = 0; i < FINGERPRINT_BYTES; i++) message[fingerprintAt + 4 + i] = fingerprint >>> (24 - 8 * i);
  return message;
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
export function xorMappedAddressAttribute(mapped: SocketAddress, transactionId: Uint8Array): StunAttribute {
  const address = addressBytes(mapped.address);
  if (address === undefined) throw new RangeError("mapped.address is not an IP address");
  const mask = new ByteWriter(16).u32(MAGIC_COOKIE).bytes(transactionId).finish();
  const value = new ByteWriter(20).u8(0).u8(address.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6);
  value.u16(mapped.port ^ (MAGIC_COOKIE >>> 16));
  for (let i = 0; i < address.length; i++) value.u8(address[i] ^ mask[i]);
  return { type: XOR_MAPPED_ADDRESS, value: value.finish() };
}

function writeAttribute(writer: ByteWriter, type: number, value: Uint8Array): void {
  writer.u16(type).u16(value.length).bytes(value);
  // RFC 8489 §14: padding bits "MUST be set to zero on sending"; the length does not count them.
  for (let i = value.length; i & 3; i++) writer.u8(0);
}
