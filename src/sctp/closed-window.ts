/**
 * For how long a peer may keep its window closed while a chunk waits for it, ms: a reader that stands still for a minute is no
 * fault (RFC 9260 §6.1 A), one that never goes on must not keep our memory. What waits meanwhile is counted in the
 * connection's memory account, so a server that needs the room ends the connection earlier.
 */
const MAX_CLOSED_MS = 300_000;

/**
 * The peer's window is closed, or has been: its reader does not read. Then one chunk at a time probes it, and SACKs that
 * leave that chunk out show that the peer is alive (RFC 9260 §6.1 A). Made for the first SACK with such a window.
 */
export class ClosedWindow {
  #closedSince = Number.POSITIVE_INFINITY;
  #closedMs = 0;
  #answeredAt = Number.NEGATIVE_INFINITY;
  /** Nothing was taken for a whole time-out: one chunk at a time is sent, to probe. Kept by the transmitter. */
  isStuck = false;

  get isClosed(): boolean {
    return this.#closedSince !== Number.POSITIVE_INFINITY;
  }

  /** A SACK has come. Returns whether it has opened the window. */
  sack(now: number, isClosed: boolean): boolean {
    if (isClosed) {
      if (!this.isClosed) this.#closedSince = now;
      this.#answeredAt = now;
      return false;
    }
    if (!this.isClosed) return false;
    this.#closedMs += now - this.#closedSince;
    this.#closedSince = Number.POSITIVE_INFINITY;
    return true;
  }

  /** The window is closed, and the peer has said so at `time` or later: §6.1 A, "SHOULD NOT increment the error counter". */
  isAnsweredSince(time: number): boolean {
    return this.isClosed && this.#answeredAt >= time;
  }

  /** For how long it was closed since the last {@link restart}, as far as that is excused, ms. */
  excusedMs(now: number): number {
    const open = this.isClosed ? now - this.#closedSince : 0;
    return Math.min(MAX_CLOSED_MS, this.#closedMs + open);
  }

  restart(now: number): void {
    this.#closedMs = 0;
    if (this.isClosed) this.#closedSince = now;
  }
}
