import { equalConstantTime, hmacSha256 } from "../crypto/platform.ts";
import { ByteReader, ByteWriter } from "../wire/bytes.ts";
import { encodeNumber } from "./extensions.ts";

/** What cookies are made with, and the address that they are bound to. */
export interface CookieKey {
  readonly secret: Uint8Array;
  readonly peer: Uint8Array;
}

/** How a server asks for cookies. */
export interface HelloVerify extends CookieKey {
  /** Whether the handshake may begin, now that the cookie has come back. Default: it may. */
  mayBegin?(): boolean;
}

/** What a HelloRetryRequest has asked for, and of whom. */
export interface Retry {
  /** SHA-256 of the first ClientHello, which stands for it in the transcript (RFC 8446 §4.4.1). */
  readonly helloHash: Uint8Array;
  /** Of the first ClientHello; the second has the same (RFC 8446 §4.1.2). */
  readonly random: Uint8Array;
  /** The group a key was asked for; 0 for none. */
  readonly group: number;
}

const HASH_BYTES = 32;

/**
 * The cookie of a HelloRetryRequest (RFC 8446 §4.2.2). It holds all that the server has to know of the first hello, so that the server
 * needs to keep nothing of it:
 *
 *     | group 2 | SHA-256 of the first ClientHello 32 | HMAC-SHA-256 over these, the random and the peer's address 32 |
 */
export function sealRetry(key: CookieKey, retry: Retry): Uint8Array {
  const { group, helloHash } = retry;
  return new ByteWriter(2 + 2 * HASH_BYTES).u16(group).bytes(helloHash).bytes(authenticate(key, retry)).finish();
}

/** What the cookie in a second hello, which has this random, says; `undefined` where it is none of ours for this address. */
export function openRetry(key: CookieKey, cookie: Uint8Array, random: Uint8Array): Retry | undefined {
  const reader = new ByteReader(cookie);
  const retry = { group: reader.u16(), helloHash: reader.take(HASH_BYTES), random };
  const mac = reader.take(HASH_BYTES);
  return reader.finished && equalConstantTime(mac, authenticate(key, retry)) ? retry : undefined;
}

function authenticate({ secret, peer }: CookieKey, { group, helloHash, random }: Retry): Uint8Array {
  return hmacSha256(secret, Uint8Array.of(peer.length), peer, encodeNumber(group), helloHash, random);
}
