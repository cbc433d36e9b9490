/**
 * The platform's synchronous cryptography, as small functions over `Uint8Array`: the one place below the runtime floor
 * that imports `node:crypto` (Node, Deno and Bun all have it). Records (AES-GCM) and CRC32c are WebAssembly instead:
 * see `wasm/datapath`.
 */
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  type KeyObject,
  timingSafeEqual,
  randomBytes as platformRandomBytes,
  sign as platformSign,
  verify as platformVerify,
} from "node:crypto";
import { concatBytes, equalBytes, fromHex } from "../wire/bytes.ts";

export type { KeyObject };

/** `length` bytes from the platform's secure random source. */
export type RandomSource = (length: number) => Uint8Array;

export const randomBytes: RandomSource = (length) => platformRandomBytes(length);

/** Milliseconds since 1970-01-01 UTC: for the dates in certificates, and nothing else. */
export const wallClockMs = (): number => Date.now();

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return hash("sha256", parts[0], "buffer");
  const digest = createHash("sha256");
  for (const part of parts) digest.update(part);
  return digest.digest();
}

/** SHA-256 of what grows: its digest can be asked for in between. It keeps a state of constant size, not what was added. */
export class RunningSha256 {
  readonly #hash = createHash("sha256");

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  digest(): Uint8Array {
    return this.#hash.copy().digest();
  }
}

export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return hmac("sha256", key, parts);
}

/** For STUN MESSAGE-INTEGRITY (RFC 8489 §14.5), where we are the side that asks. The one that answers has a kernel for it. */
export function hmacSha1(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return hmac("sha1", key, parts);
}

const HMAC_BLOCK_BYTES = 64; // SHA-1 and SHA-256
/** Holds the padded key and the text of all that is short: STUN messages, the key schedule of a handshake. */
const hmacScratch = new Uint8Array(1_024);

/**
 * HMAC (RFC 2104) over the platform's hash, in two calls that make no object. Node 24's own `createHmac` takes 13 µs, hash objects 3
 * to 6, this 2; a handshake of DTLS 1.3 needs 26 of them.
 */
function hmac(algorithm: "sha1" | "sha256", key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  let bytes = HMAC_BLOCK_BYTES;
  for (const part of parts) bytes += part.length;
  const text = bytes <= hmacScratch.length ? hmacScratch.subarray(0, bytes) : new Uint8Array(bytes);
  text.fill(0, 0, HMAC_BLOCK_BYTES);
  text.set(key.length > HMAC_BLOCK_BYTES ? hash(algorithm, key, "buffer") : key);
  for (let i = 0; i < HMAC_BLOCK_BYTES; i++) text[i] ^= 0x36;
  let at = HMAC_BLOCK_BYTES;
  for (const part of parts) {
    text.set(part, at);
    at += part.length;
  }
  const inner = hash(algorithm, text, "buffer");
  const outer = hmacScratch.subarray(0, HMAC_BLOCK_BYTES + inner.length);
  if (text.length > hmacScratch.length) outer.set(text.subarray(0, HMAC_BLOCK_BYTES));
  for (let i = 0; i < HMAC_BLOCK_BYTES; i++) outer[i] ^= 0x36 ^ 0x5c;
  outer.set(inner, HMAC_BLOCK_BYTES);
  const mac = hash(algorithm, outer, "buffer");
  text.fill(0);
  outer.fill(0);
  return mac;
}

/** Compares in time that depends on the lengths only. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

export type EcdhGroup = "x25519" | "secp256r1" | "secp384r1";

/** An ephemeral key: its public half as it stands on the wire, and the agreement with a peer's public half. */
export interface EphemeralKey {
  /** X25519: 32 bytes (RFC 7748). P-256 and P-384: 65 and 97 bytes, uncompressed point (RFC 8422 §5.4.1). */
  readonly publicKey: Uint8Array;
  /** The shared secret, or `undefined` where the peer's public half is not a valid one. */
  agree(peerPublicKey: Uint8Array): Uint8Array | undefined;
}

export function generateEphemeralKey(group: EcdhGroup): EphemeralKey {
  const { publicKey, privateKey } = generateKeyPair(group);
  const own = rawOf(publicKey);
  return {
    publicKey: own,
    agree(peerPublicKey) {
      if (peerPublicKey.length !== own.length) return undefined;
      try {
        const secret = diffieHellman({ privateKey, publicKey: keyOf(peerPublicKey) });
        // RFC 7748 §6.1: an all-zero secret means a point of small order.
        return secret.every((byte) => byte === 0) ? undefined : secret;
      } catch {
        return undefined; // Not a point of the curve.
      }
    },
  };
}

const X25519_BYTES = 32;
/** An uncompressed point (SEC 1 §2.3.3): this, and two coordinates. */
const UNCOMPRESSED = 0x04;
const P256_POINT_BYTES = 1 + 2 * 32;
const P384_POINT_BYTES = 1 + 2 * 48;
/** Names in JSON Web Keys. */
const CURVES: Readonly<Record<Exclude<EcdhGroup, "x25519">, string>> = { secp256r1: "P-256", secp384r1: "P-384" };

// Raw keys go in and out as JSON Web Keys (RFC 7518 §6.2, RFC 8037 §2): the decoders and encoders of OpenSSL 3 take longer
// over DER than the key exchange itself (80 and 70 µs for X25519, where this takes 10 and 1).

/**
 * The public half must come out encoded by the generation itself. `publicKey.export({ format: "jwk" })` afterwards hangs the
 * process, rarely but for good: Node 20 holds the key's lock while it creates the strings, and where that collects
 * the object of the finished generation, its destructor waits for the same lock.
 */
function generateKeyPair(group: EcdhGroup): { publicKey: JsonWebKey; privateKey: KeyObject } {
  const publicKeyEncoding = { format: "jwk" };
  const generate = generateKeyPairSync as (type: string, options: object) => unknown;
  return (
    group === "x25519"
      ? generate("x25519", { publicKeyEncoding })
      : generate("ec", { namedCurve: CURVES[group], publicKeyEncoding })
  ) as { publicKey: JsonWebKey; privateKey: KeyObject };
}

function rawOf({ x = "", y }: JsonWebKey): Uint8Array {
  if (y === undefined) return new Uint8Array(Buffer.from(x, "base64url"));
  return concatBytes(Uint8Array.of(UNCOMPRESSED), Buffer.from(x, "base64url"), Buffer.from(y, "base64url"));
}

/** Throws where the bytes are no point of the curve that their number implies. */
function keyOf(raw: Uint8Array): KeyObject {
  if (raw.length === X25519_BYTES) {
    return createPublicKey({ key: { kty: "OKP", crv: "X25519", x: base64url(raw) }, format: "jwk" });
  }
  const isPoint = raw.length === P256_POINT_BYTES || raw.length === P384_POINT_BYTES;
  if (!isPoint || raw[0] !== UNCOMPRESSED) throw new RangeError("not an uncompressed point");
  const crv = raw.length === P256_POINT_BYTES ? CURVES.secp256r1 : CURVES.secp384r1;
  const middle = (raw.length + 1) / 2;
  const x = base64url(raw.subarray(1, middle));
  const y = base64url(raw.subarray(middle));
  return createPublicKey({ key: { kty: "EC", crv, x, y }, format: "jwk" });
}

function base64url(bytes: Uint8Array): string {
  return toBuffer(bytes).toString("base64url");
}

/** ECDSA with SHA-256, DER-encoded signature (`ecdsa_secp256r1_sha256`, 0x0403). */
export function signEcdsa(privateKey: KeyObject, data: Uint8Array): Uint8Array {
  return platformSign("sha256", data, privateKey);
}

/** SubjectPublicKeyInfo of a P-256 key up to its uncompressed point (RFC 5480 §2). */
const P256_SPKI_PREFIX = fromHex("3059301306072a8648ce3d020106082a8648ce3d030107034200");

/** The kinds of keys whose signatures are taken. */
export type KeyKind = "p256" | "p384" | "ed25519" | "rsa";

/** A peer's public key, for signatures. */
export interface PublicKey {
  readonly kind: KeyKind;
  readonly key: KeyObject;
}

/** How a signature was made. */
export interface SignatureAlgorithm {
  /** `undefined` where the algorithm has its own (Ed25519). */
  readonly hash: "sha256" | "sha384" | "sha512" | undefined;
  /** RSA only: PKCS #1 v1.5 or PSS with a salt as long as the hash (RFC 8446 §4.2.3). */
  readonly padding?: "pkcs1" | "pss";
}

const EC_KINDS: Readonly<Record<string, KeyKind>> = { prime256v1: "p256", secp384r1: "p384" };
/** Shorter ones can be factored. Longer ones, and exponents of more than 32 bits, make us work for a stranger. */
const RSA_BITS = { least: 2_048, greatest: 4_096 };
const GREATEST_RSA_EXPONENT = 0xffff_ffffn;

/** Reads a public key in DER SubjectPublicKeyInfo form. `undefined` where it is malformed, or of a kind that is not taken. */
export function readPublicKey(spki: Uint8Array): PublicKey | undefined {
  try {
    const point = spki.subarray(P256_SPKI_PREFIX.length);
    if (point.length === P256_POINT_BYTES && equalBytes(spki.subarray(0, P256_SPKI_PREFIX.length), P256_SPKI_PREFIX)) {
      return { kind: "p256", key: keyOf(point) };
    }
    const key = createPublicKey({ key: toBuffer(spki), format: "der", type: "spki" });
    const kind = kindOf(key);
    return kind === undefined ? undefined : { kind, key };
  } catch {
    return undefined; // Not a key.
  }
}

function kindOf({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): KeyKind | undefined {
  const { namedCurve = "", modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails;
  switch (asymmetricKeyType) {
    case "ec":
      return EC_KINDS[namedCurve];
    case "ed25519":
      return "ed25519";
    case "rsa": {
      const isUsual = modulusLength >= RSA_BITS.least && modulusLength <= RSA_BITS.greatest;
      return isUsual && publicExponent <= GREATEST_RSA_EXPONENT ? "rsa" : undefined;
    }
    default:
      return undefined;
  }
}

/** Whether `signature` is one of `data` by this key. */
export function verifySignature(
  { key }: PublicKey,
  { hash, padding }: SignatureAlgorithm,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  try {
    return platformVerify(hash ?? null, data, padding === "pss" ? { key, ...pss } : key, signature);
  } catch {
    return false; // Not a signature.
  }
}

/** A fresh P-256 signing key. */
export function generateSigningKey(): { privateKey: KeyObject; publicKeySpki: Uint8Array } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { privateKey, publicKeySpki: publicKey.export({ type: "spki", format: "der" }) };
}

/** Reads a PEM private key; throws the platform's error where it is not one. */
export function privateKeyFromPem(pem: string): KeyObject {
  return createPrivateKey(pem);
}

/** PKCS #8 PEM text of a private key. */
export function privateKeyToPem(privateKey: KeyObject): string {
  return privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
