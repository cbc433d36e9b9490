import { createHmac, timingSafeEqual } from "node:crypto";
import type { SocketAddress } from "../../../src/wire/address.ts";

/** As much of STUN (RFC 8489) as a controlling ICE agent needs: it asks, and understands the answers. */

const COOKIE = 0x2112a442;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;

const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const XOR_MAPPED_ADDRESS = 0x0020;
const PRIORITY = 0x0024;
const USE_CANDIDATE = 0x0025;
const FINGERPRINT = 0x8028;
const ICE_CONTROLLING = 0x802a;

const HEADER_BYTES = 20;

export interface CheckRequest {
  /** 12 bytes. */
  transactionId: Uint8Array;
  /** `<server's ufrag>:<own ufrag>`. */
  username: string;
  /** The server's ICE password. */
  password: string;
  nominate: boolean;
  /** 8 bytes. */
  tieBreaker: Uint8Array;
}

export function encodeCheck(check: CheckRequest): Buffer {
  const parts = [
    attribute(USERNAME, Buffer.from(check.username)),
    attribute(ICE_CONTROLLING, check.tieBreaker),
    ...(check.nominate ? [attribute(USE_CANDIDATE, Buffer.alloc(0))] : []),
    attribute(PRIORITY, Buffer.from("6e001eff", "hex")),
  ];
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(BINDING_REQUEST, 0);
  header.writeUInt32BE(COOKIE, 4);
  header.set(check.transactionId, 8);
  let message = Buffer.concat([header, ...parts]);
  message = Buffer.concat([message, attribute(MESSAGE_INTEGRITY, integrity(message, 24, check.password))]);
  // §14.7: the length counts the FINGERPRINT itself.
  message.writeUInt16BE(message.length - HEADER_BYTES + 8, 2);
  const fingerprint = Buffer.alloc(4);
  fingerprint.writeUInt32BE((crc32(message) ^ 0x5354554e) >>> 0);
  return Buffer.concat([message, attribute(FINGERPRINT, fingerprint)]);
}

export interface CheckAnswer {
  transactionId: Uint8Array;
  /** The address the server saw. */
  mapped: SocketAddress;
}

/** A success response whose MESSAGE-INTEGRITY and FINGERPRINT are right; `undefined` for anything else. */
export function decodeAnswer(bytes: Uint8Array, password: string): CheckAnswer | undefined {
  const message = Buffer.from(bytes);
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== BINDING_SUCCESS) return undefined;
  if (message.readUInt16BE(2) !== message.length - HEADER_BYTES || message.readUInt32BE(4) !== COOKIE) return undefined;
  let mapped: SocketAddress | undefined;
  let intact = false;
  let fingerprinted = false;
  for (let at = HEADER_BYTES; at + 4 <= message.length; ) {
    const type = message.readUInt16BE(at);
    const length = message.readUInt16BE(at + 2);
    if (at + 4 + length > message.length) return undefined;
    const value = message.subarray(at + 4, at + 4 + length);
    if (type === XOR_MAPPED_ADDRESS) mapped = unmask(value, message.subarray(4, HEADER_BYTES));
    if (type === MESSAGE_INTEGRITY) {
      const upTo = Buffer.from(message.subarray(0, at));
      intact = length === 20 && timingSafeEqual(integrity(upTo, 24, password), value);
    }
    if (type === FINGERPRINT && length === 4 && at + 8 === message.length) {
      fingerprinted = value.readUInt32BE(0) === (crc32(message.subarray(0, at)) ^ 0x5354554e) >>> 0;
    }
    at += 4 + ((length + 3) & ~3);
  }
  if (!intact || !fingerprinted || mapped === undefined) return undefined;
  return { transactionId: message.subarray(8, HEADER_BYTES), mapped };
}

function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4 + ((value.length + 3) & ~3));
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(value.length, 2);
  bytes.set(value, 4);
  return bytes;
}

/** §14.5: HMAC-SHA1 over the message so far, its length field as if it ended behind the attribute. */
function integrity(message: Buffer, attributeBytes: number, password: string): Buffer {
  message.writeUInt16BE(message.length - HEADER_BYTES + attributeBytes, 2);
  return createHmac("sha1", password).update(message).digest();
}

/** §14.2: address and port masked with the magic cookie (and the transaction id for IPv6). */
function unmask(value: Buffer, mask: Buffer): SocketAddress | undefined {
  const family = value[1];
  const length = family === 1 ? 4 : family === 2 ? 16 : 0;
  if (length === 0 || value.length !== 4 + length) return undefined;
  const port = value.readUInt16BE(2) ^ (COOKIE >>> 16);
  const bytes = value.subarray(4).map((byte, i) => byte ^ mask[i]);
  if (length === 4) return { address: [...bytes].join("."), port };
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] << 8) | bytes[2 * i + 1]).toString(16));
  return { address: groups.join(":"), port };
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
