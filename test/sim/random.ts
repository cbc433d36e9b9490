/**
 * Seeded randomness for simulations: sfc32, the "small fast counting" generator of Chris Doty-Humphrey's PractRand, with
 * 128 bits of state. Not for cryptography.
 */
export class Random {
  readonly seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Equal seeds give equal streams, in every process and on every runtime. */
  constructor(seed: string) {
    this.seed = seed;
    this.#a = hashText(seed, 0x811c9dc5);
    this.#b = hashText(seed, this.#a);
    this.#c = hashText(seed, this.#b);
    // PractRand mixes the seed in with 12 to 15 rounds before the first output.
    for (let round = 0; round < 15; round++) this.uint32();
  }

  /** Uniform over 0 … 2^32 − 1. */
  uint32(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** Uniform over 0 (included) … 1 (excluded). */
  unit(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** True with this probability. Draws one number whatever the probability is. */
  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  /** Uniform over 0 … `limit` − 1. */
  below(limit: number): number {
    return Math.floor(this.unit() * limit);
  }

  /** Fits `RandomSource`. */
  readonly bytes = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.uint32() >>> 24;
    return bytes;
  };

  /** A stream of its own, whose numbers do not depend on how many were drawn here. */
  fork(label: string): Random {
    return new Random(`${this.seed}/${label}`);
  }
}

/** FNV-1a over UTF-16 units, finished with the avalanche of MurmurHash3 so that similar seeds differ in every bit. */
function hashText(text: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) | 0;
}
