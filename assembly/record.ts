// DTLS records around AES-128-GCM, in place.
import { hashBlocks, lastOf, open, seal, TAG_BYTES } from "./gcm";
import { fetchKey, wipeScratch } from "./ghash";
import { keyOf } from "./keys";
import { pair } from "./lanes";
import {
  BAD_LENGTH, BAD_SLOT, BAD_TAG, KEY_HAS_AEAD, KEY_HAS_NUMBER, KEY_IV, KEY_NUMBER, KEY_ROUNDS, TOO_SHORT,
} from "./layout";
import { encrypt } from "./permuted";

/** RFC 6347 section 4.1: type (1), version (2), epoch (2), sequence number (6), length (2). */
const HEADER: u32 = 13;
/** RFC 5288 section 3: the part of the nonce that travels in the record. */
const EXPLICIT_NONCE: u32 = 8;
const DTLS_1_2: u32 = 0xfefd;
/** RFC 5246 section 6.2.3.3: additional data = sequence number (8), type (1), version (2), length (2). */
const AAD_12: u32 = 13;

/** `high` is the epoch, then the upper 16 bits of the sequence number; `low` the rest. */
export function seal12(slot: u32, record: usize, type: u32, high: u32, low: u32, length: u32): i32 {
  const key = keyOf(slot, KEY_HAS_AEAD);
  if (!key) return BAD_SLOT;
  // Epoch and sequence number never repeat under one key, which is all that the explicit nonce must do (RFC 5288 section 3).
  const number = bswap((<u64>high << 32) | <u64>low);
  store<u8>(record, type);
  store<u16>(record, bswap<u16>(<u16>DTLS_1_2), 1);
  store<u64>(record, number, 3);
  store<u16>(record, bswap<u16>(<u16>(length + EXPLICIT_NONCE + TAG_BYTES)), 11);
  store<u64>(record, number, 13);
  const aad = aad12(number, type, bswap<u16>(<u16>DTLS_1_2), length);
  seal(key, nonce12(key, number), i8x16.splat(0), aad, AAD_12, record + HEADER + EXPLICIT_NONCE, length);
  return HEADER + EXPLICIT_NONCE + length + TAG_BYTES;
}

export function open12(slot: u32, record: usize, recordLength: u32): i32 {
  const key = keyOf(slot, KEY_HAS_AEAD);
  if (!key) return BAD_SLOT;
  if (recordLength < HEADER + EXPLICIT_NONCE + TAG_BYTES) return TOO_SHORT;
  if (HEADER + <u32>bswap<u16>(load<u16>(record, 11)) != recordLength) return BAD_LENGTH;
  const length = recordLength - (HEADER + EXPLICIT_NONCE + TAG_BYTES);
  const nonce = nonce12(key, load<u64>(record, 13));
  const aad = aad12(load<u64>(record, 3), load<u8>(record), load<u16>(record, 1), length);
  const ok = open(key, nonce, i8x16.splat(0), aad, AAD_12, record + HEADER + EXPLICIT_NONCE, length);
  return ok ? <i32>length : BAD_TAG;
}

/** RFC 5288 section 3: salt (4), explicit nonce (8). */
function nonce12(key: usize, explicit: u64): v128 {
  return pair(<u64>load<u32>(key, KEY_IV) | (explicit << 32), explicit >> 32);
}

/** The header's fields as they stand in memory, in another order, and the length of the plaintext. */
function aad12(number: u64, type: u32, version: u32, length: u32): v128 {
  const rest = <u64>(type | (version << 8) | (length >> 8 << 24)) | (<u64>(length & 0xff) << 32);
  return pair(number, rest);
}

/** `high` and `low`: the 64-bit sequence number of RFC 9147 section 4. */
export function seal13(slot: u32, header: usize, headerLength: u32, high: u32, low: u32, length: u32): i32 {
  const key = keyOf(slot, KEY_HAS_AEAD);
  if (!key) return BAD_SLOT;
  const y = hashBlocks(key, header, headerLength);
  const last = lastOf(header, headerLength);
  seal(key, nonce13(key, high, low), y, last, headerLength, header + headerLength, length);
  return headerLength + length + TAG_BYTES;
}

/** `length` includes the tag. */
export function open13(slot: u32, header: usize, headerLength: u32, high: u32, low: u32, length: u32): i32 {
  const key = keyOf(slot, KEY_HAS_AEAD);
  if (!key) return BAD_SLOT;
  if (length < TAG_BYTES) return TOO_SHORT;
  length -= TAG_BYTES;
  const y = hashBlocks(key, header, headerLength);
  const last = lastOf(header, headerLength);
  const ok = open(key, nonce13(key, high, low), y, last, headerLength, header + headerLength, length);
  return ok ? <i32>length : BAD_TAG;
}

/** RFC 8446 section 5.3: the sequence number, padded on the left to the iv's length, XOR the iv. */
function nonce13(key: usize, high: u32, low: u32): v128 {
  const first = load<u64>(key, KEY_IV) ^ (<u64>bswap(high) << 32);
  return pair(first, load<u32>(key, KEY_IV + 8) ^ bswap(low));
}

/** RFC 9147 section 4.2.3: mask = AES-ECB(sn_key, ciphertext[0..15]); its first two bytes, the most a header holds. */
export function numberMask(slot: u32, ciphertext: usize): i32 {
  const key = keyOf(slot, KEY_HAS_NUMBER);
  if (!key) return BAD_SLOT;
  // Comes before the record is opened: what that needs is on its way while this one block takes its ten rounds.
  fetchKey(key);
  const mask = encrypt(key + KEY_NUMBER, v128.load(ciphertext));
  wipeScratch();
  return bswap<u16>(<u16>v128.extract_lane<u16>(mask, 0));
}

/** Nonce of 12 bytes, additional data and plaintext anywhere; the tag goes right behind the data. */
export function sealRaw(slot: u32, nonce: usize, aad: usize, aadLength: u32, data: usize, length: u32): i32 {
  const key = keyOf(slot, KEY_HAS_AEAD);
  if (!key) return BAD_SLOT;
  const y = hashBlocks(key, aad, aadLength);
  seal(key, pair(load<u64>(nonce), load<u32>(nonce, 8)), y, lastOf(aad, aadLength), aadLength, data, length);
  return length + TAG_BYTES;
}

export function openRaw(slot: u32, nonce: usize, aad: usize, aadLength: u32, data: usize, length: u32): i32 {
  const key = keyOf(slot, KEY_HAS_AEAD);
  if (!key) return BAD_SLOT;
  const y = hashBlocks(key, aad, aadLength);
  const block = pair(load<u64>(nonce), load<u32>(nonce, 8));
  return open(key, block, y, lastOf(aad, aadLength), aadLength, data, length) ? <i32>length : BAD_TAG;
}

/** One block through AES-128, for the vectors of FIPS 197. */
export function encryptBlock(slot: u32, offset: usize): i32 {
  const key = keyOf(slot, KEY_HAS_AEAD);
  if (!key) return BAD_SLOT;
  v128.store(offset, encrypt(key + KEY_ROUNDS, v128.load(offset)));
  return 0;
}
