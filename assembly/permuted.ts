// AES-128 of four blocks, or one, by permutations: M. Hamburg, "Accelerating AES with Vector Permute Instructions" (CHES
// 2009). Constant time: `pick` looks 16 nibbles up at once, in registers.
//
// A byte x is held as nibbles i and k with x = i·T + (i + k)·t, where i and k are in GF(16), t is 0x12 and T = t + 1 its
// conjugate; to and from that basis the way leads through the tables below. With a = 1/(t·T) and j = i + k, let
//   io = 1/(1/i + a/k) + j     and     jo = 1/(1/j + a/k) + i;
// then 1/x = (t + 1/a)/io + (T + 1/a)/jo, and SubBytes is one look-up by io and one by jo, which also multiply (by 1 and by 2
// for MixColumns) and stay in the basis. 1/0 is 0x80: a `pick` with it gives 0, as 1/infinity must.
//
// ShiftRows is never carried out, as in sliced.ts.
import { and, at, pick, xor } from "./lanes";
import { MIX, OWN, UNSHIFT } from "./order";

// prettier-ignore
const TABLES: usize = memory.data<u8>([
  0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
  // Into the basis: by lower and by upper nibble.
  0x00, 0x10, 0x36, 0x26, 0x7c, 0x6c, 0x4a, 0x5a, 0x5c, 0x4c, 0x6a, 0x7a, 0x20, 0x30, 0x16, 0x06,
  0x00, 0x37, 0xa9, 0x9e, 0x77, 0x40, 0xde, 0xe9, 0x1e, 0x29, 0xb7, 0x80, 0x69, 0x5e, 0xc0, 0xf7,
  // a/x, then 1/x, in GF(16).
  0x80, 0x0d, 0x05, 0x06, 0x0a, 0x02, 0x03, 0x07, 0x0c, 0x0b, 0x04, 0x09, 0x08, 0x01, 0x0f, 0x0e,
  0x80, 0x01, 0x08, 0x0d, 0x0f, 0x06, 0x05, 0x0e, 0x02, 0x0c, 0x0b, 0x0a, 0x09, 0x03, 0x07, 0x04,
  // SubBytes by io and by jo; its double by io and by jo; SubBytes out of the basis by io and by jo.
  0x00, 0x3c, 0xda, 0x10, 0xc1, 0x27, 0xca, 0xfd, 0xd1, 0x2c, 0x37, 0x0b, 0xe6, 0xed, 0x1b, 0xf6,
  0x00, 0x0d, 0xc3, 0xec, 0x5f, 0x91, 0x2f, 0x52, 0xb3, 0xe1, 0x7d, 0x70, 0xce, 0xbe, 0x9c, 0x22,
  0x00, 0xeb, 0x85, 0x36, 0xf1, 0x9f, 0xb3, 0x1a, 0xc7, 0xdd, 0xa9, 0x42, 0x6e, 0x2c, 0x74, 0x58,
  0x00, 0x63, 0x3c, 0xf9, 0x2f, 0x70, 0xc5, 0x4c, 0xd6, 0x9a, 0x89, 0xea, 0x5f, 0xb5, 0x13, 0xa6,
  0x00, 0x54, 0xb7, 0x01, 0xf2, 0x11, 0xb6, 0xa6, 0xf3, 0x55, 0x10, 0x44, 0xe3, 0xa7, 0x45, 0xe2,
  0x00, 0x4b, 0x2a, 0xb5, 0xc2, 0xa3, 0x9f, 0x89, 0x77, 0xfe, 0x16, 0x5d, 0x61, 0x3c, 0xe8, 0xd4,
]);

const NIBBLE: usize = TABLES;
const INTO_BY_LOWER: usize = TABLES + 16;
const INTO_BY_UPPER: usize = TABLES + 32;
const SCALED_RECIPROCAL: usize = TABLES + 48;
const RECIPROCAL: usize = TABLES + 64;
const ONCE_BY_IO: usize = TABLES + 80;
const ONCE_BY_JO: usize = TABLES + 96;
const DOUBLE_BY_IO: usize = TABLES + 112;
const DOUBLE_BY_JO: usize = TABLES + 128;
const OUT_BY_IO: usize = TABLES + 144;
const OUT_BY_JO: usize = TABLES + 160;

// @ts-ignore: decorator
@inline
function lower(x: v128): v128 {
  return and(x, at(NIBBLE));
}

// @ts-ignore: decorator
@inline
function upper(x: v128): v128 {
  return and(i64x2.shr_u(x, 4), at(NIBBLE));
}

// @ts-ignore: decorator
@inline
function intoBasis(x: v128): v128 {
  return xor(pick(at(INTO_BY_LOWER), lower(x)), pick(at(INTO_BY_UPPER), upper(x)));
}

/** io above; jo with i and j exchanged. */
// @ts-ignore: decorator
@inline
function invert(i: v128, j: v128, k: v128): v128 {
  const sum = xor(pick(at(RECIPROCAL), i), pick(at(SCALED_RECIPROCAL), k));
  return xor(pick(at(RECIPROCAL), sum), j);
}

/** SubBytes without its constant, out of the basis. */
// @ts-ignore: decorator
@inline
function substituteOut(x: v128): v128 {
  const i = upper(x);
  const k = lower(x);
  const j = xor(i, k);
  return xor(pick(at(OUT_BY_IO), invert(i, j, k)), pick(at(OUT_BY_JO), invert(j, i, k)));
}

/** SubBytes of 16 bytes, without its constant. */
export function substitute(x: v128): v128 {
  return substituteOut(intoBasis(x));
}

/** Doubling in GF(2^8). */
// @ts-ignore: decorator
@inline
export function twice(x: v128): v128 {
  return xor(i8x16.add(x, x), and(i8x16.lt_s(x, i8x16.splat(0)), i8x16.splat(0x1b)));
}

/** One round but the last, in the basis: SubBytes, MixColumns in the given order, the key. */
// @ts-ignore: decorator
@inline
function turn(x: v128, order: usize, key: v128): v128 {
  const i = upper(x);
  const k = lower(x);
  const j = xor(i, k);
  const io = invert(i, j, k);
  const jo = invert(j, i, k);
  const once = xor(pick(at(ONCE_BY_IO), io), pick(at(ONCE_BY_JO), jo));
  const double = xor(pick(at(DOUBLE_BY_IO), io), pick(at(DOUBLE_BY_JO), jo));
  const next = at(order);
  const sum = xor(double, pick(once, next)); // 2·a0 + a1
  return xor(xor(xor(sum, pick(once, at(order + 32))), pick(sum, next)), key); // … + a3 + 2·a1 + a2
}

/** The last round: SubBytes, the plain order again, the key. */
// @ts-ignore: decorator
@inline
function lastTurn(x: v128, key: usize): v128 {
  return xor(pick(substituteOut(x), at(UNSHIFT + 16)), at(key));
}

/** One block with the schedule that sliced.ts has left at `rounds`; into the basis it goes while the block is at work. */
export function encrypt(rounds: usize, block: v128): v128 {
  let x = intoBasis(xor(block, at(rounds)));
  for (let round: usize = 0; round < 144; round += 16) {
    x = turn(x, MIX + (round & 48) * 3, intoBasis(at(rounds + round + 16)));
  }
  return lastTurn(x, rounds + 160);
}

/**
 * Key stream for four counters, to the 64 bytes at `out`. `common` and the first four of `own` are what counter.ts gives
 * for them; the rounds start with the second.
 */
export function keystream4(rounds: usize, common: v128, own: v128, out: usize): void {
  const shared = intoBasis(common);
  const once = intoBasis(own);
  const double = intoBasis(twice(own));
  let x0 = xor(shared, xor(pick(once, at(OWN)), pick(double, at(OWN + 16))));
  let x1 = xor(shared, xor(pick(once, at(OWN + 32)), pick(double, at(OWN + 48))));
  let x2 = xor(shared, xor(pick(once, at(OWN + 64)), pick(double, at(OWN + 80))));
  let x3 = xor(shared, xor(pick(once, at(OWN + 96)), pick(double, at(OWN + 112))));
  for (let round: usize = 16; round < 144; round += 16) {
    const order = MIX + (round & 48) * 3;
    const key = intoBasis(at(rounds + round + 16));
    x0 = turn(x0, order, key);
    x1 = turn(x1, order, key);
    x2 = turn(x2, order, key);
    x3 = turn(x3, order, key);
  }
  v128.store(out, lastTurn(x0, rounds + 160));
  v128.store(out, lastTurn(x1, rounds + 160), 16);
  v128.store(out, lastTurn(x2, rounds + 160), 32);
  v128.store(out, lastTurn(x3, rounds + 160), 48);
}
