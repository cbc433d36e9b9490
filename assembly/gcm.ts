// AES-128-GCM (NIST SP 800-38D) with 96-bit nonce and 128-bit tag, in place.
import { encrypt } from "./aes";
import { multiply } from "./ghash";
import { KEY_HASH, KEY_ROUNDS } from "./layout";

export const TAG_BYTES: u32 = 16;

/** J0 of section 7.1 for a 96-bit nonce: the nonce, then the counter 1, big-endian. `word` is the nonce's last four bytes. */
export function counterBlock(first: u64, word: u32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i64x2.splat(first), 2, word), 3, 0x01000000);
}

/** Encrypts in place and writes the tag right behind the data. */
export function seal(key: usize, j0: v128, aad: usize, aadLength: u32, data: usize, length: u32): void {
  applyKeystream(key, j0, data, length);
  v128.store(data + length, tag(key, j0, aad, aadLength, data, length));
}

/** Verifies the tag behind the data, then decrypts in place; where it does not fit, nothing is changed. */
export function open(key: usize, j0: v128, aad: usize, aadLength: u32, data: usize, length: u32): bool {
  // All 128 bits are compared in one step: no early exit tells how much of a forged tag was right.
  const difference = v128.xor(tag(key, j0, aad, aadLength, data, length), v128.load(data + length));
  if (v128.any_true(difference)) return false;
  applyKeystream(key, j0, data, length);
  return true;
}

/** GCTR of section 6.5, from counter 2 on. */
function applyKeystream(key: usize, j0: v128, data: usize, length: u32): void {
  let counter: u32 = 2;
  const end = data + length;
  for (; data + 16 <= end; data += 16) {
    const stream = encrypt(key + KEY_ROUNDS, i32x4.replace_lane(j0, 3, bswap(counter++)));
    v128.store(data, v128.xor(v128.load(data), stream));
  }
  if (data == end) return;
  // The last block is partial. Sixteen bytes from here reach into the tag's place, never further, and the bytes there are
  // written back as they were.
  const stream = encrypt(key + KEY_ROUNDS, i32x4.replace_lane(j0, 3, bswap(counter)));
  v128.store(data, v128.xor(v128.load(data), v128.and(stream, firstBytes(<u32>(end - data)))));
}

/** Ones in the first `count` (0…16) bytes, zeros behind. */
function firstBytes(count: u32): v128 {
  const index = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return i8x16.lt_u(index, i8x16.splat(<i8>count));
}

/** Section 7.1 steps 4–6: GHASH over additional data, ciphertext and their lengths, covered by E(J0). */
function tag(key: usize, j0: v128, aad: usize, aadLength: u32, data: usize, length: u32): v128 {
  const h = v128.load(key + KEY_HASH);
  let y = hashBytes(i8x16.splat(0), h, aad, aadLength);
  y = hashBytes(y, h, data, length);
  const lengths = i64x2.replace_lane(i64x2.splat(bswap(<u64>aadLength << 3)), 1, bswap(<u64>length << 3));
  y = multiply(v128.xor(y, lengths), h);
  return v128.xor(y, encrypt(key + KEY_ROUNDS, j0));
}

function hashBytes(y: v128, h: v128, data: usize, length: u32): v128 {
  const end = data + length;
  for (; data + 16 <= end; data += 16) y = multiply(v128.xor(y, v128.load(data)), h);
  if (data == end) return y;
  // Byte by byte: behind additional data there is no tag that may be read as well.
  let block = i8x16.splat(0);
  for (let i: u32 = 0, n = <u32>(end - data); i < n; i++) {
    const byte = v128.and(i8x16.splat(load<i8>(data + i)), v128.xor(firstBytes(i), firstBytes(i + 1)));
    block = v128.or(block, byte);
  }
  return multiply(v128.xor(y, block), h);
}
