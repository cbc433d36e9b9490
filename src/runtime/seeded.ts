/**
 * Seeded randomness for trying things out: sfc32 of Chris Doty-Humphrey's PractRand. Equal seeds give equal streams on every
 * runtime. Not for cryptography.
 */
export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#a = hash(seed, 0x811c9dc5);
    this.#b = hash(seed, this.#a);
    this.#c = hash(seed, this.#b);
    // PractRand mixes the seed in with 12 to 15 rounds before the first output.
    for (let round = 0; round < 15; round++) this.next();
  }

  /** Uniform over 0 (included) … 1 (excluded). */
  next(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return (result >>> 0) / 0x1_0000_0000;
  }
}

/** FNV-1a over the characters. */
function hash(text: string, start: number): number {
  let value = start;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value | 0;
}
