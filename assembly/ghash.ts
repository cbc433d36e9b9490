// GHASH (NIST SP 800-38D section 6.4), constant time, by looking 16 bytes up at once.
//
// In GHASH's order byte i of a block X stands for x^8i times a polynomial of degree 7, and its upper nibble has the lower
// powers. So X·H = sum over i of x^8i · (hi_i · H + lo_i · (x^4·H)). For each of the 16 values n of a nibble the slot holds
// n·H and n·x^4·H mod P, but stored by rows: row j has byte j of all 16 products. One `pick` from row j with all upper
// nibbles of X as indices then yields byte j of 16 products at once; they belong j bytes further on, which the loop over j
// does by Horner's rule. Several blocks with as many powers of H share that shifting, and the one reduction at its end.
import { and, at, pick, xor } from "./lanes";
import { ANCHORS, HASH_BYTES, KEY_HASH, KEY_POWERS } from "./layout";

/** From the first row of a power's upper nibbles to that of its lower ones. */
// @ts-ignore: decorator
@inline
const LOWER: usize = 256;

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

// @ts-ignore: decorator
@inline
const H1: usize = KEY_HASH;
// @ts-ignore: decorator
@inline
const H2: usize = KEY_HASH + HASH_BYTES;
// @ts-ignore: decorator
@inline
const H3: usize = KEY_HASH + 2 * HASH_BYTES;
// @ts-ignore: decorator
@inline
const H4: usize = KEY_HASH + 3 * HASH_BYTES;

// @ts-ignore: decorator
@inline
function products1(row: usize, upper: v128, lower: v128): v128 {
  return xor(pick(v128.load(row, H1), upper), pick(v128.load(row, H1 + LOWER), lower));
}

// @ts-ignore: decorator
@inline
function products2(row: usize, upper: v128, lower: v128): v128 {
  return xor(pick(v128.load(row, H2), upper), pick(v128.load(row, H2 + LOWER), lower));
}

// @ts-ignore: decorator
@inline
function products3(row: usize, upper: v128, lower: v128): v128 {
  return xor(pick(v128.load(row, H3), upper), pick(v128.load(row, H3 + LOWER), lower));
}

// @ts-ignore: decorator
@inline
function products4(row: usize, upper: v128, lower: v128): v128 {
  return xor(pick(v128.load(row, H4), upper), pick(v128.load(row, H4 + LOWER), lower));
}

// The sum so far is 32 bytes, `near` (x^0…) and `far` (x^128…). Multiplying by x^8 moves all one byte on.
// @ts-ignore: decorator
@inline
function moveFar(near: v128, far: v128): v128 {
  return i8x16.shuffle(near, far, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

// @ts-ignore: decorator
@inline
function moveNear(near: v128): v128 {
  return i8x16.shuffle(i8x16.splat(0), near, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

/** Reduction. 15 moves leave byte 15 of `far` empty, so what is folded does not overflow again. */
// @ts-ignore: decorator
@inline
function fold(near: v128, far: v128): v128 {
  const u = upper(far);
  const l = lower(far);
  const here = xor(pick(at(FOLD), u), pick(at(FOLD + 16), l));
  const behind = xor(pick(at(FOLD + 32), u), pick(at(FOLD + 48), l));
  return xor(xor(near, here), moveNear(behind));
}

/** One block: (y + B0)·H. */
function group1(key: usize, y: v128, p: usize): v128 {
  const x0 = xor(y, v128.load(p));
  const u0 = upper(x0);
  const l0 = lower(x0);
  let near = i8x16.splat(0);
  let far = near;
  for (let row = key + 240; row >= key; row -= 16) {
    far = moveFar(near, far);
    near = xor(moveNear(near), products1(row, u0, l0));
  }
  return fold(near, far);
}

/** Two blocks: (y + B0)·H² + B1·H. */
function group2(key: usize, y: v128, p: usize): v128 {
  const x0 = xor(y, v128.load(p));
  const x1 = v128.load(p, 16);
  const u0 = upper(x0);
  const l0 = lower(x0);
  const u1 = upper(x1);
  const l1 = lower(x1);
  let near = i8x16.splat(0);
  let far = near;
  for (let row = key + 240; row >= key; row -= 16) {
    const sum = xor(products2(row, u0, l0), products1(row, u1, l1));
    far = moveFar(near, far);
    near = xor(moveNear(near), sum);
  }
  return fold(near, far);
}

// The stores to ANCHORS are never read. They tie the values to their place: the compiler of Node 20 and 22 else computes the
// nibbles anew in every turn, and loads all eight rows before it uses the first, more than there are registers.

function group3(key: usize, y: v128, p: usize): v128 {
  const x0 = xor(y, v128.load(p));
  const x1 = v128.load(p, 16);
  const x2 = v128.load(p, 32);
  const u0 = upper(x0);
  const l0 = lower(x0);
  const u1 = upper(x1);
  const l1 = lower(x1);
  const u2 = upper(x2);
  const l2 = lower(x2);
  v128.store(ANCHORS, u0, 32);
  v128.store(ANCHORS, l0, 48);
  v128.store(ANCHORS, u1, 64);
  v128.store(ANCHORS, l1, 80);
  v128.store(ANCHORS, u2, 96);
  v128.store(ANCHORS, l2, 112);
  let near = i8x16.splat(0);
  let far = near;
  for (let row = key + 240; row >= key; row -= 16) {
    const later = products1(row, u2, l2);
    v128.store(ANCHORS, later);
    const sum = xor(products3(row, u0, l0), products2(row, u1, l1));
    far = moveFar(near, far);
    near = xor(moveNear(near), xor(sum, later));
  }
  return fold(near, far);
}

function group4(key: usize, y: v128, p: usize): v128 {
  const x0 = xor(y, v128.load(p));
  const x1 = v128.load(p, 16);
  const x2 = v128.load(p, 32);
  const x3 = v128.load(p, 48);
  const u0 = upper(x0);
  const l0 = lower(x0);
  const u1 = upper(x1);
  const l1 = lower(x1);
  const u2 = upper(x2);
  const l2 = lower(x2);
  const u3 = upper(x3);
  const l3 = lower(x3);
  v128.store(ANCHORS, u0, 32);
  v128.store(ANCHORS, l0, 48);
  v128.store(ANCHORS, u1, 64);
  v128.store(ANCHORS, l1, 80);
  v128.store(ANCHORS, u2, 96);
  v128.store(ANCHORS, l2, 112);
  v128.store(ANCHORS, u3, 128);
  v128.store(ANCHORS, l3, 144);
  let near = i8x16.splat(0);
  let far = near;
  for (let row = key + 240; row >= key; row -= 16) {
    const later = xor(products2(row, u2, l2), products1(row, u3, l3));
    v128.store(ANCHORS, later);
    const sum = xor(products4(row, u0, l0), products3(row, u1, l1));
    far = moveFar(near, far);
    near = xor(moveNear(near), xor(sum, later));
  }
  return fold(near, far);
}

/** The most blocks of one {@link group}: as many as the slot has powers of H. */
export const GROUP: u32 = KEY_POWERS;

/** `count` blocks (1…GROUP) at `p`, all of them full. */
export function group(key: usize, y: v128, p: usize, count: u32): v128 {
  if (KEY_POWERS == 4 && count == 4) return group4(key, y, p);
  if (KEY_POWERS >= 3 && count == 3) return group3(key, y, p);
  if (count == 2) return group2(key, y, p);
  return group1(key, y, p);
}

/**
 * Has the rows brought into the cache while AES is at work: with thousands of keys they come from afar, and the rounds of
 * {@link group4} would wait for eight lines, four times over. One word of each line; the sum only keeps the loads alive.
 */
export function fetchRows(key: usize): void {
  let sum: u64 = 0;
  const end = key + KEY_HASH + KEY_POWERS * HASH_BYTES;
  for (let p = key + KEY_HASH; p < end; p += 256) {
    sum ^= load<u64>(p) ^ load<u64>(p, 64) ^ load<u64>(p, 128) ^ load<u64>(p, 192);
  }
  store<u64>(ANCHORS, sum);
}

/** Nothing that depends on the key stays behind in scratch memory. */
export function wipeAnchors(): void {
  const zero = i8x16.splat(0);
  v128.store(ANCHORS, zero);
  v128.store(ANCHORS, zero, 32);
  v128.store(ANCHORS, zero, 48);
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
  for (let table = key + KEY_HASH; table < key + KEY_HASH + KEY_POWERS * HASH_BYTES; table += HASH_BYTES) {
    const x4 = writeRows(table, power);
    writeRows(table + LOWER, x4);
    power = multiply(power, h);
  }
}

/** The 16 rows of n·h; returns x^4·h. */
function writeRows(rows: usize, h: v128): v128 {
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
  return h;
}
