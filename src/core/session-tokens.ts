import { equalConstantTime, hmacSha256, type RandomSource } from "../crypto/platform.ts";
import { fromBase64, toBase64 } from "../wire/bytes.ts";

const KEY_BYTES = 32;
const UFRAG_BYTES = 8;
const MAC_BYTES = 16;
const TOKEN = /^[\w-]{32}$/;
const encoder = new TextEncoder();

/**
 * Names of sessions for those who have the answer to the session's offer, and for nobody else:
 *
 *     ufrag (8) | first 16 bytes of HMAC-SHA-256(key of the endpoint, ufrag | the peer's fingerprint)
 *
 * in base64url, 32 characters. Since the fingerprint is in it, a name is good for offers with that certificate only, and neither name
 * nor fingerprint has to be kept with each connection.
 */
export class SessionTokens {
  readonly #key: Uint8Array;

  constructor(random: RandomSource) {
    this.#key = random(KEY_BYTES);
  }

  /** @param ufrag the session's first */
  write(ufrag: string, fingerprint: Uint8Array): string {
    const bytes = new Uint8Array(UFRAG_BYTES + MAC_BYTES);
    bytes.set(encoder.encode(ufrag));
    bytes.set(this.#mac(ufrag, fingerprint), UFRAG_BYTES);
    return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_");
  }

  /** The ufrag that a token names, which is not verified; `undefined` where it is none. */
  ufragOf(token: string): string | undefined {
    const bytes = bytesOf(token);
    return bytes && String.fromCharCode(...bytes.subarray(0, UFRAG_BYTES));
  }

  /** Whether it is the token of the session with its ufrag, for a peer with this fingerprint. */
  verify(token: string, fingerprint: Uint8Array): boolean {
    const bytes = bytesOf(token);
    const ufrag = this.ufragOf(token);
    if (bytes === undefined || ufrag === undefined) return false;
    return equalConstantTime(bytes.subarray(UFRAG_BYTES), this.#mac(ufrag, fingerprint));
  }

  #mac(ufrag: string, fingerprint: Uint8Array): Uint8Array {
    return hmacSha256(this.#key, encoder.encode(ufrag), fingerprint).subarray(0, MAC_BYTES);
  }
}

function bytesOf(token: string): Uint8Array | undefined {
  // It is the peer's word, its type included.
  return typeof token === "string" && TOKEN.test(token)
    ? fromBase64(token.replaceAll("-", "+").replaceAll("_", "/"))
    : undefined;
}
