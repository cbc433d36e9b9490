// CRC32c (RFC 9260 Appendix A; polynomial 0x1EDC6F41, bits reflected). A checksum, not a secret: tables are fine here.
import { and, at, pick, xor } from "./lanes";
import { CRC_ROWS, CRC_TABLES, CRC_VECTORS } from "./layout";

const POLYNOMIAL: u32 = 0x82f63b78;

/** From this length on {@link fold} is faster than tables. Measured. */
const FOLD_FROM: u32 = 128;

/** Once per instance. */
export function buildTables(): void {
  // Table k holds the effect of a byte that is followed by k more bytes ("slicing").
  for (let byte: u32 = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (POLYNOMIAL & (0 - (crc & 1)));
    store<u32>(CRC_TABLES + (byte << 2), crc);
  }
  for (let entry = CRC_TABLES; entry < CRC_TABLES + 0x3c00; entry += 4) {
    store<u32>(entry, followed(load<u32>(entry)), 0x400);
  }
  // Of table 63 only the entries of bytes with one nibble, as rows: byte j of all lower nibbles, then of all upper ones.
  for (let n: u32 = 0; n < 32; n++) {
    const upper = n & 16;
    let crc = look(15, upper ? n << 4 : n);
    for (let k = 15; k < 63; k++) crc = followed(crc);
    for (let j: u32 = 0; j < 4; j++) store<u8>(CRC_ROWS + (j << 5) + n, crc >> (j << 3));
  }
}

/** The effect of a byte, one byte later. */
function followed(crc: u32): u32 {
  return (crc >> 8) ^ load<u32>(CRC_TABLES + ((crc & 0xff) << 2));
}

function look(table: usize, byte: u32): u32 {
  return load<u32>(CRC_TABLES + (table << 10) + ((byte & 0xff) << 2));
}

/** Continues `crc` (not inverted) over bytes. */
export function update(crc: u32, data: usize, length: u32): u32 {
  const end = data + length;
  if (length >= FOLD_FROM) {
    crc = fold(crc, data, length & ~63);
    data += length & ~63;
  }
  return slice(crc, data, <u32>(end - data));
}

export function crc32c(data: usize, length: u32): u32 {
  return ~update(0xffffffff, data, length);
}

/** Sixteen bytes per step, each with its own table. */
function slice(crc: u32, data: usize, length: u32): u32 {
  const end = data + length;
  for (; data + 16 <= end; data += 16) {
    const a = load<u32>(data) ^ crc;
    const b = load<u32>(data, 4);
    const c = load<u32>(data, 8);
    const d = load<u32>(data, 12);
    crc =
      look(15, a) ^ look(14, a >> 8) ^ look(13, a >> 16) ^ look(12, a >> 24) ^
      look(11, b) ^ look(10, b >> 8) ^ look(9, b >> 16) ^ look(8, b >> 24) ^
      look(7, c) ^ look(6, c >> 8) ^ look(5, c >> 16) ^ look(4, c >> 24) ^
      look(3, d) ^ look(2, d >> 8) ^ look(1, d >> 16) ^ look(0, d >> 24);
  }
  for (; data + 4 <= end; data += 4) {
    const a = load<u32>(data) ^ crc;
    crc = look(3, a) ^ look(2, a >> 8) ^ look(1, a >> 16) ^ look(0, a >> 24);
  }
  for (; data < end; data++) crc = (crc >> 8) ^ look(0, crc ^ load<u8>(data));
  return crc;
}

/**
 * A multiple of 64 bytes, 16 at a time. A byte has the same effect as the four bytes of its entry in table 63 have from 64
 * bytes further on. As nibbles, 16 bytes look these up at once, each of the four in its own row; byte j of the result belongs
 * j bytes further on, so up to three fall behind the vector, into the next one. CRC_VECTORS holds the last four vectors.
 */
function fold(crc: u32, data: usize, length: u32): u32 {
  v128.store(CRC_VECTORS, xor(at(data), i32x4.replace_lane(i32x4.splat(0), 0, crc)));
  v128.store(CRC_VECTORS, at(data + 16), 16);
  v128.store(CRC_VECTORS, at(data + 32), 32);
  v128.store(CRC_VECTORS, at(data + 48), 48);
  let carry = i32x4.splat(0);
  for (let done: u32 = 64; done < length; done += 16) {
    const place = CRC_VECTORS + (done & 48);
    const bytes = at(place);
    const lower = and(bytes, i8x16.splat(15));
    const upper = and(i64x2.shr_u(bytes, 4), i8x16.splat(15));
    const r0 = row(0, lower, upper);
    const r1 = row(32, lower, upper);
    const r2 = row(64, lower, upper);
    const r3 = row(96, lower, upper);
    // Horner's rule, from row 3 down.
    const zero = i8x16.splat(0);
    let near = xor(r2, move(zero, r3));
    let far = move(r3, zero);
    far = move(near, far);
    near = xor(r1, move(zero, near));
    far = move(near, far);
    near = xor(r0, move(zero, near));
    v128.store(place, xor(xor(at(data + done), carry), near));
    carry = far;
  }
  // What falls behind the last vector meets the next bytes of the message, as the checksum so far does.
  return slice(0, CRC_VECTORS, 64) ^ v128.extract_lane<u32>(carry, 0);
}

/** One of the four bytes of the entries of 16 bytes. */
// @ts-ignore: decorator
@inline
function row(offset: usize, lower: v128, upper: v128): v128 {
  return xor(pick(at(CRC_ROWS + offset), lower), pick(at(CRC_ROWS + offset + 16), upper));
}

/** `after`, moved on by one byte; the byte that comes in is the last of `before`. */
// @ts-ignore: decorator
@inline
function move(before: v128, after: v128): v128 {
  return i8x16.shuffle(before, after, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}
