const WORDS = 32;

/**
 * Which records of one epoch were already taken (RFC 6347 §4.1.2.6), as a ring of bits in the manner of RFC 6479: moving
 * ahead clears words instead of shifting the window.
 *
 * The ring is there only while a record is missing within the window: where all have come, as on most connections most of
 * the time, the newest number says it all.
 *
 * Far larger than the 64 the RFC recommends: at 20,000 records a second, a jitter of 10 ms already reorders across 200,
 * and what falls out of the window is a message lost.
 */
export class ReplayWindow {
  /** Records further than this behind the newest are refused. */
  static readonly size = (WORDS - 1) * 32;

  /** `undefined` where everything up to the newest was taken. */
  #bits: Uint32Array | undefined;
  #newest = -1;
  /** The last record that was passed over by a later one. */
  #lastGap = -1;

  /** The highest sequence number accepted so far; −1 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** True where the record is new. Changes nothing: the record is not authenticated yet. */
  isFresh(sequence: number): boolean {
    if (sequence > this.#newest) return true;
    if (this.#bits === undefined || this.#newest - sequence >= ReplayWindow.size) return false;
    return ((this.#bits[Math.floor(sequence / 32) % WORDS] >>> (sequence & 31)) & 1) === 0;
  }

  /** RFC 6347 §4.1.2.6: "The receive window is updated only if the MAC verification succeeds." */
  accept(sequence: number): void {
    const isNext = sequence === this.#newest + 1;
    if (isNext && (this.#bits === undefined || sequence - this.#lastGap >= ReplayWindow.size)) {
      this.#bits = undefined;
      this.#newest = sequence;
      return;
    }
    this.#bits ??= allUpTo(this.#newest);
    const word = Math.floor(sequence / 32);
    if (sequence > this.#newest) {
      const last = Math.floor(this.#newest / 32);
      const stale = Math.min(word - last, WORDS);
      for (let i = 0; i < stale; i++) this.#bits[(word - i) % WORDS] = 0;
      if (!isNext) this.#lastGap = sequence - 1;
      this.#newest = sequence;
    }
    this.#bits[word % WORDS] |= 1 << (sequence & 31);
  }
}

/** The ring where every record up to `newest` was taken. */
function allUpTo(newest: number): Uint32Array {
  const bits = new Uint32Array(WORDS);
  if (newest < 0) return bits;
  bits.fill(0xffff_ffff);
  bits[Math.floor(newest / 32) % WORDS] = 0xffff_ffff >>> (31 - (newest & 31));
  return bits;
}
