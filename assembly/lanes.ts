// Short names for vector operations: the kernels are read as formulas.

// @ts-ignore: decorator
@inline
export function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}

// @ts-ignore: decorator
@inline
export function and(a: v128, b: v128): v128 {
  return v128.and(a, b);
}

/** Constants come from memory: V8 builds a `v128.const` anew, from immediates, at each use in a loop. */
// @ts-ignore: decorator
@inline
export function at(address: usize): v128 {
  return v128.load(address);
}

/**
 * `row[index]` in all 16 lanes, constant time. An index is below 16, or has its top bit set and gives zero. Relaxed swizzle,
 * one instruction, leaves open what lies between; the plain one needs two, for zeros there as well.
 */
// @ts-ignore: decorator
@inline
export function pick(row: v128, index: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(row, index);
  return i8x16.swizzle(row, index);
}

// @ts-ignore: decorator
@inline
export function pair(first: u64, second: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(first), 1, second);
}

/** One byte on, with zero in front. */
const MOVE: usize = memory.data<u8>([128, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);

// 32 bytes, `near` and then `far`, move one byte on.
// @ts-ignore: decorator
@inline
export function moveFar(near: v128, far: v128): v128 {
  return i8x16.shuffle(near, far, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

// @ts-ignore: decorator
@inline
export function moveNear(near: v128): v128 {
  // JavaScriptCore makes four instructions of a shuffle, V8 one.
  if (FOR_JAVASCRIPTCORE) return pick(near, at(MOVE));
  return i8x16.shuffle(i8x16.splat(0), near, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}
