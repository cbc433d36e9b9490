/**
 * The platform's synchronous cryptography, as small functions over `Uint8Array`: the one place below the runtime floor
 * that imports `node:crypto` (Node, Deno and Bun all have it). Records (AES-GCM) and CRC32c are WebAssembly instead:
 * see `wasm/datapath`.
 */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  timingSafeEqual,
  randomBytes as platformRandomBytes,
  sign as platformSign,
  verify as platformVerify,
} from "node:crypto";
import { concatBytes, fromHex } from "../wire/bytes.ts";

export type { KeyObject };

/** `length` bytes from the platform's secure random source. */
export type RandomSource = (length: number) => Uint8Array;

export const randomBytes: RandomSource = (length) => platformRandomBytes(length);

/** Milliseconds since 1970-01-01 UTC: for the dates in certificates, and nothing else. */
export const wallClockMs = (): number => Date.now();

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return hmac("sha256", key, parts);
}

/** For STUN MESSAGE-INTEGRITY (RFC 8489 §14.5). */
export function hmacSha1(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return hmac("sha1", key, parts);
}

function hmac(algorithm: "sha1" | "sha256", key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac(algorithm, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** Compares in time that depends on the lengths only. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

export type EcdhGroup = "x25519" | "secp256r1";

/** An ephemeral key: its public half as it stands on the wire, and the agreement with a peer's public half. */
export interface EphemeralKey {
  /** X25519: 32 bytes (RFC 7748). P-256: 65 bytes, uncompressed point (RFC 8422 §5.4.1). */
  readonly publicKey: Uint8Array;
  /** The shared secret, or `undefined` where the peer's public half is not a valid one. */
  agree(peerPublicKey: Uint8Array): Uint8Array | undefined;
}

// SubjectPublicKeyInfo up to the raw key (RFC 8410 §4, RFC 5480 §2), so that raw keys can be imported as DER.
const SPKI_PREFIX: Record<EcdhGroup, Uint8Array> = {
  x25519: fromHex("302a300506032b656e032100"),
  secp256r1: fromHex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
};

export function generateEphemeralKey(group: EcdhGroup): EphemeralKey {
  const { publicKey, privateKey } =
    group === "x25519" ? generateKeyPairSync("x25519") : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const prefix = SPKI_PREFIX[group];
  const spki = publicKey.export({ type: "spki", format: "der" });
  return {
    publicKey: new Uint8Array(spki.subarray(prefix.length)),
    agree(peerPublicKey) {
      if (peerPublicKey.length !== spki.length - prefix.length) return undefined;
      try {
        const peer = createPublicKey({
          key: toBuffer(concatBytes(prefix, peerPublicKey)),
          format: "der",
          type: "spki",
        });
        const secret = diffieHellman({ privateKey, publicKey: peer });
        // RFC 7748 §6.1: an all-zero secret means a point of small order.
        return secret.every((byte) => byte === 0) ? undefined : secret;
      } catch {
        return undefined; // Not a point of the curve.
      }
    },
  };
}

/** ECDSA with SHA-256, DER-encoded signature (`ecdsa_secp256r1_sha256`, 0x0403). */
export function signEcdsa(privateKey: KeyObject, data: Uint8Array): Uint8Array {
  return platformSign("sha256", data, privateKey);
}

/** Verifies an `ecdsa_secp256r1_sha256` signature with a public key in DER SubjectPublicKeyInfo form. */
export function verifyEcdsa(publicKeySpki: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: toBuffer(publicKeySpki), format: "der", type: "spki" });
    if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") return false;
    return platformVerify("sha256", data, key, signature);
  } catch {
    return false; // Not a key, or not a signature.
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
