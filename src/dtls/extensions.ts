import { ByteReader, ByteWriter } from "../wire/bytes.ts";

// Extension numbers (IANA "TLS ExtensionType Values") of both versions.
export const EXTENSION_SUPPORTED_GROUPS = 0x000a; // RFC 8422 §5.1.1
export const EXTENSION_EC_POINT_FORMATS = 0x000b; // RFC 8422 §5.1.2
export const EXTENSION_SIGNATURE_ALGORITHMS = 0x000d; // RFC 8446 §4.2.3
export const EXTENSION_USE_SRTP = 0x000e; // RFC 5764 §4.1.1
export const EXTENSION_EXTENDED_MASTER_SECRET = 0x0017; // RFC 7627 §5.1
export const EXTENSION_SUPPORTED_VERSIONS = 0x002b; // RFC 8446 §4.2.1
export const EXTENSION_COOKIE = 0x002c; // RFC 8446 §4.2.2
export const EXTENSION_KEY_SHARE = 0x0033; // RFC 8446 §4.2.8
export const EXTENSION_RENEGOTIATION_INFO = 0xff01; // RFC 5746 §3.2

// Named groups (RFC 8446 §4.2.7).
export const GROUP_SECP256R1 = 0x0017;
export const GROUP_SECP384R1 = 0x0018;
export const GROUP_X25519 = 0x001d;
export const GROUP_X25519MLKEM768 = 0x11ec; // draft-ietf-tls-ecdhe-mlkem

export const POINT_FORMAT_UNCOMPRESSED = 0x00;

/** Extension contents by number. */
export type Extensions = ReadonlyMap<number, Uint8Array>;

/**
 * Reads a list of extensions: 2 bytes of length, then type (2), length (2) and content of each.
 * `undefined` where it is malformed or one comes twice (RFC 8446 §4.2: "There MUST NOT be more than one extension of the
 * same type in a given extension block").
 */
export function readExtensions(reader: ByteReader): Extensions | undefined {
  const list = new ByteReader(reader.vector(2));
  const extensions = new Map<number, Uint8Array>();
  while (!list.failed && list.remaining > 0) {
    const type = list.u16();
    const content = list.vector(2);
    if (extensions.has(type)) return undefined;
    extensions.set(type, content);
  }
  return reader.failed || list.failed ? undefined : extensions;
}

export function writeExtensions(writer: ByteWriter, extensions: Extensions): void {
  writer.vector(2, () => {
    for (const [type, content] of extensions) writer.u16(type).u16(content.length).bytes(content);
  });
}

/** A list of 16-bit numbers behind its length (1 or 2 bytes) that is the whole of an extension. Malformed: `undefined`. */
export function parseNumbers(content: Uint8Array, lengthBytes: 1 | 2 = 2): number[] | undefined {
  const reader = new ByteReader(content);
  const list = new ByteReader(reader.vector(lengthBytes));
  if (!reader.finished || list.end % 2 !== 0 || list.end === 0) return undefined;
  const numbers: number[] = [];
  while (list.remaining > 0) numbers.push(list.u16());
  return numbers;
}

export function encodeNumbers(numbers: readonly number[], lengthBytes: 1 | 2 = 2): Uint8Array {
  const writer = new ByteWriter(2 + 2 * numbers.length);
  writer.vector(lengthBytes, () => {
    for (const number of numbers) writer.u16(number);
  });
  return writer.finish();
}

/** Content of `ec_point_formats`: the uncompressed format, the only one left (RFC 8422 §5.1.2). */
export const UNCOMPRESSED_ONLY = Uint8Array.of(0x01, POINT_FORMAT_UNCOMPRESSED);
/** Content of `renegotiation_info` in a first handshake (RFC 5746 §3.4): an empty renegotiated_connection. */
export const FIRST_HANDSHAKE = Uint8Array.of(0x00);
export const EMPTY: Uint8Array = new Uint8Array(0);

export function includesByte(list: Uint8Array, value: number): boolean {
  const reader = new ByteReader(list);
  const items = reader.vector(1);
  return reader.finished && items.includes(value);
}

/** One entry of `key_share`: `| group 2 | key 2+n |`. */
export interface KeyShareEntry {
  readonly group: number;
  readonly publicKey: Uint8Array;
}

/** `key_share` of a ClientHello: a list, perhaps empty (RFC 8446 §4.2.8). Malformed: `undefined`. */
export function parseKeyShares(content: Uint8Array): KeyShareEntry[] | undefined {
  const reader = new ByteReader(content);
  const list = new ByteReader(reader.vector(2));
  const entries: KeyShareEntry[] = [];
  while (!list.failed && list.remaining > 0) entries.push({ group: list.u16(), publicKey: list.vector(2) });
  return reader.finished && !list.failed ? entries : undefined;
}

export function encodeKeyShares(entries: readonly KeyShareEntry[]): Uint8Array {
  const writer = new ByteWriter(1400);
  writer.vector(2, () => {
    for (const entry of entries) writeKeyShare(writer, entry);
  });
  return writer.finish();
}

/** `key_share` of a ServerHello: one entry. */
export function parseKeyShare(content: Uint8Array): KeyShareEntry | undefined {
  const reader = new ByteReader(content);
  const entry = { group: reader.u16(), publicKey: reader.vector(2) };
  return reader.finished ? entry : undefined;
}

export function encodeKeyShare(entry: KeyShareEntry): Uint8Array {
  const writer = new ByteWriter(1200);
  writeKeyShare(writer, entry);
  return writer.finish();
}

function writeKeyShare(writer: ByteWriter, { group, publicKey }: KeyShareEntry): void {
  writer.u16(group).vector(2, () => writer.bytes(publicKey));
}

/** One 16-bit number that is the whole of an extension: the server's choice of version or group. */
export function parseNumber(content: Uint8Array | undefined): number | undefined {
  return content?.length === 2 ? (content[0] << 8) | content[1] : undefined;
}

export function encodeNumber(number: number): Uint8Array {
  return Uint8Array.of(number >>> 8, number);
}

/** `cookie` (RFC 8446 §4.2.2): `| cookie 2+n |`. */
export function parseCookie(content: Uint8Array): Uint8Array | undefined {
  const reader = new ByteReader(content);
  const cookie = reader.vector(2);
  return reader.finished && cookie.length > 0 ? cookie : undefined;
}

export function encodeCookie(cookie: Uint8Array): Uint8Array {
  const writer = new ByteWriter(64);
  writer.vector(2, () => writer.bytes(cookie));
  return writer.finish();
}

/**
 * The answer to a client's `use_srtp` (RFC 5764 §4.1.1), `| profiles 2+n | mki 1+n |`: its first profile, without an MKI.
 * `undefined` where the client did not offer the extension, or offered no profile.
 *
 * No media follows. But pion, aiortc and werift offer SRTP even for data alone, and end the handshake when the server
 * does not choose a profile.
 */
export function answerUseSrtp(offered: Uint8Array | undefined): Uint8Array | undefined {
  if (offered === undefined) return undefined;
  const reader = new ByteReader(offered);
  const profiles = new ByteReader(reader.vector(2));
  reader.vector(1);
  const first = profiles.u16();
  if (!reader.finished || profiles.failed || profiles.end % 2 !== 0) return undefined;
  return Uint8Array.of(0x00, 0x02, first >>> 8, first, 0x00);
}
