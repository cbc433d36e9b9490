/** The times of a retransmission timer, ms. */
export interface RtoTimes {
  /** Before the first measurement. */
  initialMs: number;
  minMs: number;
  maxMs: number;
}

/**
 * RFC 9260 §15 suggests 1 s, 1 s and 60 s, for telephone signalling. Games are another trade:
 *
 * - initial 400 ms: twice the round trip of a bad mobile path. A handshake chunk sent once too often costs one datagram;
 *   one lost in a 1 s silence costs the player a second of waiting.
 * - minimum 300 ms: Chromium delays a lone SACK by 200 ms (measured), which a timer must outlast, or every lone message
 *   looks lost.
 * - maximum 2 s: a path that comes back after an outage is used again within that time. What is truly dead is noticed by
 *   ICE consent, not by this timer, so backing off to a minute would serve nobody.
 */
export const DEFAULT_RTO: Readonly<RtoTimes> = { initialMs: 400, minMs: 300, maxMs: 2_000 };

// RFC 9260 §6.3.1: RTO.Alpha = 1/8, RTO.Beta = 1/4.
const ALPHA = 1 / 8;
const BETA = 1 / 4;
/**
 * Least room left above the smoothed round trip. A SACK may come 200 ms later than the round trip says (§6.2), but a
 * steady flow never shows it: its second packet releases the SACK. So the variance measured there is no guide for the last
 * packet of a burst.
 */
const DELAYED_SACK_MS = 220;

/** The retransmission time-out of one path (RFC 9260 §6.3.1, after RFC 6298). */
export class RetransmissionTimeout {
  readonly #times: RtoTimes;
  #smoothed = 0;
  #variance = 0;
  #measured = false;
  /** The shortest round trip so far, ms; 0 before the first measurement. */
  leastMs = 0;
  #timeout: number;

  constructor(times: RtoTimes = DEFAULT_RTO) {
    this.#times = times;
    this.#timeout = times.initialMs;
  }

  /** The current time-out, ms; doubled by each {@link backOff} until the next measurement. */
  get ms(): number {
    return this.#timeout;
  }

  /** What the time-out would be after so many {@link backOff}s, ms. */
  backedOff(times: number): number {
    return Math.min(this.#times.maxMs, this.#timeout * 2 ** times);
  }

  /** Smoothed round-trip time, ms; 0 before the first measurement. */
  get smoothedMs(): number {
    return this.#smoothed;
  }

  /** A round trip of a packet that was not retransmitted (§6.3.1 C5, Karn's rule). */
  measure(roundTripMs: number): void {
    if (!(roundTripMs >= 0)) return;
    if (this.#measured) {
      if (roundTripMs < this.leastMs) this.leastMs = roundTripMs;
      // C3
      this.#variance = (1 - BETA) * this.#variance + BETA * Math.abs(this.#smoothed - roundTripMs);
      this.#smoothed = (1 - ALPHA) * this.#smoothed + ALPHA * roundTripMs;
    } else {
      // C2
      this.#smoothed = roundTripMs;
      this.#variance = roundTripMs / 2;
      this.#measured = true;
      this.leastMs = roundTripMs;
    }
    this.#timeout = this.#clamp(this.#smoothed + Math.max(4 * this.#variance, DELAYED_SACK_MS));
  }

  /** The timer fired: §6.3.3 E2, "set RTO <- RTO * 2". */
  backOff(): void {
    this.#timeout = Math.min(this.#times.maxMs, this.#timeout * 2);
  }

  #clamp(timeout: number): number {
    return Math.min(this.#times.maxMs, Math.max(this.#times.minMs, timeout));
  }
}
