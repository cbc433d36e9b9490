/** ICE user fragment and password (RFC 8445 §5.3). */
import type { RandomSource } from "../crypto/platform.ts";

export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

// RFC 8445 §5.3 asks for at least 24 and 128 bits of randomness. 8 and 24 characters of 6 bits are 48 and 144: with
// 48 bits a fresh ufrag meets one of 10,000 open sessions once in 28 thousand million.
const UFRAG_CHARACTERS = 8;
const PWD_CHARACTERS = 24;

/** ice-char = ALPHA / DIGIT / "+" / "/" (RFC 8839 §5.4): 64 of them, so 6 random bits pick one without bias. */
const ICE_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function generateCredentials(random: RandomSource): IceCredentials {
  const bytes = random(UFRAG_CHARACTERS + PWD_CHARACTERS);
  return { ufrag: iceText(bytes.subarray(0, UFRAG_CHARACTERS)), pwd: iceText(bytes.subarray(UFRAG_CHARACTERS)) };
}

/** One piece in memory, where a part of a longer text, or a sum of characters, would keep what it was made of. */
function iceText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.map((byte) => ICE_CHARACTERS.charCodeAt(byte & 63)));
}
