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

// @ts-ignore: decorator
@inline
function lower(x: v128, nibble: v128): v128 {
  return and(x, nibble);
}

// @ts-ignore: decorator
@inline
function upper(x: v128, nibble: v128): v128 {
  return and(i64x2.shr_u(x, 4), nibble);
}

// @ts-ignore: decorator
@inline
function intoBasis(x: v128): v128 {
  const nibble = at(TABLES);
  return xor(pick(at(TABLES + 16), lower(x, nibble)), pick(at(TABLES + 32), upper(x, nibble)));
}

/** io above, with this nibble as i and the other as j. */
// @ts-ignore: decorator
@inline
function invert(reciprocal: v128, i: v128, j: v128, ak: v128): v128 {
  return xor(pick(reciprocal, xor(pick(reciprocal, i), ak)), j);
}

/** SubBytes of 16 bytes, without its constant. */
// @ts-ignore: decorator
@inline
export function substitute(x: v128): v128 {
  const reciprocal = at(TABLES + 64);
  const basis = intoBasis(x);
  const i = upper(basis, at(TABLES));
  const k = lower(basis, at(TABLES));
  const j = xor(i, k);
  const ak = pick(at(TABLES + 48), k);
  const u = invert(reciprocal, i, j, ak);
  const v = invert(reciprocal, j, i, ak);
  return xor(pick(at(TABLES + 144), u), pick(at(TABLES + 160), v));
}

/** Doubling in GF(2^8). */
// @ts-ignore: decorator
@inline
export function twice(x: v128): v128 {
  return xor(i8x16.add(x, x), and(i8x16.lt_s(x, i8x16.splat(0)), i8x16.splat(0x1b)));
}

/** The schedule of {@link encrypt}, from that of sliced.ts: all but the last key in this file's basis. */
export function permuteKey(sliced: usize, target: usize): void {
  for (let i: usize = 0; i < 160; i += 16) v128.store(target + i, intoBasis(at(sliced + i)));
  v128.store(target, at(sliced + 160), 160);
}

/** MixColumns, and the key. `s` is SubBytes of the state, `d` its double; `next` and `last` order the column's bytes. */
// @ts-ignore: decorator
@inline
function mix(s: v128, d: v128, next: v128, last: v128, key: v128): v128 {
  const x = xor(d, pick(s, next)); // 2·a0 + a1
  return xor(xor(xor(x, pick(s, last)), pick(x, next)), key); // … + a3 + 2·a1 + a2
}

/** One block with the schedule at `rounds`. */
export function encrypt(rounds: usize, block: v128): v128 {
  const nibble = at(TABLES);
  const scaled = at(TABLES + 48);
  const reciprocal = at(TABLES + 64);
  let x0 = xor(intoBasis(block), at(rounds));
  for (let round: usize = 0; round < 144; round += 16) {
    const i0 = upper(x0, nibble);
    const k0 = lower(x0, nibble);
    const j0 = xor(i0, k0);
    const a0 = pick(scaled, k0);
    const u0 = invert(reciprocal, i0, j0, a0);
    const v0 = invert(reciprocal, j0, i0, a0);
    const order = MIX + (round & 48) * 3;
    const s0 = xor(pick(at(TABLES + 80), u0), pick(at(TABLES + 96), v0));
    const d0 = xor(pick(at(TABLES + 112), u0), pick(at(TABLES + 128), v0));
    x0 = mix(s0, d0, at(order), at(order + 32), at(rounds + round + 16));
  }
  const i0 = upper(x0, nibble);
  const k0 = lower(x0, nibble);
  const j0 = xor(i0, k0);
  const a0 = pick(scaled, k0);
  const u0 = invert(reciprocal, i0, j0, a0);
  const v0 = invert(reciprocal, j0, i0, a0);
  return xor(pick(xor(pick(at(TABLES + 144), u0), pick(at(TABLES + 160), v0)), at(UNSHIFT + 16)), at(rounds + 160));
}

/**
 * Key stream for four counters, to the 64 bytes at `out`. `common` and the first four of `own` are what counter.ts gives
 * for them; the rounds start with the second.
 */
export function keystream4(rounds: usize, common: v128, own: v128, out: usize): void {
  const nibble = at(TABLES);
  const scaled = at(TABLES + 48);
  const reciprocal = at(TABLES + 64);
  const shared = intoBasis(common);
  const once = intoBasis(own);
  const double = intoBasis(twice(own));
  let x0 = xor(shared, xor(pick(once, at(OWN + 0)), pick(double, at(OWN + 16))));
  let x1 = xor(shared, xor(pick(once, at(OWN + 32)), pick(double, at(OWN + 48))));
  let x2 = xor(shared, xor(pick(once, at(OWN + 64)), pick(double, at(OWN + 80))));
  let x3 = xor(shared, xor(pick(once, at(OWN + 96)), pick(double, at(OWN + 112))));
  for (let round: usize = 16; round < 144; round += 16) {
    const i0 = upper(x0, nibble);
    const k0 = lower(x0, nibble);
    const j0 = xor(i0, k0);
    const a0 = pick(scaled, k0);
    const u0 = invert(reciprocal, i0, j0, a0);
    const v0 = invert(reciprocal, j0, i0, a0);
    const i1 = upper(x1, nibble);
    const k1 = lower(x1, nibble);
    const j1 = xor(i1, k1);
    const a1 = pick(scaled, k1);
    const u1 = invert(reciprocal, i1, j1, a1);
    const v1 = invert(reciprocal, j1, i1, a1);
    const i2 = upper(x2, nibble);
    const k2 = lower(x2, nibble);
    const j2 = xor(i2, k2);
    const a2 = pick(scaled, k2);
    const u2 = invert(reciprocal, i2, j2, a2);
    const v2 = invert(reciprocal, j2, i2, a2);
    const i3 = upper(x3, nibble);
    const k3 = lower(x3, nibble);
    const j3 = xor(i3, k3);
    const a3 = pick(scaled, k3);
    const u3 = invert(reciprocal, i3, j3, a3);
    const v3 = invert(reciprocal, j3, i3, a3);
    const order = MIX + (round & 48) * 3;
    const s0 = xor(pick(at(TABLES + 80), u0), pick(at(TABLES + 96), v0));
    const d0 = xor(pick(at(TABLES + 112), u0), pick(at(TABLES + 128), v0));
    x0 = mix(s0, d0, at(order), at(order + 32), at(rounds + round + 16));
    const s1 = xor(pick(at(TABLES + 80), u1), pick(at(TABLES + 96), v1));
    const d1 = xor(pick(at(TABLES + 112), u1), pick(at(TABLES + 128), v1));
    x1 = mix(s1, d1, at(order), at(order + 32), at(rounds + round + 16));
    const s2 = xor(pick(at(TABLES + 80), u2), pick(at(TABLES + 96), v2));
    const d2 = xor(pick(at(TABLES + 112), u2), pick(at(TABLES + 128), v2));
    x2 = mix(s2, d2, at(order), at(order + 32), at(rounds + round + 16));
    const s3 = xor(pick(at(TABLES + 80), u3), pick(at(TABLES + 96), v3));
    const d3 = xor(pick(at(TABLES + 112), u3), pick(at(TABLES + 128), v3));
    x3 = mix(s3, d3, at(order), at(order + 32), at(rounds + round + 16));
  }
  const i0 = upper(x0, nibble);
  const k0 = lower(x0, nibble);
  const j0 = xor(i0, k0);
  const a0 = pick(scaled, k0);
  const u0 = invert(reciprocal, i0, j0, a0);
  const v0 = invert(reciprocal, j0, i0, a0);
  const i1 = upper(x1, nibble);
  const k1 = lower(x1, nibble);
  const j1 = xor(i1, k1);
  const a1 = pick(scaled, k1);
  const u1 = invert(reciprocal, i1, j1, a1);
  const v1 = invert(reciprocal, j1, i1, a1);
  const i2 = upper(x2, nibble);
  const k2 = lower(x2, nibble);
  const j2 = xor(i2, k2);
  const a2 = pick(scaled, k2);
  const u2 = invert(reciprocal, i2, j2, a2);
  const v2 = invert(reciprocal, j2, i2, a2);
  const i3 = upper(x3, nibble);
  const k3 = lower(x3, nibble);
  const j3 = xor(i3, k3);
  const a3 = pick(scaled, k3);
  const u3 = invert(reciprocal, i3, j3, a3);
  const v3 = invert(reciprocal, j3, i3, a3);
  v128.store(out, xor(pick(xor(pick(at(TABLES + 144), u0), pick(at(TABLES + 160), v0)), at(UNSHIFT + 16)), at(rounds + 160)), 0);
  v128.store(out, xor(pick(xor(pick(at(TABLES + 144), u1), pick(at(TABLES + 160), v1)), at(UNSHIFT + 16)), at(rounds + 160)), 16);
  v128.store(out, xor(pick(xor(pick(at(TABLES + 144), u2), pick(at(TABLES + 160), v2)), at(UNSHIFT + 16)), at(rounds + 160)), 32);
  v128.store(out, xor(pick(xor(pick(at(TABLES + 144), u3), pick(at(TABLES + 160), v3)), at(UNSHIFT + 16)), at(rounds + 160)), 48);
}
