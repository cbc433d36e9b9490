import { type Tsn, tsnAdd, tsnAfter, tsnDistance } from "../wire/serial.ts";

/** Gap ack blocks kept; a TSN that would open a further one is refused, as if it had been lost. */
const MAX_BLOCKS = 256;
/** Offsets in gap ack blocks have 16 bits (RFC 9260 §3.3.4). */
const MAX_AHEAD = 0xffff;
/** Duplicates reported in one SACK. */
const MAX_DUPLICATES = 16;

/** Which TSNs have come: all up to `cumulative`, and the blocks beyond it (RFC 9260 §6.2, §6.7). */
export class ReceivedTsns {
  #cumulative: Tsn;
  /** Sorted, disjoint, not adjacent; all beyond `cumulative + 1`. */
  readonly #starts: Tsn[] = [];
  readonly #ends: Tsn[] = [];
  readonly #duplicates: Tsn[] = [];
  /** The lengths of the lists, which need not be looked at as long as these are 0. */
  #blockCount = 0;
  #duplicateCount = 0;

  constructor(initialTsn: Tsn) {
    this.#cumulative = tsnAdd(initialTsn, -1);
  }

  get cumulative(): Tsn {
    return this.#cumulative;
  }

  /** The last TSN that has come. */
  get highest(): Tsn {
    return this.#blockCount > 0 ? this.#ends[this.#ends.length - 1] : this.#cumulative;
  }

  get blockCount(): number {
    return this.#blockCount;
  }

  get duplicateCount(): number {
    return this.#duplicateCount;
  }

  has(tsn: Tsn): boolean {
    if (!tsnAfter(tsn, this.#cumulative)) return true;
    const before = this.#blocksBefore(tsn);
    return before > 0 && !tsnAfter(tsn, this.#ends[before - 1]);
  }

  /** True where a TSN that has not come yet can be taken into account. */
  hasRoomFor(tsn: Tsn): boolean {
    const ahead = tsnDistance(tsn, this.#cumulative);
    return ahead === 1 || (ahead <= MAX_AHEAD && (this.#blockCount < MAX_BLOCKS || this.#touchesBlock(tsn)));
  }

  /** Takes a TSN into account for which `has` is false and `hasRoomFor` true. */
  add(tsn: Tsn): void {
    if (tsnDistance(tsn, this.#cumulative) === 1) {
      this.#cumulative = tsn;
      if (this.#blockCount > 0) this.#absorb();
      return;
    }
    const i = this.#blocksBefore(tsn);
    const joinsLeft = i > 0 && tsnAdd(this.#ends[i - 1], 1) === tsn;
    const joinsRight = i < this.#blockCount && tsnAdd(tsn, 1) === this.#starts[i];
    if (joinsLeft && joinsRight) {
      this.#ends[i - 1] = this.#ends[i];
      this.#starts.splice(i, 1);
      this.#ends.splice(i, 1);
      this.#blockCount--;
    } else if (joinsLeft) this.#ends[i - 1] = tsn;
    else if (joinsRight) this.#starts[i] = tsn;
    else {
      this.#starts.splice(i, 0, tsn);
      this.#ends.splice(i, 0, tsn);
      this.#blockCount++;
    }
  }

  /** RFC 9260 §6.2: duplicates are reported with the next SACK. */
  addDuplicate(tsn: Tsn): void {
    if (this.#duplicateCount < MAX_DUPLICATES) this.#duplicateCount = this.#duplicates.push(tsn);
  }

  /** FORWARD TSN (RFC 3758 §3.6): nothing up to `tsn` is waited for any more. False where that is old news. */
  forward(tsn: Tsn): boolean {
    if (!tsnAfter(tsn, this.#cumulative)) return false;
    this.#cumulative = tsn;
    let passed = this.#blocksBefore(tsn);
    if (passed > 0 && tsnAfter(this.#ends[passed - 1], tsn)) {
      // A block that reaches over the new point: what is left of it begins right behind the point.
      passed--;
      this.#starts[passed] = tsnAdd(tsn, 1);
    }
    if (passed > 0) this.#drop(passed);
    this.#absorb();
    return true;
  }

  /** Writes gap ack blocks, then duplicates, which are forgotten. The counts may be less than there are. */
  write(view: DataView, offset: number, blocks: number, duplicates: number): void {
    let at = offset;
    for (let i = 0; i < blocks; i++, at += 4) {
      view.setUint16(at, tsnDistance(this.#starts[i], this.#cumulative));
      view.setUint16(at + 2, tsnDistance(this.#ends[i], this.#cumulative));
    }
    for (let i = 0; i < duplicates; i++, at += 4) view.setUint32(at, this.#duplicates[i]);
    if (this.#duplicateCount > 0) this.#duplicates.length = 0;
    this.#duplicateCount = 0;
  }

  /** Blocks that begin at `tsn` or before it. It is nearly always the last that is asked for. */
  #blocksBefore(tsn: Tsn): number {
    let high = this.#blockCount;
    if (high === 0 || !tsnAfter(this.#starts[high - 1], tsn)) return high;
    let low = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (tsnAfter(this.#starts[middle], tsn)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #touchesBlock(tsn: Tsn): boolean {
    return this.has(tsnAdd(tsn, -1)) || this.has(tsnAdd(tsn, 1));
  }

  /** Moves the cumulative point over the first block where it has become adjacent. */
  #absorb(): void {
    if (this.#blockCount > 0 && tsnDistance(this.#starts[0], this.#cumulative) === 1) {
      this.#cumulative = this.#ends[0];
      this.#drop(1);
    }
  }

  /** Forgets the first `count` blocks. */
  #drop(count: number): void {
    this.#starts.splice(0, count);
    this.#ends.splice(0, count);
    this.#blockCount -= count;
  }
}
