// AES-128 of eight counter blocks at once, bitsliced: constant time because there is nothing but logic.
//
// Plane k holds bit k of all bytes: lane p of it belongs to byte p of the block, bit b of the lane to block b. SubBytes is
// then a circuit of 113 gates. ShiftRows is never carried out: order.ts says how.
import { and, at, pair, pick, xor } from "./lanes";
import { ASIDE, ASIDE_BYTES, KEY_ROUNDS } from "./layout";
import { MIX, OWN_PLANES, UNSHIFT } from "./order";

/** Turns the key schedule of FIPS 197 at `rounds` into this kernel's, in place. */
export function sliceKey(rounds: usize): void {
  for (let i: usize = 1; i <= 10; i++) {
    // The last key is added when the order is plain again, the one before after nine ShiftRows, which are one.
    const order = i < 10 ? UNSHIFT + (((i - 1) & 3) << 4) : UNSHIFT + 48;
    // The circuit leaves out the constant of SubBytes; it passes MixColumns unchanged and comes in with the key.
    v128.store(rounds + (i << 4), xor(pick(at(rounds + (i << 4)), at(order)), i8x16.splat(0x63)));
  }
}

/** The lanes' top bits as masks: one plane. */
// @ts-ignore: decorator
@inline
function top(x: v128): v128 {
  return i8x16.lt_s(x, i8x16.splat(0));
}

// @ts-ignore: decorator
@inline
function shifted(x: v128): v128 {
  return i8x16.add(x, x);
}

/** Exchanges the bits of `a` chosen by `mask << shift` with those of `b` chosen by `mask`: half of a transposition. */
// @ts-ignore: decorator
@inline
function differ(a: v128, b: v128, shift: i32, mask: v128): v128 {
  return and(xor(i64x2.shr_u(a, shift), b), mask);
}

// The factors below are more than there are registers, and are needed twice. V8 does best when left alone with them;
// JavaScriptCore needs a fifth less time when they are put aside by hand.
// @ts-ignore: decorator
@inline
function putAside(x: v128, place: usize): void {
  if (FOR_JAVASCRIPTCORE) v128.store(ASIDE + place, x);
}

// @ts-ignore: decorator
@inline
function takeUp(x: v128, place: usize): v128 {
  return FOR_JAVASCRIPTCORE ? at(ASIDE + place) : x;
}

/** Clears what {@link keystream8} has put aside. */
export function wipeAside(): void {
  if (!FOR_JAVASCRIPTCORE) return;
  for (let p = ASIDE; p < ASIDE + ASIDE_BYTES; p += 16) v128.store(p, i8x16.splat(0));
}

/** Adds a block of key stream to data. */
// @ts-ignore: decorator
@inline
function cover(data: usize, offset: usize, stream: v128): void {
  v128.store(data + offset, xor(at(data + offset), stream));
}

/**
 * Adds the key stream of eight counters to the 128 bytes at `data`. `common` and `own` are what counter.ts gives for them;
 * the rounds start with the second.
 */
export function keystream8(key: usize, common: v128, own: u64, data: usize): void {
  const rounds = key + KEY_ROUNDS;
  // Doubling moves each plane up by one; the top one comes back as 0x1b.
  const double = (own << 8) ^ ((own >> 56) * 0x0000000101000101);
  const triple = own ^ double;
  const low = pair((own & 0xffffffff) | (double << 32), triple & 0xffffffff);
  const high = pair((own >> 32) | (double & 0xffffffff00000000), triple >> 32);
  let k = common;
  let q7 = xor(top(k), pick(high, at(OWN_PLANES + 48)));
  k = shifted(k);
  let q6 = xor(top(k), pick(high, at(OWN_PLANES + 32)));
  k = shifted(k);
  let q5 = xor(top(k), pick(high, at(OWN_PLANES + 16)));
  k = shifted(k);
  let q4 = xor(top(k), pick(high, at(OWN_PLANES)));
  k = shifted(k);
  let q3 = xor(top(k), pick(low, at(OWN_PLANES + 48)));
  k = shifted(k);
  let q2 = xor(top(k), pick(low, at(OWN_PLANES + 32)));
  k = shifted(k);
  let q1 = xor(top(k), pick(low, at(OWN_PLANES + 16)));
  k = shifted(k);
  let q0 = xor(top(k), pick(low, at(OWN_PLANES)));

  for (let round: usize = 32; ; round += 16) {
    // SubBytes: J. Boyar and R. Peralta, "A new combinational logic minimization technique with applications to cryptology"
    // (2010), without its four negations. q7 is the highest bit.
    const y14 = xor(q4, q2);
    const y13 = xor(q7, q1);
    const y9 = xor(q7, q4);
    const y8 = xor(q7, q2);
    const t0 = xor(q6, q5);
    const y1 = xor(t0, q0);
    const y4 = xor(y1, q4);
    const y12 = xor(y13, y14);
    const y2 = xor(y1, q7);
    const y5 = xor(y1, q1);
    const y3 = xor(y5, y8);
    const t1 = xor(q3, y12);
    const y15 = xor(t1, q2);
    const y20 = xor(t1, q6);
    const y6 = xor(y15, q0);
    const y10 = xor(y15, t0);
    const y11 = xor(y20, y9);
    const y7 = xor(q0, y11);
    const y17 = xor(y10, y11);
    const y19 = xor(y10, y8);
    const y16 = xor(t0, y11);
    const y21 = xor(y13, y16);
    const y18 = xor(q7, y16);

    putAside(y15, 0);
    putAside(y6, 16);
    putAside(q0, 32);
    putAside(y16, 48);
    putAside(y1, 64);
    putAside(y7, 80);
    putAside(y11, 96);
    putAside(y17, 112);
    putAside(y10, 128);
    putAside(y12, 144);
    putAside(y3, 160);
    putAside(y4, 176);
    putAside(y13, 192);
    putAside(y5, 208);
    putAside(y2, 224);
    putAside(y9, 240);
    putAside(y14, 256);
    putAside(y8, 272);

    // The inverse in GF(2^8).
    const t2 = and(y12, y15);
    const t4 = xor(and(y3, y6), t2);
    const t6 = xor(and(y4, q0), t2);
    const t7 = and(y13, y16);
    const t9 = xor(and(y5, y1), t7);
    const t11 = xor(and(y2, y7), t7);
    const t12 = and(y9, y11);
    const t14 = xor(and(y14, y17), t12);
    const t16 = xor(and(y8, y10), t12);
    const t21 = xor(xor(t4, t14), y20);
    const t22 = xor(xor(t6, t16), y19);
    const t23 = xor(xor(t9, t14), y21);
    const t24 = xor(xor(t11, t16), y18);
    const t25 = xor(t21, t22);
    const t26 = and(t21, t23);
    const t27 = xor(t24, t26);
    const t29 = xor(and(t25, t27), t22);
    const t30 = xor(t23, t24);
    const t31 = xor(t22, t26);
    const t33 = xor(and(t31, t30), t24);
    const t34 = xor(t23, t33);
    const t35 = xor(t27, t33);
    const t36 = and(t24, t35);
    const t37 = xor(t36, t34);
    const t38 = xor(t27, t36);
    const t40 = xor(t25, and(t29, t38));
    const t41 = xor(t40, t37);
    const t42 = xor(t29, t33);
    const t43 = xor(t29, t40);
    const t44 = xor(t33, t37);
    const t45 = xor(t42, t41);
    const z0 = and(t44, takeUp(y15, 0));
    const z1 = and(t37, takeUp(y6, 16));
    const z2 = and(t33, takeUp(q0, 32));
    const z3 = and(t43, takeUp(y16, 48));
    const z4 = and(t40, takeUp(y1, 64));
    const z5 = and(t29, takeUp(y7, 80));
    const z6 = and(t42, takeUp(y11, 96));
    const z7 = and(t45, takeUp(y17, 112));
    const z8 = and(t41, takeUp(y10, 128));
    const z9 = and(t44, takeUp(y12, 144));
    const z10 = and(t37, takeUp(y3, 160));
    const z11 = and(t33, takeUp(y4, 176));
    const z12 = and(t43, takeUp(y13, 192));
    const z13 = and(t40, takeUp(y5, 208));
    const z14 = and(t29, takeUp(y2, 224));
    const z15 = and(t42, takeUp(y9, 240));
    const z16 = and(t45, takeUp(y14, 256));
    const z17 = and(t41, takeUp(y8, 272));

    // The affine part, without its constant.
    const t46 = xor(z15, z16);
    const t47 = xor(z10, z11);
    const t48 = xor(z5, z13);
    const t49 = xor(z9, z10);
    const t50 = xor(z2, z12);
    const t51 = xor(z2, z5);
    const t52 = xor(z7, z8);
    const t53 = xor(z0, z3);
    const t54 = xor(z6, z7);
    const t55 = xor(z16, z17);
    const t56 = xor(z12, t48);
    const t57 = xor(t50, t53);
    const t58 = xor(z4, t46);
    const t59 = xor(z3, t54);
    const t60 = xor(t46, t57);
    const t61 = xor(z14, t57);
    const t62 = xor(t52, t58);
    const t63 = xor(t49, t58);
    const t64 = xor(z4, t59);
    const t65 = xor(t61, t62);
    const t66 = xor(z1, t63);
    const t67 = xor(t64, t65);
    const s3 = xor(t53, t66);
    q7 = xor(t59, t63);
    q6 = xor(t64, s3);
    q5 = xor(t55, t67);
    q4 = s3;
    q3 = xor(t51, t66);
    q2 = xor(t47, t65);
    q1 = xor(t56, t62);
    q0 = xor(t48, t60);
    if (round == 160) break;

    // MixColumns: 2(a0 + a1) + a1 + (a2 + a3). Doubling moves each plane up by one; the top one comes back as 0x1b.
    const mix = MIX + ((round - 16) & 48) * 3;
    const next = at(mix);
    const after = at(mix + 16);
    k = at(rounds + round);
    const a7 = pick(q7, next);
    const u7 = xor(q7, a7);
    const a6 = pick(q6, next);
    const u6 = xor(q6, a6);
    q7 = xor(xor(xor(a7, pick(u7, after)), u6), top(k));
    k = shifted(k);
    const a5 = pick(q5, next);
    const u5 = xor(q5, a5);
    q6 = xor(xor(xor(a6, pick(u6, after)), u5), top(k));
    k = shifted(k);
    const a4 = pick(q4, next);
    const u4 = xor(q4, a4);
    q5 = xor(xor(xor(a5, pick(u5, after)), u4), top(k));
    k = shifted(k);
    const a3 = pick(q3, next);
    const u3 = xor(q3, a3);
    q4 = xor(xor(xor(a4, pick(u4, after)), xor(u3, u7)), top(k));
    k = shifted(k);
    const a2 = pick(q2, next);
    const u2 = xor(q2, a2);
    q3 = xor(xor(xor(a3, pick(u3, after)), xor(u2, u7)), top(k));
    k = shifted(k);
    const a1 = pick(q1, next);
    const u1 = xor(q1, a1);
    q2 = xor(xor(xor(a2, pick(u2, after)), u1), top(k));
    k = shifted(k);
    const a0 = pick(q0, next);
    const u0 = xor(q0, a0);
    q1 = xor(xor(xor(a1, pick(u1, after)), xor(u0, u7)), top(k));
    k = shifted(k);
    q0 = xor(xor(xor(a0, pick(u0, after)), u7), top(k));
  }

  // Eight planes of bits become eight blocks of bytes: an 8 x 8 transposition in every lane.
  let mask = i8x16.splat(0x55);
  let t = differ(q0, q1, 1, mask);
  q1 = xor(q1, t);
  q0 = xor(q0, i64x2.shl(t, 1));
  t = differ(q2, q3, 1, mask);
  q3 = xor(q3, t);
  q2 = xor(q2, i64x2.shl(t, 1));
  t = differ(q4, q5, 1, mask);
  q5 = xor(q5, t);
  q4 = xor(q4, i64x2.shl(t, 1));
  t = differ(q6, q7, 1, mask);
  q7 = xor(q7, t);
  q6 = xor(q6, i64x2.shl(t, 1));
  mask = i8x16.splat(0x33);
  t = differ(q0, q2, 2, mask);
  q2 = xor(q2, t);
  q0 = xor(q0, i64x2.shl(t, 2));
  t = differ(q1, q3, 2, mask);
  q3 = xor(q3, t);
  q1 = xor(q1, i64x2.shl(t, 2));
  t = differ(q4, q6, 2, mask);
  q6 = xor(q6, t);
  q4 = xor(q4, i64x2.shl(t, 2));
  t = differ(q5, q7, 2, mask);
  q7 = xor(q7, t);
  q5 = xor(q5, i64x2.shl(t, 2));
  mask = i8x16.splat(0x0f);
  const order = at(UNSHIFT + 16);
  k = at(rounds + 160);
  t = differ(q0, q4, 4, mask);
  cover(data, 0, xor(pick(xor(q0, i64x2.shl(t, 4)), order), k));
  cover(data, 64, xor(pick(xor(q4, t), order), k));
  t = differ(q1, q5, 4, mask);
  cover(data, 16, xor(pick(xor(q1, i64x2.shl(t, 4)), order), k));
  cover(data, 80, xor(pick(xor(q5, t), order), k));
  t = differ(q2, q6, 4, mask);
  cover(data, 32, xor(pick(xor(q2, i64x2.shl(t, 4)), order), k));
  cover(data, 96, xor(pick(xor(q6, t), order), k));
  t = differ(q3, q7, 4, mask);
  cover(data, 48, xor(pick(xor(q3, i64x2.shl(t, 4)), order), k));
  cover(data, 112, xor(pick(xor(q7, t), order), k));
}
