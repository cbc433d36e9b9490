/** Seeded random mutations of recorded inputs. */
import type { Random } from "../../sim/random.ts";

const INTERESTING_BYTES = [0, 1, 2, 3, 4, 0x7f, 0x80, 0xfe, 0xff];
const MAX_GROWTH_BYTES = 64;

/** Applies one to a few random mutations; `pool` lends pieces to splice in. Never longer than input + pool piece + 64 each. */
export function mutate(random: Random, input: Uint8Array, pool: readonly Uint8Array[]): Uint8Array {
  let bytes: Uint8Array = input.slice();
  // Mostly one change: a parser gets far before it meets it.
  const count = 1 + Math.floor(-Math.log2(1 - random.unit()));
  for (let i = 0; i < count; i++) bytes = mutateOnce(random, bytes, pool);
  return bytes;
}

function mutateOnce(random: Random, bytes: Uint8Array, pool: readonly Uint8Array[]): Uint8Array {
  const at = random.below(bytes.length + 1);
  if (bytes.length === 0) return random.bytes(random.below(MAX_GROWTH_BYTES));
  switch (random.below(9)) {
    case 0: // a bit
      return edited(bytes, (copy) => {
        copy[at % copy.length] ^= 1 << random.below(8);
      });
    case 1: // a byte
      return edited(bytes, (copy) => {
        copy[at % copy.length] = random.below(256);
      });
    case 2: // an interesting byte
      return edited(bytes, (copy) => {
        copy[at % copy.length] = INTERESTING_BYTES[random.below(INTERESTING_BYTES.length)];
      });
    case 3: // a 16-bit field, up or down by a little
      return edited(bytes, (copy) => {
        const low = Math.max(1, at % copy.length);
        const value = ((copy[low - 1] << 8) | copy[low]) + random.below(33) - 16;
        copy[low - 1] = value >>> 8;
        copy[low] = value;
      });
    case 4: // cut the end
      return bytes.slice(0, at);
    case 5: // cut a piece out
      return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(16)));
    case 6: // put noise in
      return joined(bytes.subarray(0, at), random.bytes(1 + random.below(16)), bytes.subarray(at));
    case 7: // say a piece twice
      return joined(bytes.subarray(0, at), bytes.subarray(Math.max(0, at - 1 - random.below(MAX_GROWTH_BYTES))));
    default: // a piece of another input
      return spliced(random, bytes, at, pool);
  }
}

function spliced(random: Random, bytes: Uint8Array, at: number, pool: readonly Uint8Array[]): Uint8Array {
  if (pool.length === 0) return bytes;
  const other = pool[random.below(pool.length)];
  const from = random.below(other.length + 1);
  const piece = other.subarray(from, from + random.below(other.length - from + 1));
  const keepRest = random.chance(0.5);
  return joined(bytes.subarray(0, at), piece, keepRest ? bytes.subarray(at) : new Uint8Array(0));
}

function edited(bytes: Uint8Array, edit: (copy: Uint8Array) => void): Uint8Array {
  const copy = bytes.slice();
  edit(copy);
  return copy;
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
