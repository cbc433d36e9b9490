/**
 * A list of edits to a run of datagrams, as bytes, so that scripts can be mutated, kept and replayed where the datagrams
 * themselves differ from run to run (fresh keys). Any bytes are a script.
 *
 *     | datagram 1 | action 1 | position 2 | value 1 | ...
 */
import { type LengthField, readField, withField } from "./variants.ts";

const EDIT_BYTES = 5;
const MAX_EDITS = 24;
const NOISE_BYTES = 32;

interface Edit {
  readonly datagram: number;
  readonly action: number;
  readonly position: number;
  readonly value: number;
}

/** Applies a script to datagrams as they pass by. Keeps the last few, to bring them up again. */
export class EditScript {
  readonly #edits: Edit[] = [];
  readonly #passed: Uint8Array[] = [];
  #count = 0;

  constructor(script: Uint8Array) {
    for (let at = 0; at + EDIT_BYTES <= script.length && this.#edits.length < MAX_EDITS; at += EDIT_BYTES) {
      const [datagram, action, high, low, value] = script.subarray(at, at + EDIT_BYTES);
      this.#edits.push({ datagram, action, position: (high << 8) | low, value });
    }
  }

  /** What takes the place of this datagram: usually itself; sometimes changed, nothing, or more than one. */
  apply(datagram: Uint8Array): Uint8Array[] {
    const index = this.#count++ & 0xff;
    this.#passed.push(datagram.slice());
    if (this.#passed.length > 16) this.#passed.shift();
    let results: Uint8Array[] = [datagram.slice()];
    for (const edit of this.#edits) if (edit.datagram === index) results = this.#edit(edit, results);
    return results;
  }

  #edit({ action, position, value }: Edit, results: Uint8Array[]): Uint8Array[] {
    const last = results.pop();
    if (last === undefined) return results;
    const at = last.length === 0 ? 0 : position % last.length;
    const rest = () => last.subarray(at);
    switch (action % 13) {
      case 0:
        return last.length === 0
          ? [...results, last]
          : [...results, withField(last, at, 1, last[at] ^ (1 << (value & 7)))];
      case 1:
        return last.length === 0 ? [...results, last] : [...results, withField(last, at, 1, value)];
      case 2: {
        // A field of two bytes, moved by a little.
        const field: LengthField = { offset: Math.max(0, Math.min(at, last.length - 2)), bytes: 2 };
        if (last.length < 2) return [...results, last];
        const moved = (readField(last, field.offset, 2) + value - 128) & 0xffff;
        return [...results, withField(last, field.offset, 2, moved)];
      }
      case 3: // cut
        return [...results, last.slice(0, at)];
      case 4: // a piece out
        return [...results, join(last.subarray(0, at), last.subarray(Math.min(last.length, at + 1 + (value & 31))))];
      case 5: // noise in
        return [...results, join(last.subarray(0, at), noise(value), rest())];
      case 6: // a piece twice
        return [...results, join(last, rest())];
      case 7: // lost
        return results;
      case 8: // twice
        return [...results, last, last.slice()];
      case 9: // after an older one
        return [...results, this.#older(value), last];
      case 10: // followed by an older one
        return [...results, last, this.#older(value)];
      case 11: // head of this one, tail of an older one
        return [...results, join(last.subarray(0, at), this.#older(value).subarray(at))];
      default: // replaced by noise
        return [...results, noise(value)];
    }
  }

  #older(value: number): Uint8Array {
    return this.#passed[value % this.#passed.length].slice();
  }
}

function noise(value: number): Uint8Array {
  return Uint8Array.from({ length: 1 + (value % NOISE_BYTES) }, (_, i) => (value * 37 + i * 101) & 0xff);
}

function join(a: Uint8Array, b: Uint8Array, c: Uint8Array = new Uint8Array(0)): Uint8Array {
  const joined = new Uint8Array(a.length + b.length + c.length);
  joined.set(a);
  joined.set(b, a.length);
  joined.set(c, a.length + b.length);
  return joined;
}
