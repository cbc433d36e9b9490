import { type MemoryAccount, unlimitedAccount } from "../wire/memory-ledger.ts";
import { SmallMap } from "../wire/small-map.ts";
import { MESSAGE_BYTES } from "./outstanding.ts";

/** A message that waits for the congestion window, wholly or in part. */
export interface QueuedMessage {
  readonly streamId: number;
  readonly ppid: number;
  readonly data: Uint8Array;
  readonly ordered: boolean;
  /** Infinity: reliable as far as this goes. */
  readonly maxRetransmits: number;
  /** When it is worth nothing any more, ms; Infinity: never. */
  readonly expiresAt: number;
  /** Bytes sent so far. */
  sent: number;
  /** Message number and SSN, given with the first fragment. */
  message: number;
  ssn: number;
}

/** Messages in one line, however small: each takes a few hundred bytes beside its own. */
const MAX_MESSAGES = 4_096;
/** Unreliable messages sent in a row while reliable ones wait. */
const UNRELIABLE_SHARE = 3;

/**
 * What waits for the window, in two lines: unreliable messages are worth most when fresh, so they overtake the reliable
 * ones, three to one, and never the other messages of their own stream.
 *
 * Each line is bounded in bytes and in messages, so that bulk data never keeps fresh state out, nor pushes it out. An unreliable message
 * that does not fit pushes out the oldest ones of its line; a reliable one is refused.
 */
export class SendQueue {
  readonly #maxBytes: number;
  readonly #unreliable = new Line();
  readonly #reliable = new Line();
  /** A message of which fragments were sent: nothing may come between them (RFC 9260 §6.9: TSNs "MUST be … sequential"). */
  #current: QueuedMessage | undefined;
  /** The line that counts what is left of `#current`. */
  #currentLine = this.#reliable;
  #inARow = 0;
  /** Unreliable messages pushed out by newer ones. */
  dropped = 0;
  /** Messages whose lifetime ended before they were sent. */
  expired = 0;

  readonly #memory: MemoryAccount;

  /** @param maxBytes of reliable messages, and as many of unreliable ones */
  constructor(maxBytes: number, memory: MemoryAccount = unlimitedAccount()) {
    this.#maxBytes = maxBytes;
    this.#memory = memory;
  }

  get isEmpty(): boolean {
    return this.#current === undefined && this.#unreliable.length === 0 && this.#reliable.length === 0;
  }

  /** User data that waits, bytes. */
  get bytes(): number {
    return this.#unreliable.bytes + this.#reliable.bytes;
  }

  /** @param exempt takes no notice of the bound: for DCEP, of which there is little and on which channels depend */
  push(message: QueuedMessage, exempt: boolean): boolean {
    const isFresh = isUnreliable(message) && !this.#reliable.has(message.streamId);
    const line = isFresh ? this.#unreliable : this.#reliable;
    if (!exempt && !this.#makeRoom(line, message.data.length)) return false;
    line.push(message);
    this.#memory.add(message.data.length + MESSAGE_BYTES);
    return true;
  }

  /**
   * The message to send from next. It may be another one after a `push`, until `advance` has taken a part of it.
   *
   * @param unreliableFirst reliable messages can not be sent now: the next unreliable one, if there is any
   */
  next(now: number, unreliableFirst = false): QueuedMessage | undefined {
    if (unreliableFirst && this.#unreliable.length > 0) this.#inARow = 0;
    if (this.#current !== undefined) return this.#current;
    for (;;) {
      const message = this.#nextLine().first;
      // RFC 3758 §4.1 TR3: "Before assigning a TSN …, the SCTP sender MUST evaluate the lifetime of that message."
      if (message === undefined || message.expiresAt > now) return message;
      this.#take();
      this.#currentLine.bytes -= message.data.length;
      this.#forget(message);
      this.expired++;
    }
  }

  /** `bytes` of the message from `next` were sent. What was sent is its chunks' to give back. */
  advance(bytes: number): void {
    const message = this.#current ?? this.#take();
    if (message === undefined) return;
    message.sent += bytes;
    this.#currentLine.bytes -= bytes;
    this.#current = message.sent < message.data.length ? message : undefined;
  }

  /** Forgets the rest of a message of which fragments were abandoned. */
  abandon(message: number): void {
    const current = this.#current;
    if (current === undefined || current.message !== message) return;
    this.#currentLine.bytes -= current.data.length - current.sent;
    this.#current = undefined;
    this.#forget(current);
  }

  /** The association has ended: nothing of it will be sent. */
  release(): void {
    if (this.#current !== undefined) this.abandon(this.#current.message);
    for (const line of [this.#unreliable, this.#reliable]) {
      for (let message = line.shift(); message !== undefined; message = line.shift()) this.#forget(message);
      line.bytes = 0;
    }
  }

  hasStream(streamId: number): boolean {
    return this.#current?.streamId === streamId || this.#unreliable.has(streamId) || this.#reliable.has(streamId);
  }

  #nextLine(): Line {
    const unreliableFirst = this.#reliable.length === 0 || this.#inARow < UNRELIABLE_SHARE;
    return this.#unreliable.length > 0 && unreliableFirst ? this.#unreliable : this.#reliable;
  }

  /** Takes the next message out of its line, which goes on counting its bytes: `#currentLine`. */
  #take(): QueuedMessage | undefined {
    const line = this.#nextLine();
    const message = line.shift();
    this.#currentLine = line;
    if (line === this.#unreliable) this.#inARow++;
    else this.#inARow = 0;
    return message;
  }

  #makeRoom(line: Line, bytes: number): boolean {
    while (line === this.#unreliable && line.length > 0 && !this.#fits(line, bytes)) {
      const oldest = line.shift()!;
      line.bytes -= oldest.data.length;
      this.#forget(oldest);
      this.dropped++;
    }
    return this.#fits(line, bytes) || (line.bytes === 0 && this.#memory.hasRoomFor(bytes + MESSAGE_BYTES));
  }

  #fits(line: Line, bytes: number): boolean {
    const isWithin = line.bytes + bytes <= this.#maxBytes && line.length < MAX_MESSAGES;
    return isWithin && this.#memory.hasRoomFor(bytes + MESSAGE_BYTES);
  }

  #forget({ data }: QueuedMessage): void {
    this.#memory.give(data.length + MESSAGE_BYTES);
  }
}

export function isUnreliable(message: { maxRetransmits: number; expiresAt: number }): boolean {
  return message.maxRetransmits !== Number.POSITIVE_INFINITY || message.expiresAt !== Number.POSITIVE_INFINITY;
}

/** First in, first out, without moving the rest for each one that leaves. */
class Line {
  /** User data of those who wait, and of the one that left but is not sent yet. */
  bytes = 0;
  #items: QueuedMessage[] = [];
  #head = 0;
  readonly #perStream = new SmallMap<number, number>();

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): QueuedMessage | undefined {
    return this.#items[this.#head];
  }

  push(message: QueuedMessage): void {
    this.bytes += message.data.length;
    this.#items.push(message);
    this.#count(message.streamId, 1);
  }

  shift(): QueuedMessage | undefined {
    if (this.length === 0) return undefined;
    const message = this.#items[this.#head++];
    this.#count(message.streamId, -1);
    if (this.#head >= 32 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return message;
  }

  has(streamId: number): boolean {
    return this.#perStream.has(streamId);
  }

  #count(streamId: number, change: number): void {
    const count = (this.#perStream.get(streamId) ?? 0) + change;
    if (count === 0) this.#perStream.delete(streamId);
    else this.#perStream.set(streamId, count);
  }
}
