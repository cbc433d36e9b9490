import type { RetransmissionTimeout } from "./rto.ts";
import type { CongestionWindow } from "./congestion.ts";

/**
 * Packets that may leave at once: a first window. More would overrun what is narrow: a browser's socket has room for some fifty
 * datagrams (measured in Chromium: a message of 64 KB on a fresh connection lost itself there), a line's queue for less.
 */
const BURST_PACKETS = 10;
/** A timer comes late by so much; in between as much must be able to leave as the rate says, ms. */
const LEAST_SPAN_MS = 10;
/**
 * Unreliable messages, 36 Mbit/s. On a path of a millisecond the window is all in the browser's socket, and what does not fit
 * is lost for good. What is sent again finds its rate by losses.
 */
const UNRELIABLE_PACKETS_PER_MS = 4;
/** What leaves in a round trip, of the window: twice while it doubles, else a little more, so that it is filled (as in Linux). */
const SLOW_START_GAIN = 2;
const AVOIDANCE_GAIN = 1.25;

/**
 * Spreads what the window lets out over the round trip (Max.Burst of RFC 9260 §6.1 D, as a rate). For messages that take
 * several packets; those of one packet are few, and worth most at once.
 */
export class Pacer {
  readonly #rto: RetransmissionTimeout;
  readonly #congestion: CongestionWindow;
  readonly #packetBytes: number;
  #credit: number;
  /** What left last is sent again where it is lost. */
  #isReliable = false;
  #filledAt = 0;

  constructor(rto: RetransmissionTimeout, congestion: CongestionWindow, packetBytes: number) {
    this.#rto = rto;
    this.#congestion = congestion;
    this.#packetBytes = packetBytes;
    this.#credit = BURST_PACKETS * packetBytes;
  }

  /** When the next packet may leave, ms: now or earlier, or later. */
  nextAt(now: number): number {
    const { smoothedMs } = this.#rto;
    // Nothing is measured yet: the window is the first one, and spreads nothing.
    if (smoothedMs === 0) return now;
    const gain = this.#congestion.inSlowStart ? SLOW_START_GAIN : AVOIDANCE_GAIN;
    const fastest = this.#isReliable ? Number.POSITIVE_INFINITY : UNRELIABLE_PACKETS_PER_MS * this.#packetBytes;
    const rate = Math.min(fastest, (gain * this.#congestion.totalBytes) / smoothedMs);
    const most = Math.max(BURST_PACKETS * this.#packetBytes, rate * LEAST_SPAN_MS);
    this.#credit = Math.min(most, this.#credit + Math.max(0, now - this.#filledAt) * rate);
    this.#filledAt = now;
    return this.#credit > 0 ? now : Math.ceil(now + Math.max(1, -this.#credit / rate));
  }

  spend(bytes: number, isReliable: boolean): void {
    this.#isReliable = isReliable;
    this.#credit -= bytes;
  }
}
