/**
 * With this many outstanding chunks or fewer each SACK is looked at; with more, one that acknowledges another share of them, or one
 * each so many ms.
 */
export const ALWAYS_MARKED = 128;
const MARKED_SHARE = 1 / 128;
export const MARKED_MS_PER_CHUNK = 1 / 64;

/**
 * Which SACKs are worth a look at their gap ack blocks. It takes a step for each chunk that is outstanding, and the blocks of a SACK
 * repeat what those before it said. So a bulk transfer finds its losses a hundredth of a window later, and a peer cannot have thousands
 * of steps taken for each datagram of 60 bytes. Made for the first flight of more than {@link ALWAYS_MARKED}.
 */
export class GapNews {
  /** Chunks acknowledged by cumulative points, and by blocks beyond them when those were last looked at; the time of that, ms. */
  #passed = 0;
  #marked = 0;
  #markedAt = 0;

  /** The cumulative point has moved over so many chunks. */
  advance(count: number): void {
    this.#passed += count;
  }

  /** @param count of outstanding chunks */
  isWorthMarking(now: number, count: number, view: DataView, offset: number, gaps: number): boolean {
    let acked = this.#passed;
    for (let block = 0; block < gaps; block++) {
      acked += Math.max(0, 1 + view.getUint16(offset + 4 * block + 2) - view.getUint16(offset + 4 * block));
    }
    // Blocks that claim more than there is are not believed later.
    acked = Math.min(acked, this.#passed + count);
    const isNews = acked >= this.#marked + count * MARKED_SHARE;
    if (!isNews && now - this.#markedAt < count * MARKED_MS_PER_CHUNK) return false;
    this.#marked = Math.max(this.#marked, acked);
    this.#markedAt = Math.ceil(now);
    return true;
  }
}
