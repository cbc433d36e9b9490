// SHA-1 (FIPS 180-4 section 6.1) and HMAC over it (RFC 2104), for MESSAGE-INTEGRITY of STUN (RFC 8489 section 14.5). No branch and
// no address depends on what is hashed. A check comes once in seconds for a connection, when the caches know nothing of this code
// any more: so it is one loop for all rounds, the smallest form and not the fastest.
import { MAC_BYTES, MAC_KEY, SHA_DIGEST, SHA_SCHEDULE, SHA_STATE } from "./layout";

const BLOCK: u32 = 64;
/** Behind a message: 0x80, and its length in bits, of 64 bits. */
const TRAILER: u32 = 9;

/** RFC 2104 section 2: ipad, opad. */
const INNER: u32 = 0x36363636;
const OUTER: u32 = 0x5c5c5c5c;

/** Writes the HMAC of the data to `mac`. The key is at MAC_KEY, with zeros up to a block behind it; it is wiped. */
export function hmacSha1(keyLength: u32, data: usize, length: u32, mac: usize): void {
  compute(keyLength, data, length);
  copy(mac, SHA_DIGEST, MAC_BYTES);
  wipe(keyLength);
}

/** Whether the HMAC of the data is at `mac`. All bytes are compared, wherever they differ. */
export function verifyHmacSha1(keyLength: u32, data: usize, length: u32, mac: usize): i32 {
  compute(keyLength, data, length);
  let difference: u32 = 0;
  for (let i: u32 = 0; i < MAC_BYTES; i += 4) difference |= load<u32>(mac + i) ^ load<u32>(SHA_DIGEST + i);
  wipe(keyLength);
  return difference ? 0 : 1;
}

/** H(K XOR opad, H(K XOR ipad, text)) to SHA_DIGEST. */
function compute(keyLength: u32, data: usize, length: u32): void {
  if (keyLength > BLOCK) {
    // A key longer than a block is hashed first.
    begin();
    end(MAC_KEY, keyLength, keyLength);
    memory.fill(MAC_KEY, 0, keyLength);
    copy(MAC_KEY, SHA_DIGEST, MAC_BYTES);
  }
  beginWithKey(INNER);
  end(data, length, BLOCK + length);
  beginWithKey(OUTER);
  end(SHA_DIGEST, MAC_BYTES, BLOCK + MAC_BYTES);
}

function begin(): void {
  store<u32>(SHA_STATE, 0x67452301);
  store<u32>(SHA_STATE, 0xefcdab89, 4);
  store<u32>(SHA_STATE, 0x98badcfe, 8);
  store<u32>(SHA_STATE, 0x10325476, 12);
  store<u32>(SHA_STATE, 0xc3d2e1f0, 16);
}

function beginWithKey(pad: u32): void {
  begin();
  for (let i: u32 = 0; i < BLOCK; i += 4) store<u32>(SHA_SCHEDULE + i, load<u32>(MAC_KEY + i) ^ pad);
  compress(SHA_SCHEDULE);
}

/** Takes the last `length` bytes of a message that has `total`, and writes its hash to SHA_DIGEST. */
function end(data: usize, length: u32, total: u32): void {
  for (; length >= BLOCK; length -= BLOCK) {
    compress(data);
    data += BLOCK;
  }
  clearBlock();
  copy(SHA_SCHEDULE, data, length);
  store<u8>(SHA_SCHEDULE + length, 0x80);
  if (length + TRAILER > BLOCK) {
    compress(SHA_SCHEDULE);
    clearBlock();
  }
  store<u32>(SHA_SCHEDULE, bswap(total << 3), 60);
  compress(SHA_SCHEDULE);
  for (let i: u32 = 0; i < MAC_BYTES; i += 4) store<u32>(SHA_DIGEST + i, bswap(load<u32>(SHA_STATE + i)));
}

/** Section 6.1.2. The block may stand where the schedule begins. */
function compress(block: usize): void {
  for (let t: u32 = 0; t < 64; t += 4) store<u32>(SHA_SCHEDULE + t, bswap(load<u32>(block + t)));
  for (let t = SHA_SCHEDULE; t < SHA_SCHEDULE + 256; t += 4) {
    store<u32>(t, rotl(load<u32>(t, 52) ^ load<u32>(t, 32) ^ load<u32>(t, 8) ^ load<u32>(t), 1), 64);
  }
  let a = load<u32>(SHA_STATE);
  let b = load<u32>(SHA_STATE, 4);
  let c = load<u32>(SHA_STATE, 8);
  let d = load<u32>(SHA_STATE, 12);
  let e = load<u32>(SHA_STATE, 16);
  for (let t: u32 = 0; t < 320; t += 4) {
    let f = b ^ c ^ d;
    if (t < 80) f = (d ^ (b & (c ^ d))) + 0x5a827999;
    else if (t < 160) f += 0x6ed9eba1;
    else if (t < 240) f = ((b & c) | (d & (b | c))) + 0x8f1bbcdc;
    else f += 0xca62c1d6;
    const next = rotl(a, 5) + f + e + load<u32>(SHA_SCHEDULE + t);
    e = d;
    d = c;
    c = rotl(b, 30);
    b = a;
    a = next;
  }
  store<u32>(SHA_STATE, load<u32>(SHA_STATE) + a);
  store<u32>(SHA_STATE, load<u32>(SHA_STATE, 4) + b, 4);
  store<u32>(SHA_STATE, load<u32>(SHA_STATE, 8) + c, 8);
  store<u32>(SHA_STATE, load<u32>(SHA_STATE, 12) + d, 12);
  store<u32>(SHA_STATE, load<u32>(SHA_STATE, 16) + e, 16);
}

function clearBlock(): void {
  for (let i: u32 = 0; i < BLOCK; i += 16) v128.store(SHA_SCHEDULE + i, i8x16.splat(0));
}

/** Less than a block: `memory.copy` would leave compiled code for it. */
function copy(to: usize, from: usize, length: u32): void {
  for (let i: u32 = 0; i < length; i++) store<u8>(to + i, load<u8>(from + i));
}

/** Schedule, state and digest, and the key behind them. */
function wipe(keyLength: u32): void {
  memory.fill(SHA_SCHEDULE, 0, MAC_KEY - SHA_SCHEDULE + max(keyLength, BLOCK));
}
