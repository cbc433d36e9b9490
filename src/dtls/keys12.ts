import { hmacSha256, sha256 } from "../crypto/platform.ts";
import { ByteWriter, concatBytes } from "../wire/bytes.ts";

/** The key schedule of TLS 1.2 with SHA-256 (RFC 5246 §5, §6.3, §8.1), for DTLS 1.2 as it is. */

const MASTER_SECRET_BYTES = 48;
const VERIFY_DATA_BYTES = 12;
const KEY_BYTES = 16;
/** RFC 5288 §3: the implicit part of the nonce. */
const SALT_BYTES = 4;

/** RFC 5246 §5: PRF(secret, label, seed) = P_SHA256(secret, label + seed), `length` bytes of it. */
export function prf(secret: Uint8Array, label: string, seed: Uint8Array, length: number): Uint8Array {
  const labelAndSeed = concatBytes(new TextEncoder().encode(label), seed);
  const output = new Uint8Array(length);
  let a = labelAndSeed; // A(0)
  for (let at = 0; at < length; ) {
    a = hmacSha256(secret, a); // A(i) = HMAC(secret, A(i-1))
    const block = hmacSha256(secret, a, labelAndSeed);
    output.set(block.subarray(0, length - at), at);
    at += block.length;
  }
  return output;
}

/** RFC 7627 §4: bound to all messages up to ClientKeyExchange, so that no two connections share it. */
export function extendedMasterSecret(preMasterSecret: Uint8Array, transcript: readonly Uint8Array[]): Uint8Array {
  return prf(preMasterSecret, "extended master secret", sha256(...transcript), MASTER_SECRET_BYTES);
}

/** Key and salt of one direction. */
export interface TrafficKey {
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
}

/** RFC 5246 §6.3: client's key, server's key, client's salt, server's salt (AEAD ciphers have no MAC keys). */
export function deriveKeys(
  masterSecret: Uint8Array,
  clientRandom: Uint8Array,
  serverRandom: Uint8Array,
): { client: TrafficKey; server: TrafficKey } {
  const seed = concatBytes(serverRandom, clientRandom);
  const block = prf(masterSecret, "key expansion", seed, 2 * (KEY_BYTES + SALT_BYTES));
  const salts = 2 * KEY_BYTES;
  return {
    client: { key: block.subarray(0, KEY_BYTES), salt: block.subarray(salts, salts + SALT_BYTES) },
    server: { key: block.subarray(KEY_BYTES, salts), salt: block.subarray(salts + SALT_BYTES) },
  };
}

/** RFC 5246 §7.4.9: what Finished carries. */
export function verifyData(
  masterSecret: Uint8Array,
  sender: "client" | "server",
  transcript: readonly Uint8Array[],
): Uint8Array {
  return prf(masterSecret, `${sender} finished`, sha256(...transcript), VERIFY_DATA_BYTES);
}

/** RFC 5705 §4: PRF(master_secret, label, client_random + server_random [+ context length + context]). */
export function exportKeyingMaterial12(
  masterSecret: Uint8Array,
  clientRandom: Uint8Array,
  serverRandom: Uint8Array,
  label: string,
  length: number,
  context?: Uint8Array,
): Uint8Array {
  const seed = new ByteWriter(128).bytes(clientRandom).bytes(serverRandom);
  // "If no context is provided" is not the same as an empty one.
  if (context !== undefined) seed.vector(2, (writer) => writer.bytes(context));
  return prf(masterSecret, label, seed.finish(), length);
}
