/** RTO of RFC 9260 §6.3.1 with the bounds the browsers use: at least 400 ms, 500 ms before the first measurement. */
export class RetransmissionTimeout {
  static readonly #minimumMs = 400;
  static readonly #maximumMs = 60_000;
  /** Less variance than this is never assumed: the peer may delay its SACK by 200 ms. */
  static readonly #varianceFloorMs = 220;

  valueMs = 500;
  smoothedMs = 500;
  #varianceMs = 0;
  #measured = false;

  observe(rttMs: number): void {
    if (this.#measured) {
      const error = rttMs - this.smoothedMs;
      this.smoothedMs += error / 8;
      this.#varianceMs += (Math.abs(error) - this.#varianceMs) / 4;
    } else {
      this.#measured = true;
      this.smoothedMs = rttMs;
      this.#varianceMs = rttMs / 2;
    }
    const wanted = this.smoothedMs + Math.max(4 * this.#varianceMs, RetransmissionTimeout.#varianceFloorMs);
    this.valueMs = Math.min(RetransmissionTimeout.#maximumMs, Math.max(RetransmissionTimeout.#minimumMs, wanted));
  }
}

/** A timer that doubles its time with each expiry until it is started anew. */
export class BackoffTimer {
  deadline = Number.POSITIVE_INFINITY;
  expirations = 0;

  get running(): boolean {
    return this.deadline !== Number.POSITIVE_INFINITY;
  }

  start(now: number, durationMs: number): void {
    this.expirations = 0;
    this.deadline = now + durationMs;
  }

  stop(): void {
    this.expirations = 0;
    this.deadline = Number.POSITIVE_INFINITY;
  }

  /** Restarts with twice the time where it is due, and says so. */
  expire(now: number, durationMs: number): boolean {
    if (this.deadline > now) return false;
    this.expirations++;
    this.deadline = now + durationMs * 2 ** this.expirations;
    return true;
  }
}
