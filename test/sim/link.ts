import { burstyLoss, type LossModel, randomLoss } from "./loss.ts";
import type { Random } from "./random.ts";

/** What one direction of a line does to the datagrams on it. Probabilities are 0 … 1, times in milliseconds. */
export interface LinkConditions {
  /** Share of datagrams that vanish. */
  loss: number;
  /** Mean number of datagrams lost in a row; 1 for losses that are independent of one another. */
  lossBurst: number;
  delayMs: number;
  /** Uniform over 0 … this, added to the delay; datagrams stay in order, as in a queue. */
  jitterMs: number;
  /** Share of datagrams that are overtaken by those up to `reorderMs` behind them. */
  reorder: number;
  reorderMs: number;
  /** Share of datagrams that arrive twice, the copy up to `reorderMs` later. */
  duplication: number;
  /** Share of datagrams that arrive with one bit flipped. */
  corruption: number;
  /** Larger datagrams vanish. */
  mtuBytes: number;
  /** Serialization: a datagram occupies the line for its length over this. Infinity: no time at all. */
  bytesPerMs: number;
  /** Bytes that may wait for the line; a datagram that would exceed it vanishes (tail drop). */
  queueBytes: number;
  /** What each datagram takes of line and queue beyond its own length: headers that the simulation leaves out. */
  overheadBytes: number;
}

export const PERFECT_LINK: Readonly<LinkConditions> = {
  loss: 0,
  lossBurst: 1,
  delayMs: 0,
  jitterMs: 0,
  reorder: 0,
  reorderMs: 20,
  duplication: 0,
  corruption: 0,
  mtuBytes: Number.POSITIVE_INFINITY,
  bytesPerMs: Number.POSITIVE_INFINITY,
  queueBytes: Number.POSITIVE_INFINITY,
  overheadBytes: 0,
};

/** What an interceptor does to one chosen datagram. */
export type Fate = "pass" | "lose" | "duplicate" | "delay" | "corrupt";

/** What happened on a link so far, in datagrams (and bytes where it says so). */
export interface LinkCounters {
  /** Handed to the link. */
  sent: number;
  sentBytes: number;
  /** Vanished by loss (random, bursty or chosen). */
  lost: number;
  /** Vanished as larger than the MTU. */
  tooLarge: number;
  /** Vanished at the full queue. */
  overflowed: number;
  duplicated: number;
  reordered: number;
  corrupted: number;
  /** Those of `sent` and `lost` with at least {@link Link.countLargeFrom} bytes. */
  largeSent: number;
  largeLost: number;
}

/** One arrival: when, and with which bytes. */
export interface Arrival {
  at: number;
  datagram: Uint8Array;
}

/** One direction of a line. */
export class Link {
  readonly counters: LinkCounters = {
    sent: 0,
    sentBytes: 0,
    lost: 0,
    tooLarge: 0,
    overflowed: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    largeSent: 0,
    largeLost: 0,
  };
  /** Datagrams of this many bytes and more are counted apart. */
  countLargeFrom = Number.POSITIVE_INFINITY;
  /** Asked before chance is; says what happens to the datagram with this index (0, 1, …) on the link. */
  intercept: ((index: number, datagram: Uint8Array) => Fate) | undefined;
  /** Told of each datagram that vanishes, for whatever reason. */
  onVanished: ((datagram: Uint8Array) => void) | undefined;

  readonly #random: Random;
  readonly #lossRandom: Random;
  #conditions: LinkConditions = PERFECT_LINK;
  #loss: LossModel;
  #lastArrival = 0;
  #lineFreeAt = 0;

  constructor(random: Random) {
    this.#random = random;
    // A stream of its own: which datagrams are lost does not depend on what else the link does.
    this.#lossRandom = random.fork("loss");
    this.#loss = randomLoss(0, this.#lossRandom);
  }

  get conditions(): Readonly<LinkConditions> {
    return this.#conditions;
  }

  /** Changes some conditions, also in mid-flow; datagrams under way keep what was decided for them. */
  set(conditions: Partial<LinkConditions>): void {
    this.#conditions = { ...this.#conditions, ...conditions };
    const { loss, lossBurst } = this.#conditions;
    this.#loss = lossBurst > 1 ? burstyLoss(loss, lossBurst, this.#lossRandom) : randomLoss(loss, this.#lossRandom);
  }

  /** Share of the datagrams sent so far that vanished by loss. */
  get lossRate(): number {
    return this.counters.sent === 0 ? 0 : this.counters.lost / this.counters.sent;
  }

  /** Takes one datagram (the bytes are copied) and says when it arrives: never, once or twice. */
  send(now: number, bytes: Uint8Array): Arrival[] {
    const arrivals = this.#carry(now, bytes);
    if (arrivals.length === 0) this.onVanished?.(bytes);
    return arrivals;
  }

  #carry(now: number, bytes: Uint8Array): Arrival[] {
    const { counters } = this;
    const { mtuBytes, duplication, corruption, reorder, reorderMs } = this.#conditions;
    const fate = this.intercept?.(counters.sent, bytes) ?? "pass";
    counters.sent++;
    counters.sentBytes += bytes.length;
    const isLarge = bytes.length >= this.countLargeFrom;
    if (isLarge) counters.largeSent++;
    // Drawn for every datagram, so that a fate chosen by hand does not shift the others'.
    const lostByChance = this.#loss();
    const duplicate = this.#random.chance(duplication) || fate === "duplicate";
    const corrupt = this.#random.chance(corruption) || fate === "corrupt";
    const late = this.#random.chance(reorder) || fate === "delay";
    if (lostByChance || fate === "lose") {
      counters.lost++;
      if (isLarge) counters.largeLost++;
      return [];
    }
    if (bytes.length > mtuBytes) {
      counters.tooLarge++;
      return [];
    }
    const onLine = this.#occupyLine(now, bytes.length);
    if (onLine === undefined) return [];
    const arrival: Arrival = { at: this.#arrivalTime(onLine, late), datagram: bytes.slice() };
    if (corrupt) this.#flipBit(arrival.datagram);
    if (!duplicate) return [arrival];
    counters.duplicated++;
    const copyAt = arrival.at + this.#random.unit() * reorderMs;
    return [arrival, { at: copyAt, datagram: arrival.datagram.slice() }];
  }

  /** When the line has taken the datagram in full; `undefined` where its queue has no room. */
  #occupyLine(now: number, length: number): number | undefined {
    const { bytesPerMs, queueBytes, overheadBytes } = this.#conditions;
    if (bytesPerMs === Number.POSITIVE_INFINITY) return now;
    const start = Math.max(now, this.#lineFreeAt);
    const lineBytes = length + overheadBytes;
    if ((start - now) * bytesPerMs + lineBytes > queueBytes) {
      this.counters.overflowed++;
      return undefined;
    }
    this.#lineFreeAt = start + lineBytes / bytesPerMs;
    return this.#lineFreeAt;
  }

  #arrivalTime(onLine: number, late: boolean): number {
    const { delayMs, jitterMs, reorderMs } = this.#conditions;
    const jitter = jitterMs > 0 ? this.#random.unit() * jitterMs : 0;
    const inOrder = Math.max(this.#lastArrival, onLine + delayMs + jitter);
    if (late) {
      this.counters.reordered++;
      return inOrder + (0.5 + 0.5 * this.#random.unit()) * reorderMs;
    }
    this.#lastArrival = inOrder;
    return inOrder;
  }

  #flipBit(datagram: Uint8Array): void {
    if (datagram.length === 0) return;
    this.counters.corrupted++;
    const bit = this.#random.below(8 * datagram.length);
    datagram[bit >>> 3] ^= 1 << (bit & 7);
  }
}
