// Key slots: expanded once, used in place, zeroed on release, never read back.
import { ownPlanes } from "./counter";
import { expandKey } from "./expand";
import { expandHash } from "./ghash";
import {
  BAD_SLOT, IV_INPUT, KEY_BATCHES, KEY_BYTES, KEY_COUNTERS, KEY_HAS_AEAD, KEY_HAS_NUMBER, KEY_INPUT, KEY_IV, KEY_NUMBER, KEY_ROUNDS,
  KEY_STATE,
} from "./layout";
import { encrypt } from "./permuted";
import { sliceKey } from "./sliced";

let keys: usize = 0;
let slots: u32 = 0;

/** Where JavaScript has put the key slots, and how many. */
export function placeKeys(offset: usize, count: u32): void {
  keys = offset;
  slots = count;
}

/** Address of a slot that has all the `needed` parts, or 0. */
export function keyOf(slot: u32, needed: u32): usize {
  if (slot >= slots) return 0;
  const key = keys + <usize>slot * KEY_BYTES;
  return (load<u32>(key, KEY_STATE) & needed) == needed ? key : 0;
}

/** Expands the key at KEY_INPUT and takes the iv at IV_INPUT; wipes both. */
export function installKey(slot: u32): i32 {
  if (slot >= slots) {
    wipeInput();
    return BAD_SLOT;
  }
  const key = keys + <usize>slot * KEY_BYTES;
  memory.fill(key, 0, KEY_BYTES);
  expandKey(v128.load(KEY_INPUT), key + KEY_ROUNDS);
  sliceKey(key + KEY_ROUNDS);
  for (let n: u32 = 0; n < KEY_BATCHES; n++) store<u64>(key + (n << 3), ownPlanes(key, 8 * n + 1), KEY_COUNTERS);
  // SP 800-38D section 7.1 step 1: H = E(0).
  expandHash(key, encrypt(key + KEY_ROUNDS, i8x16.splat(0)));
  store<u64>(key, load<u64>(IV_INPUT), KEY_IV);
  store<u32>(key, load<u32>(IV_INPUT, 8), KEY_IV + 8);
  store<u32>(key, KEY_HAS_AEAD, KEY_STATE);
  wipeInput();
  return 0;
}

/** Adds the record number key at KEY_INPUT (RFC 9147 section 4.2.3); wipes it there. */
export function installNumberKey(slot: u32): i32 {
  const key = keyOf(slot, KEY_HAS_AEAD);
  if (key) {
    expandKey(v128.load(KEY_INPUT), key + KEY_NUMBER);
    sliceKey(key + KEY_NUMBER);
    store<u32>(key, KEY_HAS_AEAD | KEY_HAS_NUMBER, KEY_STATE);
  }
  wipeInput();
  return key ? 0 : BAD_SLOT;
}

/** Zeroes a slot. A slot that is not in use stays as it is, so that nothing can be released twice. */
export function wipeKey(slot: u32): i32 {
  const key = keyOf(slot, KEY_HAS_AEAD);
  if (!key) return BAD_SLOT;
  memory.fill(key, 0, KEY_BYTES);
  return 0;
}

function wipeInput(): void {
  memory.fill(KEY_INPUT, 0, 16);
  memory.fill(IV_INPUT, 0, 16);
}
