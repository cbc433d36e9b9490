/**
 * STUN messages (RFC 8489) as connectivity checks use them (RFC 8445 §7): reading and verifying. Writing is in
 * `stun-write`, the rules of a lite agent in `lite`.
 *
 * The order of work under a flood: `parseStun` looks at structure only; `parseBindingRequest` adds the CRC-32 of
 * FINGERPRINT; the caller looks up `localUfragOf`; and only a request for a session that exists costs an HMAC.
 */
import { equalConstantTime, hmacSha1 } from "../crypto/platform.ts";
import { type SocketAddress, addressText } from "../wire/address.ts";
import type { DropReason } from "../wire/drops.ts";
import { crc32 } from "./crc32.ts";

export const STUN_HEADER_BYTES = 20;
export const MAGIC_COOKIE = 0x2112a442;
export const TRANSACTION_ID_AT = 8;
export const TRANSACTION_ID_BYTES = 12;
export const HMAC_SHA1_BYTES = 20;

/** XORed into the CRC-32 of a FINGERPRINT, so that it differs from that of an enclosing protocol (RFC 8489 §14.7). */
export const FINGERPRINT_XOR = 0x5354554e;

/** Message types: method Binding (0x001) in each of the four classes (RFC 8489 §5). */
export const BINDING_REQUEST = 0x0001;
export const BINDING_INDICATION = 0x0011;
export const BINDING_SUCCESS = 0x0101;
export const BINDING_ERROR = 0x0111;

/** Attribute types (RFC 8489 §18.3, RFC 8445 §16.1). Below 0x8000 an attribute must be understood. */
export const MAPPED_ADDRESS = 0x0001;
export const USERNAME = 0x0006;
export const MESSAGE_INTEGRITY = 0x0008;
export const ERROR_CODE = 0x0009;
export const UNKNOWN_ATTRIBUTES = 0x000a;
export const REALM = 0x0014;
export const NONCE = 0x0015;
export const XOR_MAPPED_ADDRESS = 0x0020;
export const PRIORITY = 0x0024;
export const USE_CANDIDATE = 0x0025;
export const FINGERPRINT = 0x8028;
export const ICE_CONTROLLED = 0x8029;
export const ICE_CONTROLLING = 0x802a;

/** DTLS in STUN, as Chromium's field trial sends it (measured); optional, so other agents pass over them. */
export const META_DTLS_IN_STUN = 0xc070;
export const META_DTLS_IN_STUN_ACK = 0xc071;

/** Address families of MAPPED-ADDRESS and XOR-MAPPED-ADDRESS (RFC 8489 §14.1). */
export const FAMILY_IPV4 = 0x01;
export const FAMILY_IPV6 = 0x02;

const FIRST_OPTIONAL_ATTRIBUTE = 0x8000;

// A check fits one unfragmented datagram; DTLS in STUN makes it about 1,030 bytes.
const MAX_MESSAGE_BYTES = 2048;
// RFC 8489 §14.3 and RFC 8445 §5.3: two fragments of at most 256 characters and the colon.
const MAX_USERNAME_BYTES = 513;
const MAX_ATTRIBUTES = 64;
const COLON = 0x3a;
const NONE: readonly number[] = [];

/** One attribute: its type and a view of its value, without padding. */
export interface StunAttribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** A message whose structure is sound, read where it lies; nothing is authenticated yet. */
export class StunMessage {
  readonly bytes: Uint8Array;
  readonly type: number;
  /** Types below 0x8000 that this library does not know, each once. */
  readonly unknownRequired: readonly number[];
  /** Where the MESSAGE-INTEGRITY attribute starts, or −1. */
  readonly integrityOffset: number;
  /** Where the FINGERPRINT attribute starts, or −1. */
  readonly fingerprintOffset: number;
  /** Where the attributes end that count. */
  readonly #end: number;

  constructor(
    bytes: Uint8Array,
    unknownRequired: readonly number[],
    integrityOffset: number,
    fingerprintOffset: number,
  ) {
    this.bytes = bytes;
    this.type = u16(bytes, 0);
    this.unknownRequired = unknownRequired;
    this.integrityOffset = integrityOffset;
    this.fingerprintOffset = fingerprintOffset;
    if (integrityOffset >= 0) this.#end = integrityOffset;
    else this.#end = fingerprintOffset >= 0 ? fingerprintOffset : bytes.length;
  }

  /** A view. */
  get transactionId(): Uint8Array {
    return this.bytes.subarray(TRANSACTION_ID_AT, STUN_HEADER_BYTES);
  }

  /** Views, in order of appearance, up to and without MESSAGE-INTEGRITY and FINGERPRINT. */
  get attributes(): StunAttribute[] {
    const attributes: StunAttribute[] = [];
    for (let at = STUN_HEADER_BYTES; at < this.#end; at = attributeEnd(this.bytes, at)) {
      attributes.push({ type: u16(this.bytes, at), value: valueAt(this.bytes, at) });
    }
    return attributes;
  }

  /** Where the first attribute of this type starts, or −1 (RFC 8489 §14: later ones of the same type may be ignored). */
  find(type: number): number {
    const { bytes } = this;
    const end = this.#end;
    for (let at = STUN_HEADER_BYTES; at < end; at = attributeEnd(bytes, at)) if (u16(bytes, at) === type) return at;
    return -1;
  }
}

/** Whether a datagram is STUN by its first byte (RFC 7983 §7). */
export function isStun(firstByte: number): boolean {
  return firstByte <= 3;
}

/**
 * Reads a message, checking structure only.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |0 0|     STUN Message Type     |         Message Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                         Magic Cookie                          |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                     Transaction ID (96 bits)                  |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     then attributes, each padded to a multiple of 4 bytes:
 *     |         Type                  |            Length             |
 *     |                         Value (variable)                ....
 */
export function parseStun(bytes: Uint8Array): StunMessage | DropReason {
  if (!hasStunHeader(bytes)) return "stun-malformed";
  let unknownRequired = NONE;
  let integrityOffset = -1;
  let fingerprintOffset = -1;
  let count = 0;
  for (let offset = STUN_HEADER_BYTES; offset < bytes.length; ) {
    // The total is a multiple of 4 and so is each step: an attribute header is never cut.
    const type = u16(bytes, offset);
    const length = u16(bytes, offset + 2);
    const end = offset + 4 + length;
    // RFC 8489 §14.7: FINGERPRINT "MUST be the last attribute in the message".
    if (end > bytes.length || fingerprintOffset >= 0 || ++count > MAX_ATTRIBUTES) return "stun-malformed";
    if (!isLengthOf(type, length)) return "stun-malformed";
    if (type === FINGERPRINT) fingerprintOffset = offset;
    // RFC 8489 §14.5: "agents MUST ignore all other attributes that follow MESSAGE-INTEGRITY".
    else if (integrityOffset < 0) {
      if (type === MESSAGE_INTEGRITY) integrityOffset = offset;
      else if (isUnknownRequired(type) && !unknownRequired.includes(type)) unknownRequired = [...unknownRequired, type];
    }
    offset = (end + 3) & ~3;
  }
  return new StunMessage(bytes, unknownRequired, integrityOffset, fingerprintOffset);
}

/**
 * Reads a connectivity check and verifies its FINGERPRINT. The result is still unauthenticated: find the session with
 * `localUfragOf`, then let `answerCheck` verify MESSAGE-INTEGRITY.
 */
export function parseBindingRequest(bytes: Uint8Array): StunMessage | DropReason {
  // The cheapest question first: responses and indications have no business at a lite agent.
  if (bytes.length >= 2 && u16(bytes, 0) !== BINDING_REQUEST) {
    return hasStunHeader(bytes) ? "stun-not-a-request" : "stun-malformed";
  }
  const message = parseStun(bytes);
  if (typeof message === "string") return message;
  return verifyFingerprint(message) ? message : "stun-bad-fingerprint";
}

/** A view of the value of the first attribute of this type. */
export function attributeValue(message: StunMessage, type: number): Uint8Array | undefined {
  const at = message.find(type);
  return at < 0 ? undefined : valueAt(message.bytes, at);
}

export function hasAttribute(message: StunMessage, type: number): boolean {
  return message.find(type) >= 0;
}

/** Whether USERNAME is `first`, a colon and `second`. Compared where it lies, since each check asks. */
export function hasUsername(message: StunMessage, first: string, second: string): boolean {
  const { bytes } = message;
  const at = message.find(USERNAME);
  if (at < 0 || u16(bytes, at + 2) !== first.length + 1 + second.length) return false;
  const colon = at + 4 + first.length;
  return bytes[colon] === COLON && isTextAt(bytes, at + 4, first) && isTextAt(bytes, colon + 1, second);
}

/**
 * The part of USERNAME in front of the colon, one character a byte; `undefined` where there is none, or USERNAME is over its limit.
 * In a request that came to us this is our own ufrag: RFC 8445 §7.2.2 puts the fragment of the agent that is asked first, that of
 * the asking one second.
 */
export function localUfragOf(message: StunMessage): string | undefined {
  const { bytes } = message;
  const start = message.find(USERNAME) + 4;
  const length = start < 4 ? 0 : u16(bytes, start - 2);
  if (length > MAX_USERNAME_BYTES) return undefined;
  let ufrag = "";
  for (let at = start; at < start + length; at++) {
    if (bytes[at] === COLON) return ufrag;
    ufrag += String.fromCharCode(bytes[at]);
  }
  return undefined;
}

/** Whether FINGERPRINT is there and right (RFC 8489 §14.7): the CRC-32 of all bytes in front of it, XOR 0x5354554e. */
export function verifyFingerprint(message: StunMessage): boolean {
  const at = message.fingerprintOffset;
  if (at < 0) return false;
  return u32(message.bytes, at + 4) === (crc32(message.bytes, 0, at) ^ FINGERPRINT_XOR) >>> 0;
}

/**
 * Whether MESSAGE-INTEGRITY is there and right for this key (RFC 8489 §14.5), by the platform's HMAC: for the side that asks. Compares
 * in constant time.
 */
export function verifyIntegrity(message: StunMessage, key: Uint8Array): boolean {
  const at = message.integrityOffset;
  if (at < 0) return false;
  const value = message.bytes.subarray(at + 4, at + 4 + HMAC_SHA1_BYTES);
  return equalConstantTime(value, integrityOf(message.bytes, at, key));
}

/** HMAC-SHA1 over `bytes[0, at)` with the length field as if MESSAGE-INTEGRITY, starting at `at`, were the last. */
export function integrityOf(bytes: Uint8Array, at: number, key: Uint8Array): Uint8Array {
  // RFC 8489 §14.5: the length in the header is taken as pointing to the end of MESSAGE-INTEGRITY.
  const length = at + 4 + HMAC_SHA1_BYTES - STUN_HEADER_BYTES;
  const start = Uint8Array.of(bytes[0], bytes[1], length >>> 8, length & 0xff);
  return hmacSha1(key, start, bytes.subarray(4, at));
}

/** The address in XOR-MAPPED-ADDRESS (RFC 8489 §14.2), or `undefined` where there is none or it is malformed. */
export function xorMappedAddress(message: StunMessage): SocketAddress | undefined {
  const value = attributeValue(message, XOR_MAPPED_ADDRESS);
  if (value === undefined || value.length < 8) return undefined;
  const length = value[1] === FAMILY_IPV4 ? 4 : value[1] === FAMILY_IPV6 ? 16 : 0;
  if (length === 0 || value.length !== 4 + length) return undefined;
  const port = u16(value, 2) ^ (MAGIC_COOKIE >>> 16);
  const address = new Uint8Array(length);
  // The mask is the cookie and the transaction id, which lie side by side in the header.
  for (let i = 0; i < length; i++) address[i] = value[4 + i] ^ message.bytes[4 + i];
  return { address: addressText(address), port };
}

/** The number in ERROR-CODE (RFC 8489 §14.8), 300–699, or `undefined`. */
export function errorCodeOf(message: StunMessage): number | undefined {
  const value = attributeValue(message, ERROR_CODE);
  if (value === undefined || value.length < 4) return undefined;
  const code = (value[2] & 0x07) * 100 + value[3];
  return code >= 300 && code <= 699 && value[3] < 100 ? code : undefined;
}

function hasStunHeader(bytes: Uint8Array): boolean {
  // RFC 8489 §5: "The most significant 2 bits of every STUN message MUST be zeroes", the length counts what follows
  // the header and "the last 2 bits of this field are always zero". A datagram holds exactly one message.
  return (
    bytes.length >= STUN_HEADER_BYTES &&
    bytes.length <= MAX_MESSAGE_BYTES &&
    bytes[0] <= 0x3f &&
    u16(bytes, 2) === bytes.length - STUN_HEADER_BYTES &&
    (bytes.length & 3) === 0 &&
    u32(bytes, 4) === MAGIC_COOKIE
  );
}

/** Some values have the length that the RFC fixes. The others carry their own checks where they are read. */
function isLengthOf(type: number, length: number): boolean {
  switch (type) {
    case MESSAGE_INTEGRITY:
      return length === HMAC_SHA1_BYTES;
    case PRIORITY:
    case FINGERPRINT:
      return length === 4;
    case USE_CANDIDATE:
      return length === 0;
    case ICE_CONTROLLED:
    case ICE_CONTROLLING:
      return length === 8;
    default:
      return true;
  }
}

function isUnknownRequired(type: number): boolean {
  switch (type) {
    case MAPPED_ADDRESS:
    case USERNAME:
    case MESSAGE_INTEGRITY:
    case ERROR_CODE:
    case UNKNOWN_ATTRIBUTES:
    case REALM:
    case NONCE:
    case XOR_MAPPED_ADDRESS:
    case PRIORITY:
    case USE_CANDIDATE:
      return false;
    default:
      return type < FIRST_OPTIONAL_ATTRIBUTE;
  }
}

/** Where the attribute behind the one at `at` starts. */
function attributeEnd(bytes: Uint8Array, at: number): number {
  return (at + 4 + u16(bytes, at + 2) + 3) & ~3;
}

function valueAt(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.subarray(at + 4, at + 4 + u16(bytes, at + 2));
}

function isTextAt(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}
