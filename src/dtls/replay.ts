const WORDS = 32;

/**
 * Which records of one epoch were already taken (RFC 6347 §4.1.2.6), as a ring of bits in the manner of RFC 6479: moving
 * ahead clears words instead of shifting the window.
 *
 * Far larger than the 64 the RFC recommends: at 20,000 records a second, a jitter of 10 ms already reorders across 200,
 * and what falls out of the window is a message lost.
 */
export class ReplayWindow {
  /** Records further than this behind the newest are refused. */
  static readonly size = (WORDS - 1) * 32;

  readonly #bits = new Uint32Array(WORDS);
  #newest = -1;

  /** The highest sequence number accepted so far; −1 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** True where the record is new. Changes nothing: the record is not authenticated yet. */
  isFresh(sequence: number): boolean {
    if (sequence > this.#newest) return true;
    if (this.#newest - sequence >= ReplayWindow.size) return false;
    return ((this.#bits[Math.floor(sequence / 32) % WORDS] >>> (sequence & 31)) & 1) === 0;
  }

  /** RFC 6347 §4.1.2.6: "The receive window is updated only if the MAC verification succeeds." */
  accept(sequence: number): void {
    const word = Math.floor(sequence / 32);
    if (sequence > this.#newest) {
      const last = Math.floor(this.#newest / 32);
      const stale = Math.min(word - last, WORDS);
      for (let i = 0; i < stale; i++) this.#bits[(word - i) % WORDS] = 0;
      this.#newest = sequence;
    }
    this.#bits[word % WORDS] |= 1 << (sequence & 31);
  }
}
