// AES-128-GCM (NIST SP 800-38D) with 96-bit nonce and 128-bit tag, in place.
import { fetchKey, group, GROUP, wipeScratch } from "./ghash";
import { commonPart, ownParts, ownPlanes } from "./counter";
import { and, at, pair, xor } from "./lanes";
import { BLOCKS, KEY_BATCHES, KEY_COUNTERS, KEY_ROUNDS, STREAM } from "./layout";
import { encrypt, keystream4 } from "./permuted";
import { keystream8, wipeAside } from "./sliced";

export const TAG_BYTES: u32 = 16;

/** Bytes of key stream that are made at once, and what is left of the first ones after the tag's block. */
const BATCH: u32 = 128;
const FIRST_BATCH: u32 = 112;
/** Batches whose counters, up to 8 · BATCHES, fit the one byte that counter.ts works on. */
const BATCHES: u32 = 31;
/** Where four blocks of {@link keystream4} are enough. */
const SMALL: u32 = 64;

/** From `ONES + 16 - n`: a mask of the first n bytes. */
// prettier-ignore
const ONES: usize = memory.data<u8>([
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);

/**
 * Encrypts in place and writes the tag right behind the data.
 *
 * @param nonce 12 bytes, then four zeros, the counter's place
 * @param y GHASH of all additional data but its last block, which is `aad`, filled up with zeros (no data: both zero)
 */
export function seal(key: usize, nonce: v128, y: v128, aad: v128, aadLength: u32, data: usize, length: u32): void {
  fetchKey(key);
  const common = commonPart(key, nonce);
  makeStream(key, common, 0, length + 16);
  const mask = at(STREAM);
  applyKeystream(key, nonce, common, data, length);
  v128.store(data + length, xor(mask, hash(key, y, aad, aadLength, data, length)));
}

/** Verifies the tag behind the data, then decrypts in place; where it does not fit, nothing is changed. */
export function open(key: usize, nonce: v128, y: v128, aad: v128, aadLength: u32, data: usize, length: u32): bool {
  fetchKey(key);
  const common = commonPart(key, nonce);
  makeStream(key, common, 0, length + 16);
  const tag = xor(at(STREAM), hash(key, y, aad, aadLength, data, length));
  // All 128 bits are compared in one step: no early exit tells how much of a forged tag was right.
  const authentic = !v128.any_true(xor(tag, at(data + length)));
  if (authentic) applyKeystream(key, nonce, common, data, length);
  else wipeKeystream();
  return authentic;
}

/** Key stream of the counters from 8 · batch + 1 on to STREAM: as much as `length` asks for, but at most eight blocks. */
function makeStream(key: usize, common: v128, batch: u32, length: u32): void {
  wipeStream();
  if (length > SMALL) keystream8(key, common, planesOf(key, batch), STREAM);
  else keystream4(key + KEY_ROUNDS, common, ownParts(key, 8 * batch + 1), STREAM);
}

/** The slot has those of all batches of a datagram that fits most paths. */
// @ts-ignore: decorator
@inline
function planesOf(key: usize, batch: u32): u64 {
  return batch < KEY_BATCHES ? load<u64>(key + (batch << 3), KEY_COUNTERS) : ownPlanes(key, 8 * batch + 1);
}

/** GCTR of section 6.5 from counter 2 on. The first batch is in STREAM already; nothing is left there. */
function applyKeystream(key: usize, nonce: v128, common: v128, data: usize, length: u32): void {
  cover(data, STREAM + 16, min(length, FIRST_BATCH));
  let batch: u32 = 1;
  let done = FIRST_BATCH;
  for (; done + BATCH <= length && batch < BATCHES; batch++, done += BATCH) {
    keystream8(key, common, planesOf(key, batch), data + done);
  }
  if (done < length && batch < BATCHES) {
    makeStream(key, common, batch, length - done);
    cover(data + done, STREAM, length - done);
    done = length;
  }
  // Records that are longer than any path's datagrams: their blocks may take their time.
  for (let counter = 8 * BATCHES + 1; done < length; counter++, done += 16) {
    v128.store(STREAM, encrypt(key + KEY_ROUNDS, i32x4.replace_lane(nonce, 3, bswap(counter))));
    cover(data + done, STREAM, min(length - done, 16));
  }
  wipeKeystream();
}

function wipeKeystream(): void {
  wipeStream();
  wipeAside();
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
 * Section 7.1 step 5: GHASH of additional data, ciphertext and their lengths. The first group of blocks, with zeros in front,
 * and the last are put together in scratch memory, all others are taken from where they are.
 */
function hash(key: usize, y: v128, aad: v128, aadLength: u32, data: usize, length: u32): v128 {
  const count: u32 = 2 + ((length + 15) >> 4);
  const lengths = pair(bswap(<u64>aadLength << 3), bswap(<u64>length << 3));
  let p = startGroup((count - 1) % GROUP + 1, xor(y, aad));
  y = i8x16.splat(0);
  let left = length;
  if (count > GROUP) {
    for (; p < BLOCKS_END; p += 16, data += 16, left -= 16) v128.store(p, at(data));
    y = group(key, y, BLOCKS);
    for (; left > 16 * (GROUP - 1); left -= 16 * GROUP, data += 16 * GROUP) y = group(key, y, data);
    p = BLOCKS;
  }
  for (; left > 16; p += 16, data += 16, left -= 16) v128.store(p, at(data));
  if (left) {
    v128.store(p, and(at(data), firstBytes(left)));
    p += 16;
  }
  v128.store(p, lengths);
  y = group(key, y, BLOCKS);
  wipeScratch();
  return y;
}

const BLOCKS_END: usize = BLOCKS + 16 * GROUP;

/** Begins a group of `count` blocks: zeros, which add nothing, then the first block; returns where the second goes. */
function startGroup(count: usize, first: v128): usize {
  const p = BLOCKS_END - (count << 4);
  for (let zeros = BLOCKS; zeros < p; zeros += 16) v128.store(zeros, i8x16.splat(0));
  v128.store(p, first);
  return p + 16;
}

/** GHASH of additional data that is longer than a block, up to its last block; {@link lastOf} gives that. */
export function hashBlocks(key: usize, data: usize, length: u32): v128 {
  let y = i8x16.splat(0);
  for (; length > 16; length -= 16, data += 16) {
    startGroup(1, xor(y, at(data)));
    y = group(key, i8x16.splat(0), BLOCKS);
  }
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
