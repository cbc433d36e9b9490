// CRC32c (RFC 9260 Appendix A; polynomial 0x1EDC6F41, bits reflected). A checksum, not a secret: tables are fine here. But one
// entry for each byte is 1 KiB and more, and a packet that comes alone has to fetch a cache line for nearly every byte.
//
// A byte has the same effect on the checksum as certain four bytes that come some distance later in its stead. As nibbles, 16
// bytes look these up at once, each of the four in its own row. Byte j belongs j bytes further on, so up to three fall behind
// the vector, into the next one. So the message is folded onto its last 32 bytes, 32 bytes ahead at a time, these onto the
// last 16, then 8, 4, 2 and 1, and at last onto the four bytes behind its end, which are the checksum.
import { and, at, moveFar, moveNear, pick, xor } from "./lanes";
import { CRC_ROWS } from "./layout";

const POLYNOMIAL: u32 = 0x82f63b78;

/** There are rows for distances of 1, 2, 4 … 32 bytes. */
const DISTANCES: u32 = 6;
/** Of one distance: for byte 0 by lower nibble, by upper nibble, then the same for bytes 1, 2, 3. */
const ROWS_BYTES: u32 = 128;

/** For {@link checksum}: nothing is left out. */
// prettier-ignore
const ALL: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
]);

/** To begin with a checksum of ones is the same as to invert the first four bytes. From `BEGIN + n`: n bytes of them. */
// prettier-ignore
const BEGIN: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);

/** From `NIBBLES + 16 - n`: a mask of the lower nibbles of the first n bytes. */
// prettier-ignore
const NIBBLES: usize = memory.data<u8>([
  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);

/** From `LATER + n`: for `pick`, the bytes from n on, then zeros. */
// prettier-ignore
const LATER: usize = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
]);

/** Once per instance. */
export function buildRows(): void {
  for (let n: u32 = 0; n < 32; n++) {
    let crc = n & 16 ? (n & 15) << 4 : n;
    let bits: u32 = 0;
    for (let k: u32 = 0; k < DISTANCES; k++) {
      for (; bits < 8 << k; bits++) crc = (crc >> 1) ^ (POLYNOMIAL & (0 - (crc & 1)));
      for (let j: u32 = 0; j < 4; j++) store<u8>(CRC_ROWS + k * ROWS_BYTES + (j << 5) + n, crc >> (j << 3));
    }
  }
}

export function crc32c(data: usize, length: u32): u32 {
  return checksum(data, length, ALL);
}

/**
 * CRC32c, where some of the first bytes count as zeros.
 *
 * @param keep 16 zeros, then a mask of 32 bytes: of those at `data` that count
 */
export function checksum(data: usize, length: u32, keep: usize): u32 {
  const end = data + length;
  // What lacks to whole vectors is put in front, as zeros: with a checksum of zero they have no effect.
  const ragged = length & 15;
  data += ragged;
  let first = i8x16.splat(0);
  let second = xor(and(at(data - 16), at(keep + ragged)), at(BEGIN + ragged));
  // What is added to the next vector, and at the end falls behind the last. Bytes that do not count are added to themselves.
  let carry = xor(v128.andnot(at(data), at(keep + 16 + ragged)), at(BEGIN + 16 + ragged));
  // 32 bytes ahead and not 16, so that a step need not wait for the one before it.
  for (; data < end; data += 16) {
    const rows = CRC_ROWS + 5 * ROWS_BYTES;
    const nibbles = i8x16.splat(15);
    const sum3 = row(rows + 96, first, nibbles);
    const sum2 = xor(row(rows + 64, first, nibbles), moveNear(sum3));
    const sum1 = xor(row(rows + 32, first, nibbles), moveNear(sum2));
    const sum = xor(row(rows, first, nibbles), moveNear(sum1));
    first = second;
    second = xor(xor(at(data), carry), sum);
    carry = behind(sum1, sum2, sum3);
  }
  for (let left: u32 = 32; left > 0; ) {
    // Half of what is left; then the last byte.
    const k: u32 = left > 1 ? 31 - clz(left - 1) : 0;
    const distance: u32 = 1 << k;
    const rows = CRC_ROWS + k * ROWS_BYTES;
    const nibbles = at(NIBBLES + 16 - distance);
    const sum3 = row(rows + 96, first, nibbles);
    const sum2 = xor(row(rows + 64, first, nibbles), moveNear(sum3));
    const sum1 = xor(row(rows + 32, first, nibbles), moveNear(sum2));
    const sum = xor(row(rows, first, nibbles), moveNear(sum1));
    first = xor(xor(pick(first, at(LATER + distance)), second), sum);
    second = i8x16.splat(0);
    carry = xor(carry, behind(sum1, sum2, sum3));
    left -= distance;
  }
  return ~v128.extract_lane<u32>(xor(first, carry), 0);
}

/** One of the four bytes for each of 16; masked bytes give zero. */
// @ts-ignore: decorator
@inline
function row(address: usize, bytes: v128, nibbles: v128): v128 {
  const lower = and(bytes, nibbles);
  const upper = and(i64x2.shr_u(bytes, 4), nibbles);
  return xor(pick(at(address), lower), pick(at(address + 16), upper));
}

/** Horner's rule moves the sums on by one byte each; this falls behind the vector. */
// @ts-ignore: decorator
@inline
function behind(sum1: v128, sum2: v128, sum3: v128): v128 {
  return moveFar(sum1, moveFar(sum2, moveFar(sum3, i8x16.splat(0))));
}
