/**
 * RTO of RFC 9260 §6.3.1 with the bounds the browsers use: at least 400 ms, 500 ms before the first measurement, and a
 * variance that never falls below 27.5 ms, which leaves room for some of the peer's SACK delay.
 */
export class RetransmissionTimeout {
  static readonly #minimumMs = 400;
  static readonly #maximumMs = 60_000;
  static readonly #leastVarianceMs = 27.5;

  valueMs = 500;
  smoothedMs = 500;
  #varianceMs = 0;
  #measured = false;

  observe(rttMs: number): void {
    if (this.#measured) {
      this.#varianceMs += (Math.abs(this.smoothedMs - rttMs) - this.#varianceMs) / 4;
      this.smoothedMs += (rttMs - this.smoothedMs) / 8;
    } else {
      this.#measured = true;
      this.smoothedMs = rttMs;
      this.#varianceMs = rttMs / 2;
    }
    this.#varianceMs = Math.max(this.#varianceMs, RetransmissionTimeout.#leastVarianceMs);
    const wanted = this.smoothedMs + 4 * this.#varianceMs;
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
