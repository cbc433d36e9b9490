/** Systematic malformations of a well-formed input. */

/** A big-endian field that counts something. */
export interface LengthField {
  readonly offset: number;
  readonly bytes: 1 | 2 | 3;
}

/** Every proper prefix, the empty one included. */
export function* truncations(input: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < input.length; length++) yield input.slice(0, length);
}

/** The input with each length field at 0, 1, 2, 3, one less, one more, and at and next to its largest value. */
export function* wrongLengths(input: Uint8Array, fields: readonly LengthField[]): Generator<Uint8Array> {
  for (const { offset, bytes } of fields) {
    const max = 2 ** (8 * bytes) - 1;
    const right = readField(input, offset, bytes);
    for (const value of new Set([0, 1, 2, 3, right - 1, right + 1, max >>> 1, max - 1, max])) {
      if (value >= 0 && value <= max && value !== right) yield withField(input, offset, bytes, value);
    }
  }
}

/** The input with each single bit turned over. */
export function* bitFlips(input: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < input.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const copy = input.slice();
      copy[at] ^= 1 << bit;
      yield copy;
    }
  }
}

/** The input with each byte at 0 and at 255. */
export function* extremeBytes(input: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < input.length; at++) {
    for (const value of [0, 255]) {
      if (input[at] !== value) yield withField(input, at, 1, value);
    }
  }
}

export function readField(input: Uint8Array, offset: number, bytes: number): number {
  let value = 0;
  for (let i = 0; i < bytes; i++) value = value * 256 + input[offset + i];
  return value;
}

export function withField(input: Uint8Array, offset: number, bytes: number, value: number): Uint8Array {
  const copy = input.slice();
  for (let i = 0; i < bytes; i++) copy[offset + i] = Math.floor(value / 256 ** (bytes - 1 - i)) & 0xff;
  return copy;
}
