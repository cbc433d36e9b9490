import { ByteReader, ByteWriter, fromHex } from "../wire/bytes.ts";
import { type Extensions, readExtensions, writeExtensions } from "./extensions.ts";

// Handshake types (RFC 6347 §4.3.2, RFC 8446 §4).
export const HELLO_REQUEST = 0x00;
export const CLIENT_HELLO = 0x01;
export const SERVER_HELLO = 0x02;
export const HELLO_VERIFY_REQUEST = 0x03;
export const NEW_SESSION_TICKET = 0x04;
export const ENCRYPTED_EXTENSIONS = 0x08;
export const CERTIFICATE = 0x0b;
export const SERVER_KEY_EXCHANGE = 0x0c;
export const CERTIFICATE_REQUEST = 0x0d;
export const SERVER_HELLO_DONE = 0x0e;
export const CERTIFICATE_VERIFY = 0x0f;
export const CLIENT_KEY_EXCHANGE = 0x10;
export const FINISHED = 0x14;
export const KEY_UPDATE = 0x18;
/** Stands for the first ClientHello in a transcript with a HelloRetryRequest (RFC 8446 §4.4.1). */
export const MESSAGE_HASH = 0xfe;

export const VERSION_DTLS_1_0 = 0xfeff;
export const VERSION_DTLS_1_2 = 0xfefd;
export const VERSION_DTLS_1_3 = 0xfefc;

export const TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = 0xc02b; // RFC 5289 §3.2
export const TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 = 0xc02f; // RFC 5289 §3.2
export const TLS_AES_128_GCM_SHA256 = 0x1301; // RFC 8446 §B.4
/** Of DTLS 1.2, what our client offers. Our own certificates are ECDSA, so our server has the first only. */
export const SUITES_12: readonly number[] = [
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];
export const TLS_FALLBACK_SCSV = 0x5600; // RFC 7507
export const TLS_EMPTY_RENEGOTIATION_INFO_SCSV = 0x00ff; // RFC 5746 §3.3
export const COMPRESSION_NULL = 0x00;

const CURVE_TYPE_NAMED = 0x03; // RFC 8422 §5.4
// Client certificate types (RFC 5246 §7.4.4, RFC 8422 §5.5; Ed25519 is ecdsa_sign, too).
const CERTIFICATE_TYPE_RSA_SIGN = 0x01;
const CERTIFICATE_TYPE_ECDSA_SIGN = 0x40;
const NO_EXTENSIONS: Extensions = new Map();

/**
 * RFC 6347 §4.2.1, the same bytes in RFC 9147 §5.3:
 *
 *     | client_version 2 | random 32 | session_id 1+n | cookie 1+n | cipher_suites 2+n | compression 1+n | extensions 2+n |
 */
export interface ClientHello {
  readonly version: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly cookie: Uint8Array;
  readonly cipherSuites: readonly number[];
  readonly compressionMethods: Uint8Array;
  readonly extensions: Extensions;
}

export function parseClientHello(body: Uint8Array): ClientHello | undefined {
  const reader = new ByteReader(body);
  const version = reader.u16();
  const random = reader.take(32);
  const sessionId = reader.vector(1);
  const cookie = reader.vector(1);
  const suites = new ByteReader(reader.vector(2));
  const compressionMethods = reader.vector(1);
  const extensions = readOptionalExtensions(reader);
  if (!reader.finished || extensions === undefined) return undefined;
  if (sessionId.length > 32 || suites.end === 0 || suites.end % 2 !== 0 || compressionMethods.length === 0) {
    return undefined;
  }
  const cipherSuites: number[] = [];
  while (suites.remaining > 0) cipherSuites.push(suites.u16());
  return { version, random, sessionId, cookie, cipherSuites, compressionMethods, extensions };
}

export function encodeClientHello(hello: ClientHello): Uint8Array {
  const writer = new ByteWriter(512);
  writer.u16(hello.version).bytes(hello.random);
  writer.vector(1, () => writer.bytes(hello.sessionId));
  writer.vector(1, () => writer.bytes(hello.cookie));
  writer.vector(2, () => {
    for (const suite of hello.cipherSuites) writer.u16(suite);
  });
  writer.vector(1, () => writer.bytes(hello.compressionMethods));
  writeExtensions(writer, hello.extensions);
  return writer.finish();
}

/**
 * RFC 5246 §7.4.1.3, the same bytes in RFC 8446 §4.1.3:
 *
 *     | server_version 2 | random 32 | session_id 1+n | cipher_suite 2 | compression_method 1 | extensions 2+n |
 */
export interface ServerHello {
  readonly version: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly cipherSuite: number;
  readonly compressionMethod: number;
  readonly extensions: Extensions;
}

export function parseServerHello(body: Uint8Array): ServerHello | undefined {
  const reader = new ByteReader(body);
  const version = reader.u16();
  const random = reader.take(32);
  const sessionId = reader.vector(1);
  const cipherSuite = reader.u16();
  const compressionMethod = reader.u8();
  const extensions = readOptionalExtensions(reader);
  if (!reader.finished || extensions === undefined || sessionId.length > 32) return undefined;
  return { version, random, sessionId, cipherSuite, compressionMethod, extensions };
}

export function encodeServerHello(hello: ServerHello): Uint8Array {
  const writer = new ByteWriter(128);
  writer.u16(hello.version).bytes(hello.random);
  writer.vector(1, () => writer.bytes(hello.sessionId));
  writer.u16(hello.cipherSuite).u8(hello.compressionMethod);
  writeExtensions(writer, hello.extensions);
  return writer.finish();
}

/** RFC 8446 §4.1.3: the random that makes a ServerHello a HelloRetryRequest, SHA-256 of "HelloRetryRequest". */
export const HELLO_RETRY_RANDOM = fromHex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c");
/** RFC 8446 §4.1.3: the end of a server's random where it speaks 1.3 and negotiates 1.2. */
export const DOWNGRADE_SENTINEL = fromHex("444f574e47524401");

/** RFC 5246 §7.4.1.2: a hello may end after the compression, without any list of extensions. */
function readOptionalExtensions(reader: ByteReader): Extensions | undefined {
  return reader.remaining === 0 ? NO_EXTENSIONS : readExtensions(reader);
}

/** RFC 6347 §4.2.1: `| server_version 2 | cookie 1+n |`. The cookie, or `undefined`. */
export function parseHelloVerifyRequest(body: Uint8Array): Uint8Array | undefined {
  const reader = new ByteReader(body);
  reader.u16(); // "MUST NOT be used to negotiate" anything
  const cookie = reader.vector(1);
  return reader.finished ? cookie : undefined;
}

export function encodeHelloVerifyRequest(cookie: Uint8Array): Uint8Array {
  const writer = new ByteWriter(64);
  // RFC 6347 §4.2.1: "DTLS 1.2 server implementations SHOULD use DTLS version 1.0 regardless of the version of TLS that
  // is expected to be negotiated."
  writer.u16(VERSION_DTLS_1_0).vector(1, () => writer.bytes(cookie));
  return writer.finish();
}

/**
 * RFC 5246 §7.4.2: `| list 3+n of | certificate 3+n | |`. The peer's own certificate, which comes first; an empty one where
 * the list is empty; `undefined` where it is malformed.
 */
export function parseCertificate12(body: Uint8Array): Uint8Array | undefined {
  const reader = new ByteReader(body);
  const list = new ByteReader(reader.vector(3));
  if (!reader.finished) return undefined;
  const first = list.end === 0 ? list.bytes : list.vector(3);
  if (list.end > 0 && first.length === 0) return undefined; // ASN.1Cert<1..2^24-1>
  while (list.remaining > 0) list.vector(3);
  return list.failed ? undefined : first;
}

export function encodeCertificate12(der: Uint8Array | undefined): Uint8Array {
  const writer = new ByteWriter(512);
  writer.vector(3, () => {
    if (der !== undefined) writer.vector(3, () => writer.bytes(der));
  });
  return writer.finish();
}

/** RFC 8422 §5.4: `| curve_type 1 | named_curve 2 | point 1+n | scheme 2 | signature 2+n |`. */
export interface ServerKeyExchange {
  readonly group: number;
  readonly publicKey: Uint8Array;
  /** ServerECDHParams as they stand in the message: what is signed, after both randoms. */
  readonly parameters: Uint8Array;
  readonly scheme: number;
  readonly signature: Uint8Array;
}

export function parseServerKeyExchange(body: Uint8Array): ServerKeyExchange | undefined {
  const reader = new ByteReader(body);
  const curveType = reader.u8();
  const group = reader.u16();
  const publicKey = reader.vector(1);
  const parameters = body.subarray(0, reader.offset);
  const scheme = reader.u16();
  const signature = reader.vector(2);
  if (!reader.finished || curveType !== CURVE_TYPE_NAMED) return undefined;
  return { group, publicKey, parameters, scheme, signature };
}

export function encodeKeyExchangeParameters(group: number, publicKey: Uint8Array): Uint8Array {
  const writer = new ByteWriter(80);
  writer.u8(CURVE_TYPE_NAMED).u16(group);
  writer.vector(1, () => writer.bytes(publicKey));
  return writer.finish();
}

export function encodeServerKeyExchange(parameters: Uint8Array, scheme: number, signature: Uint8Array): Uint8Array {
  const writer = new ByteWriter(192);
  writer.bytes(parameters).u16(scheme);
  writer.vector(2, () => writer.bytes(signature));
  return writer.finish();
}

/** RFC 5246 §7.4.4: `| certificate_types 1+n | schemes 2+n | certificate_authorities 2+n |`. The schemes. */
export function parseCertificateRequest12(body: Uint8Array): number[] | undefined {
  const reader = new ByteReader(body);
  reader.vector(1);
  const list = new ByteReader(reader.vector(2));
  reader.vector(2);
  if (!reader.finished || list.end % 2 !== 0) return undefined;
  const schemes: number[] = [];
  while (list.remaining > 0) schemes.push(list.u16());
  return schemes;
}

export function encodeCertificateRequest12(schemes: readonly number[]): Uint8Array {
  const writer = new ByteWriter(16);
  writer.vector(1, () => writer.u8(CERTIFICATE_TYPE_ECDSA_SIGN).u8(CERTIFICATE_TYPE_RSA_SIGN));
  writer.vector(2, () => {
    for (const scheme of schemes) writer.u16(scheme);
  });
  writer.u16(0); // any authority
  return writer.finish();
}

/** RFC 8422 §5.7: `| point 1+n |`. */
export function parseClientKeyExchange(body: Uint8Array): Uint8Array | undefined {
  const reader = new ByteReader(body);
  const publicKey = reader.vector(1);
  return reader.finished && publicKey.length > 0 ? publicKey : undefined;
}

export function encodeClientKeyExchange(publicKey: Uint8Array): Uint8Array {
  const writer = new ByteWriter(80);
  writer.vector(1, () => writer.bytes(publicKey));
  return writer.finish();
}

/** RFC 5246 §7.4.8, the same bytes in RFC 8446 §4.4.3: `| scheme 2 | signature 2+n |`. */
export interface CertificateVerify {
  readonly scheme: number;
  readonly signature: Uint8Array;
}

export function parseCertificateVerify(body: Uint8Array): CertificateVerify | undefined {
  const reader = new ByteReader(body);
  const scheme = reader.u16();
  const signature = reader.vector(2);
  return reader.finished ? { scheme, signature } : undefined;
}

export function encodeCertificateVerify({ scheme, signature }: CertificateVerify): Uint8Array {
  const writer = new ByteWriter(96);
  writer.u16(scheme).vector(2, () => writer.bytes(signature));
  return writer.finish();
}

/** RFC 8446 §4.3.1: `| extensions 2+n |`. */
export function parseEncryptedExtensions(body: Uint8Array): Extensions | undefined {
  const reader = new ByteReader(body);
  const extensions = readExtensions(reader);
  return reader.finished ? extensions : undefined;
}

export function encodeEncryptedExtensions(extensions: Extensions): Uint8Array {
  const writer = new ByteWriter(16);
  writeExtensions(writer, extensions);
  return writer.finish();
}

/** RFC 8446 §4.3.2: `| certificate_request_context 1+n | extensions 2+n |`. */
export interface CertificateRequest13 {
  readonly context: Uint8Array;
  readonly extensions: Extensions;
}

export function parseCertificateRequest13(body: Uint8Array): CertificateRequest13 | undefined {
  const reader = new ByteReader(body);
  const context = reader.vector(1);
  const extensions = readExtensions(reader);
  return reader.finished && extensions !== undefined ? { context, extensions } : undefined;
}

export function encodeCertificateRequest13({ context, extensions }: CertificateRequest13): Uint8Array {
  const writer = new ByteWriter(32);
  writer.vector(1, () => writer.bytes(context));
  writeExtensions(writer, extensions);
  return writer.finish();
}

/** RFC 8446 §4.4.2: `| context 1+n | list 3+n of | certificate 3+n | extensions 2+n | |`. */
export interface Certificate13 {
  readonly context: Uint8Array;
  /** The peer's own certificate, which comes first; empty where the list is. */
  readonly der: Uint8Array;
}

export function parseCertificate13(body: Uint8Array): Certificate13 | undefined {
  const reader = new ByteReader(body);
  const context = reader.vector(1);
  const list = new ByteReader(reader.vector(3));
  if (!reader.finished) return undefined;
  let der: Uint8Array | undefined;
  while (!list.failed && list.remaining > 0) {
    const certificate = list.vector(3);
    if (certificate.length === 0 || readExtensions(list) === undefined) return undefined;
    der ??= certificate;
  }
  return list.failed ? undefined : { context, der: der ?? new Uint8Array(0) };
}

export function encodeCertificate13({ context, der }: Certificate13): Uint8Array {
  const writer = new ByteWriter(512);
  writer.vector(1, () => writer.bytes(context));
  writer.vector(3, () => {
    if (der.length > 0) writer.vector(3, () => writer.bytes(der)).u16(0);
  });
  return writer.finish();
}

/** RFC 8446 §4.6.3: `| request_update 1 |`, whether the peer is asked to update as well. */
export function parseKeyUpdate(body: Uint8Array): boolean | undefined {
  return body.length === 1 && body[0] <= 1 ? body[0] === 1 : undefined;
}

export function encodeKeyUpdate(requested: boolean): Uint8Array {
  return Uint8Array.of(requested ? 1 : 0);
}
