import { type Tsn, tsnAfter } from "../wire/serial.ts";
import type { ClosedWindow } from "./closed-window.ts";
import type { Outstanding } from "./outstanding.ts";

/**
 * For how long a chunk may be on its way, ms: once to twice this time after it was sent first it must be acknowledged by the cumulative
 * TSN, or skipped. RFC 9260 §8.1 counts time-outs without any news; but a peer that acknowledges all but the first chunk gives news for
 * ever, and we have to keep what it might take back. By RFC 9260's own times (RTO.Max 60 s, ten retransmissions) it would be minutes.
 * On a path that is alive nothing takes so long: idle connections end after 10 s, RTO is 2 s at most, and the largest window drains
 * in the rest of the time at 2 Mbit/s. A window that is closed, and says so, takes its time: see {@link ClosedWindow}.
 */
const STALL_MS = 30_000;

/** Notices a peer that leaves a chunk unacknowledged for too long. Costs nothing per message, as a time per chunk would. */
export class StallWatch {
  isStalled = false;
  /** The next TSN of the last look, at that time: what is before it is at least so old. */
  #lookedAt: number;
  #lookedTsn: Tsn;

  constructor(now: number, chunks: Outstanding) {
    this.#lookedAt = now;
    this.#lookedTsn = chunks.nextTsn;
  }

  /** Looks each {@link STALL_MS} at what has been on its way since the last look. */
  look(now: number, chunks: Outstanding, closedWindow: ClosedWindow | undefined): void {
    if (now - this.#lookedAt < STALL_MS) return;
    if (chunks.count > 0 && tsnAfter(this.#lookedTsn, chunks.firstTsn)) {
      if (now - this.#lookedAt < STALL_MS + (closedWindow?.excusedMs(now) ?? 0)) return;
      this.isStalled = true;
    }
    closedWindow?.restart(now);
    this.#lookedAt = now;
    this.#lookedTsn = chunks.nextTsn;
  }
}
