// AES-128-GCM (NIST SP 800-38D) with 96-bit nonce and 128-bit tag, in place.
import { group, GROUP } from "./ghash";
import { and, at, xor } from "./lanes";
import { BLOCKS, STREAM } from "./layout";
import { keystream8 } from "./sliced";

export const TAG_BYTES: u32 = 16;

/** Key stream of one batch; its first block covers the tag in the first batch (counter 1), and data in all others. */
const BATCH: u32 = 128;
const FIRST_BATCH: u32 = 112;

/** From `ONES + 16 - n`: a mask of the first n bytes. */
// prettier-ignore
const ONES: usize = memory.data<u8>([
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);

// @ts-ignore: decorator
@inline
export function pair(first: u64, second: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(first), 1, second);
}

/**
 * Encrypts in place and writes the tag right behind the data.
 *
 * @param nonce 12 bytes, and 4 that do not matter: the counter's place
 * @param y GHASH of all additional data but its last block, which is `aad`, filled up with zeros (no data: both zero)
 */
export function seal(key: usize, nonce: v128, y: v128, aad: v128, aadLength: u32, data: usize, length: u32): void {
  keystream8(key, nonce, 0, STREAM);
  const cover = at(STREAM);
  applyKeystream(key, nonce, data, length);
  v128.store(data + length, xor(cover, hash(key, y, aad, aadLength, data, length)));
}

/** Verifies the tag behind the data, then decrypts in place; where it does not fit, nothing is changed. */
export function open(key: usize, nonce: v128, y: v128, aad: v128, aadLength: u32, data: usize, length: u32): bool {
  keystream8(key, nonce, 0, STREAM);
  const tag = xor(at(STREAM), hash(key, y, aad, aadLength, data, length));
  // All 128 bits are compared in one step: no early exit tells how much of a forged tag was right.
  const authentic = !v128.any_true(xor(tag, at(data + length)));
  if (authentic) applyKeystream(key, nonce, data, length);
  else wipeStream();
  return authentic;
}

/** GCTR of section 6.5 from counter 2 on. The first batch is in STREAM already; nothing is left there. */
function applyKeystream(key: usize, nonce: v128, data: usize, length: u32): void {
  cover(data, STREAM + 16, min(length, FIRST_BATCH));
  for (let batch: u32 = 1, done = FIRST_BATCH; done < length; batch++, done += BATCH) {
    keystream8(key, nonce, batch, STREAM);
    cover(data + done, STREAM, min(length - done, BATCH));
  }
  wipeStream();
}

function wipeStream(): void {
  const zero = i8x16.splat(0);
  for (let p = STREAM; p < STREAM + BATCH; p += 16) v128.store(p, zero);
}

function cover(data: usize, stream: usize, length: u32): void {
  const end = data + (length & ~15);
  for (; data < end; data += 16, stream += 16) v128.store(data, xor(at(data), at(stream)));
  // A partial block: sixteen bytes from here reach into the tag's place, never further, and are written back as they were.
  if (length & 15) v128.store(data, xor(at(data), and(at(stream), firstBytes(length & 15))));
}

/** Ones in the first `count` (0…16) bytes, zeros behind. */
// @ts-ignore: decorator
@inline
function firstBytes(count: u32): v128 {
  return at(ONES + 16 - count);
}

/**
 * Section 7.1 step 5: GHASH of additional data, ciphertext and their lengths. The first group of blocks takes what does
 * not divide by GROUP; it and the last are put together in scratch memory, all others are taken from where they are.
 */
function hash(key: usize, y: v128, aad: v128, aadLength: u32, data: usize, length: u32): v128 {
  const count: u32 = 2 + ((length + 15) >> 4);
  const lengths = pair(bswap(<u64>aadLength << 3), bswap(<u64>length << 3));
  let head: u32 = (count - 1) % GROUP + 1;
  v128.store(BLOCKS, aad);
  let p = BLOCKS + 16;
  let left = length;
  if (count > GROUP) {
    for (const end = BLOCKS + (head << 4); p < end; p += 16, data += 16, left -= 16) v128.store(p, at(data));
    y = group(key, y, BLOCKS, head);
    for (; left > 16 * (GROUP - 1); left -= 16 * GROUP, data += 16 * GROUP) y = group(key, y, data, GROUP);
    p = BLOCKS;
    head = GROUP;
  }
  for (; left > 16; p += 16, data += 16, left -= 16) v128.store(p, at(data));
  if (left) {
    v128.store(p, and(at(data), firstBytes(left)));
    p += 16;
  }
  v128.store(p, lengths);
  return group(key, y, BLOCKS, head);
}

/** GHASH of additional data that is longer than a block, up to its last block; {@link lastOf} gives that. */
export function hashBlocks(key: usize, data: usize, length: u32): v128 {
  let y = i8x16.splat(0);
  for (; length > 16; length -= 16, data += 16) y = group(key, y, data, 1);
  return y;
}

/** The last 1…16 bytes of additional data as a block (zero for none). Nothing behind it is read. */
export function lastOf(data: usize, length: u32): v128 {
  let first: u64 = 0;
  let second: u64 = 0;
  const start = length > 16 ? (length - 1) & ~15 : 0;
  for (let i = start; i < length; i++) {
    const byte = <u64>load<u8>(data + i) << ((i & 7) << 3);
    if (i - start < 8) first |= byte;
    else second |= byte;
  }
  return pair(first, second);
}
