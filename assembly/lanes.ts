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
