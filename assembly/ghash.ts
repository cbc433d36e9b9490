// GHASH (NIST SP 800-38D section 6.4), constant time, by looking 16 bytes up at once.
//
// In GHASH's order byte i of a block X stands for x^8i times a polynomial of degree 7, and its upper nibble has the lower
// powers. So X·H = U + x^4·L, where U = sum over i of x^8i · hi_i·H, and L the same with the lower nibbles. For each of the
// 16 values n of a nibble the slot holds n·H mod P, but stored by rows: row j has byte j of all 16 products. One `pick` from
// row j with all upper nibbles of X as indices then yields byte j of 16 products at once; they belong j bytes further on,
// which the loop over j does by Horner's rule. Several blocks with as many powers of H share that shifting, and the one
// reduction at its end.
import { and, at, moveFar, moveNear, pick, xor } from "./lanes";
import { ANCHORS, BLOCKS, HASH_BYTES, KEY_BYTES, KEY_HASH, KEY_ROUNDS } from "./layout";

/** 0x0f in every byte. */
const NIBBLE: usize = memory.data<u8>([15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15]);

// Byte b at x^128 comes back as b·(1 + x + x^2 + x^7), 15 bits. For upper and lower nibbles of b: the byte in b's place,
// then the byte behind it.
// prettier-ignore
const FOLD: usize = memory.data<u8>([
  0x00, 0x1c, 0x38, 0x24, 0x70, 0x6c, 0x48, 0x54, 0xe1, 0xfd, 0xd9, 0xc5, 0x91, 0x8d, 0xa9, 0xb5,
  0x00, 0x01, 0x03, 0x02, 0x07, 0x06, 0x04, 0x05, 0x0e, 0x0f, 0x0d, 0x0c, 0x09, 0x08, 0x0a, 0x0b,
  0x00, 0x20, 0x40, 0x60, 0x80, 0xa0, 0xc0, 0xe0, 0x00, 0x20, 0x40, 0x60, 0x80, 0xa0, 0xc0, 0xe0,
  0x00, 0xc2, 0x84, 0x46, 0x08, 0xca, 0x8c, 0x4e, 0x10, 0xd2, 0x94, 0x56, 0x18, 0xda, 0x9c, 0x5e,
]);

// The byte behind byte 15 lies at x^128 again: only the upper nibble of byte 31 reaches so far, and of it three bits count.
// First, how they come to byte 0 as they are and to byte 1 plus 8; then for both the bytes that they come back as.
// prettier-ignore
const FOLD_AGAIN: usize = memory.data<u8>([
  15, 15, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
  7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0x00, 0x38, 0x70, 0x48, 0xe1, 0xd9, 0x91, 0xa9, 0x00, 0x40, 0x80, 0xc0, 0x00, 0x40, 0x80, 0xc0,
]);

// @ts-ignore: decorator
@inline
function upper(x: v128): v128 {
  return and(i64x2.shr_u(x, 4), at(NIBBLE));
}

// @ts-ignore: decorator
@inline
function lower(x: v128): v128 {
  return and(x, at(NIBBLE));
}

// A sum so far is 32 bytes, `near` (x^0…) and `far` (x^128…). Multiplying by x^8 moves all one byte on.

/** U + x^4·L mod P: four bits on, a lower nibble becomes the upper one of the next byte. */
// @ts-ignore: decorator
@inline
function reduce(nearU: v128, farU: v128, nearL: v128, farL: v128): v128 {
  const low = lower(nearL);
  const u = xor(upper(farU), moveFar(low, lower(farL)));
  const l = xor(lower(farU), upper(farL));
  const near = xor(xor(nearU, upper(nearL)), i64x2.shl(moveNear(low), 4));
  const here = xor(pick(at(FOLD), u), pick(at(FOLD + 16), l));
  const behind = xor(pick(at(FOLD + 32), u), pick(at(FOLD + 48), l));
  const twice = xor(and(pick(u, at(FOLD_AGAIN)), at(FOLD_AGAIN + 16)), at(FOLD_AGAIN + 32));
  return xor(xor(xor(near, here), pick(at(FOLD_AGAIN + 48), twice)), moveNear(behind));
}

/** Blocks of one {@link group}: as many as the slot has powers of H. */
export const GROUP: u32 = 3;

/** Three blocks at `p`: (y + B0)·H³ + B1·H² + B2·H. */
export function group(key: usize, y: v128, p: usize): v128 {
  const x0 = xor(y, at(p));
  const x1 = at(p + 16);
  const x2 = at(p + 32);
  const u0 = upper(x0);
  const l0 = lower(x0);
  const u1 = upper(x1);
  const l1 = lower(x1);
  const u2 = upper(x2);
  const l2 = lower(x2);
  // Never read. It keeps the compiler of Node 20 and 22 from working nibbles out anew in every turn of the loop.
  v128.store(ANCHORS, u0);
  v128.store(ANCHORS, l0, 16);
  v128.store(ANCHORS, u1, 32);
  v128.store(ANCHORS, l1, 48);
  v128.store(ANCHORS, u2, 64);
  v128.store(ANCHORS, l2, 80);
  let nearU = i8x16.splat(0);
  let farU = nearU;
  let nearL = nearU;
  let farL = nearU;
  for (let row = key + 240; row >= key; row -= 16) {
    const row1 = v128.load(row, KEY_HASH);
    const row2 = v128.load(row, KEY_HASH + HASH_BYTES);
    const row3 = v128.load(row, KEY_HASH + 2 * HASH_BYTES);
    const sumU = xor(xor(pick(row3, u0), pick(row2, u1)), pick(row1, u2));
    farU = moveFar(nearU, farU);
    nearU = xor(moveNear(nearU), sumU);
    const sumL = xor(xor(pick(row3, l0), pick(row2, l1)), pick(row1, l2));
    farL = moveFar(nearL, farL);
    nearL = xor(moveNear(nearL), sumL);
  }
  return reduce(nearU, farU, nearL, farL);
}

/**
 * Has what a record needs of its key brought into the cache all at once: with thousands of keys it comes from afar, and round
 * by round, row by row each line would be waited for. One word of each line; the sum only keeps the loads alive.
 */
export function fetchKey(key: usize): void {
  let sum: u64 = 0;
  for (let p = key + KEY_ROUNDS; p < key + KEY_BYTES; p += 192) {
    sum ^= load<u64>(p) ^ load<u64>(p, 64) ^ load<u64>(p, 128);
  }
  store<u64>(ANCHORS, sum);
}

/** Nothing that depends on the key stays behind in scratch memory, nor what was hashed. */
export function wipeScratch(): void {
  const zero = i8x16.splat(0);
  v128.store(ANCHORS, zero);
  v128.store(ANCHORS, zero, 16);
  v128.store(ANCHORS, zero, 32);
  v128.store(ANCHORS, zero, 48);
  v128.store(ANCHORS, zero, 64);
  v128.store(ANCHORS, zero, 80);
  v128.store(BLOCKS, zero);
  v128.store(BLOCKS, zero, 16);
  v128.store(BLOCKS, zero, 32);
}

/** Bytes turned round: bit 0 of the standard becomes the top bit of the high half. */
function high(block: v128): u64 {
  return bswap(v128.extract_lane<u64>(block, 0));
}

function low(block: v128): u64 {
  return bswap(v128.extract_lane<u64>(block, 1));
}

function join(high: u64, low: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(bswap(high)), 1, bswap(low));
}

/** Times x, modulo x^128 + x^7 + x^2 + x + 1 (section 6.3). */
function timesX(block: v128): v128 {
  const h = high(block);
  const l = low(block);
  return join((h >> 1) ^ ((0 - (l & 1)) & 0xe100000000000000), (l >> 1) | (h << 63));
}

/** Algorithm 1 of section 6.3, with masks in place of its branches. For key setup only. */
function multiply(x: v128, h: v128): v128 {
  let z = i8x16.splat(0);
  let bits = high(x);
  for (let i = 0; i < 128; i++) {
    if (i == 64) bits = low(x); // a public condition
    z = xor(z, and(h, i64x2.splat(<i64>bits >> 63)));
    bits <<= 1;
    h = timesX(h);
  }
  return z;
}

/** Fills the rows of H, H², … in a key slot. */
export function expandHash(key: usize, h: v128): void {
  let power = h;
  for (let rows = key + KEY_HASH; rows < key + KEY_BYTES; rows += HASH_BYTES) {
    writeRows(rows, power);
    power = multiply(power, h);
  }
}

/** The 16 rows of n·h. */
function writeRows(rows: usize, h: v128): void {
  // Product n at first stands in row n. The nibble's highest bit is x^0.
  v128.store(rows, i8x16.splat(0));
  for (let bit: usize = 8; bit > 0; bit >>= 1) {
    for (let n: usize = 0; n < 16; n += 2 * bit) {
      // Products of the bits above are there already for n; those with this bit are that plus h.
      v128.store(rows + ((n + bit) << 4), xor(at(rows + (n << 4)), h));
    }
    h = timesX(h);
  }
  for (let n: usize = 1; n < 16; n++) {
    for (let j: usize = 0; j < n; j++) {
      const a = rows + (n << 4) + j;
      const b = rows + (j << 4) + n;
      const byte = load<u8>(a);
      store<u8>(a, load<u8>(b));
      store<u8>(b, byte);
    }
  }
}
