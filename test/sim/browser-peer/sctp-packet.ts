import { crc32c } from "./crc32c.ts";

/** Chunk types of RFC 9260 §3.2, RFC 3758 §3.2, RFC 6525 §3.1 and RFC 8260 §2. */
export const ChunkType = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  shutdownComplete: 14,
  iData: 0x40,
  reConfig: 0x82,
  forwardTsn: 0xc0,
  iForwardTsn: 0xc2,
} as const;

/** One chunk as it stands in a packet: `value` is everything behind its 4-byte header, padding left out. */
export interface RawChunk {
  type: number;
  flags: number;
  value: Uint8Array;
}

export interface SctpPacket {
  tag: number;
  chunks: RawChunk[];
}

export const COMMON_HEADER_BYTES = 12;
export const DATA_HEADER_BYTES = 16;
export const I_DATA_HEADER_BYTES = 20;
/** Both browsers use this port on both sides (`a=sctp-port:5000`). */
export const SCTP_PORT = 5000;

export function padded(length: number): number {
  return (length + 3) & ~3;
}

export function encodePacket(tag: number, chunks: readonly RawChunk[]): Uint8Array {
  let length = COMMON_HEADER_BYTES;
  for (const { value } of chunks) length += padded(4 + value.length);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, SCTP_PORT);
  view.setUint16(2, SCTP_PORT);
  view.setUint32(4, tag);
  let at = COMMON_HEADER_BYTES;
  for (const { type, flags, value } of chunks) {
    bytes[at] = type;
    bytes[at + 1] = flags;
    view.setUint16(at + 2, 4 + value.length);
    bytes.set(value, at + 4);
    at += padded(4 + value.length);
  }
  view.setUint32(8, crc32c(bytes), true);
  return bytes;
}

/** `undefined` for a packet that a browser drops without a word: too short, other ports, wrong or zero checksum. */
export function decodePacket(bytes: Uint8Array): SctpPacket | undefined {
  if (bytes.length < COMMON_HEADER_BYTES || bytes.length % 4 !== 0) return undefined;
  const view = viewOf(bytes);
  if (view.getUint16(0) !== SCTP_PORT || view.getUint16(2) !== SCTP_PORT) return undefined;
  const checksum = view.getUint32(8, true);
  const cleared = bytes.slice();
  cleared.fill(0, 8, 12);
  if (crc32c(cleared) !== checksum) return undefined;
  const chunks: RawChunk[] = [];
  for (let at = COMMON_HEADER_BYTES; at < bytes.length; ) {
    if (at + 4 > bytes.length) return undefined;
    const length = view.getUint16(at + 2);
    if (length < 4 || at + length > bytes.length) return undefined;
    chunks.push({ type: bytes[at], flags: bytes[at + 1], value: bytes.slice(at + 4, at + length) });
    at += padded(length);
  }
  return chunks.length === 0 ? undefined : { tag: view.getUint32(4), chunks };
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A type-length-value parameter of an INIT, INIT-ACK or RE-CONFIG chunk. */
export interface Parameter {
  type: number;
  value: Uint8Array;
}

export function encodeParameters(parameters: readonly Parameter[]): Uint8Array {
  // The last parameter's padding is not part of the chunk's length (RFC 9260 §3.2).
  let length = 0;
  for (const { value } of parameters) length = padded(length) + 4 + value.length;
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  let at = 0;
  for (const { type, value } of parameters) {
    view.setUint16(at, type);
    view.setUint16(at + 2, 4 + value.length);
    bytes.set(value, at + 4);
    at += padded(4 + value.length);
  }
  return bytes;
}

export function decodeParameters(bytes: Uint8Array): Parameter[] | undefined {
  const view = viewOf(bytes);
  const parameters: Parameter[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) return undefined;
    const length = view.getUint16(at + 2);
    if (length < 4 || at + length > bytes.length) return undefined;
    parameters.push({ type: view.getUint16(at), value: bytes.slice(at + 4, at + length) });
    at += padded(length);
  }
  return parameters;
}
