import { type Fsn, fsn, fsnAdd, fsnDistance, type MessageNumber, type Tsn } from "../wire/serial.ts";
import type { Holder } from "./fragment-runs.ts";

const NOTHING = new Uint8Array(0);

/**
 * A message of which a part has come, by I-DATA. Its fragments are counted from 0, and only the last one says how many there are (RFC
 * 8260 §2.1). Those in order are joined in one buffer; the others wait, each for itself.
 *
 * It counts as one chunk in `maxReassemblyChunks`, and each fragment that waits as one more.
 */
export class PartialMessage {
  readonly number: MessageNumber;
  /** The last TSN that brought something of it. */
  lastTsn: Tsn;
  /** Of the first fragment; the others have none. */
  ppid = 0;
  /** It has more than `maxMessageBytes`: its data is gone, and only its end is waited for. */
  tooLarge = false;
  readonly #maxBytes: number;
  readonly #holder: Holder;
  #begun = false;
  /** What is in order: all fragments before `#next`. The buffer may have more room. */
  #buffer = NOTHING;
  #length = 0;
  #next: Fsn = fsn(0);
  /** Fragments behind a gap; made for the first. */
  #ahead: Map<Fsn, Uint8Array> | undefined;
  #aheadBytes = 0;
  /** The highest that has come, and whether it is the last of the message. */
  #highest: Fsn = fsn(-1);
  #ends = false;

  constructor(number: MessageNumber, lastTsn: Tsn, maxBytes: number, holder: Holder) {
    this.number = number;
    this.lastTsn = lastTsn;
    this.#maxBytes = maxBytes;
    this.#holder = holder;
    holder.hold(0, 1);
  }

  get isWhole(): boolean {
    return this.#ends && this.#begun && fsnDistance(this.#next, this.#highest) === 1;
  }

  /** False where it contradicts what has come, and then it is not taken: a peer that does this is broken. */
  add(place: Fsn, begins: boolean, ends: boolean, memory: Uint8Array, offset: number, length: number): boolean {
    const ahead = fsnDistance(place, this.#next);
    if (ahead < 0 || this.#ahead?.has(place) === true) return false;
    // The first fragment, and only that, begins: until it has come, nothing else may be in its place.
    if (begins ? this.#begun : place === 0 && !this.#begun) return false;
    const beyond = fsnDistance(place, this.#highest);
    if (ends ? this.#ends || beyond < 0 : this.#ends && beyond > 0) return false;
    if (beyond > 0) this.#highest = place;
    this.#begun ||= begins;
    this.#ends ||= ends;
    if (this.#length + this.#aheadBytes + length > this.#maxBytes) this.#giveUp();
    if (ahead === 0) {
      this.#append(memory, offset, length);
      if (this.#ahead !== undefined) this.#drain(this.#ahead);
    } else {
      this.#keep(place, this.tooLarge ? NOTHING : memory.slice(offset, offset + length));
    }
    return true;
  }

  /** The message, once it is whole; `undefined` where it was too large. */
  data(): Uint8Array | undefined {
    if (this.tooLarge) return undefined;
    return this.#buffer.length === this.#length ? this.#buffer : this.#buffer.slice(0, this.#length);
  }

  /** It is delivered or given up: nothing of it is held. */
  release(): void {
    this.#holder.hold(-this.#buffer.length - this.#aheadBytes, -1 - (this.#ahead?.size ?? 0));
  }

  #append(memory: Uint8Array, offset: number, length: number): void {
    const isLast = this.#ends && this.#next === this.#highest;
    this.#next = fsnAdd(this.#next, 1);
    if (this.tooLarge) return;
    const needed = this.#length + length;
    if (needed > this.#buffer.length) this.#grow(isLast ? needed : Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.set(memory.subarray(offset, offset + length), this.#length);
    this.#length = needed;
  }

  #grow(bytes: number): void {
    const buffer = new Uint8Array(Math.min(bytes, this.#maxBytes));
    buffer.set(this.#buffer.subarray(0, this.#length));
    this.#holder.hold(buffer.length - this.#buffer.length, 0);
    this.#buffer = buffer;
  }

  #keep(place: Fsn, data: Uint8Array): void {
    this.#ahead ??= new Map();
    this.#ahead.set(place, data);
    this.#aheadBytes += data.length;
    this.#holder.hold(data.length, 1);
  }

  /** Appends those that are in order now. */
  #drain(ahead: Map<Fsn, Uint8Array>): void {
    for (let data = ahead.get(this.#next); data !== undefined; data = ahead.get(this.#next)) {
      ahead.delete(this.#next);
      this.#aheadBytes -= data.length;
      this.#holder.hold(-data.length, -1);
      this.#append(data, 0, data.length);
    }
    if (ahead.size === 0) this.#ahead = undefined;
  }

  #giveUp(): void {
    if (this.tooLarge) return;
    this.#holder.hold(-this.#buffer.length - this.#aheadBytes, 0);
    this.#buffer = NOTHING;
    this.#length = 0;
    this.#aheadBytes = 0;
    for (const place of this.#ahead?.keys() ?? []) this.#ahead?.set(place, NOTHING);
    this.tooLarge = true;
  }
}
