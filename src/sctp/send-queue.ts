import { type MemoryAccount, unlimitedAccount } from "../wire/memory-ledger.ts";
import { MESSAGE_BYTES } from "./outstanding.ts";
import type { QueuedMessage } from "./queued-message.ts";
import { Schedule, type StreamLine } from "./schedule.ts";

/** Messages of a kind, however small: each takes a few hundred bytes beside its own. */
const MAX_MESSAGES = 4_096;
/** A stream that waits takes so much beside its messages: the object, and its places in a table and a heap. */
const STREAM_BYTES = 200;
/** What a stream sends in one turn: about a packet with I-DATA, else a message. Bulk comes in messages of 64 KB at most, mostly. */
const PACKET_BYTES = 1_024;
const LARGE_MESSAGE_BYTES = 65_536;

/** How much of a kind waits. */
interface Tally {
  bytes: number;
  messages: number;
}

/**
 * What waits for the window. Streams share it by bytes and weight (`Schedule`), each in its own order.
 *
 * Unreliable messages are worth most when they are fresh. They and the reliable ones are bounded apart, in bytes and in
 * messages, so that bulk data never keeps fresh state out, nor pushes it out. An unreliable message that does not fit
 * pushes out the oldest ones of its kind; a reliable one is refused. An unreliable message behind a reliable one of its
 * stream counts as that does.
 */
export class SendQueue {
  readonly #maxBytes: number;
  readonly #memory: MemoryAccount;
  readonly #schedule = new Schedule();
  readonly #fresh: Tally = { bytes: 0, messages: 0 };
  readonly #kept: Tally = { bytes: 0, messages: 0 };
  /** The fresh messages of which nothing was sent, by age. */
  #oldest: QueuedMessage | undefined;
  #newest: QueuedMessage | undefined;
  /** Whose message is sent from. */
  #serving: StreamLine | undefined;
  /** What is left of messages of which fragments were sent. */
  #begunBytes = 0;
  /** Streams whose message must not begin yet. */
  readonly #aside: StreamLine[] = [];
  /** Fragments of several messages may be sent in turn (I-DATA, RFC 8260). */
  interleaves: boolean;
  /** Unreliable messages pushed out by newer ones. */
  dropped = 0;
  /** Messages whose lifetime ended before they were sent. */
  expired = 0;

  /** @param maxBytes of reliable messages, and as many of unreliable ones */
  constructor(maxBytes: number, memory: MemoryAccount = unlimitedAccount(), interleaves = false) {
    this.#maxBytes = maxBytes;
    this.#memory = memory;
    this.interleaves = interleaves;
  }

  get isEmpty(): boolean {
    return this.#fresh.messages + this.#kept.messages === 0;
  }

  /** User data that waits, bytes. */
  get bytes(): number {
    return this.#fresh.bytes + this.#kept.bytes;
  }

  /** @param exempt takes no notice of the bound: for DCEP, of which there is little and on which channels depend */
  push(message: QueuedMessage, exempt: boolean): boolean {
    const known = this.#schedule.get(message.streamId);
    message.isFresh = message.isUnreliable && (known === undefined || known.kept === 0);
    const { length } = message.data;
    if (!exempt && !this.#makeRoom(message.isFresh, length)) return false;
    const tally = this.#tallyOf(message);
    tally.bytes += length;
    tally.messages++;
    this.#memory.add(length + MESSAGE_BYTES);
    const line = known ?? this.#addLine(message.streamId);
    line.push(message);
    if (message.isFresh) this.#enlist(message);
    this.#schedule.prioritize(line, message.priority);
    if (line.message === message && !line.isAside) {
      this.#schedule.begin(line, this.interleaves ? PACKET_BYTES : LARGE_MESSAGE_BYTES);
    }
    return true;
  }

  /**
   * The message to send from next. It may be another one after a `push`, until `advance` has taken a part of it.
   *
   * @param isReliableHeld reliable messages may not be sent now
   * @param room bytes that the peer has room for, beside what is on its way
   */
  next(now: number, isReliableHeld = false, room = Number.POSITIVE_INFINITY): QueuedMessage | undefined {
    // RFC 9260 §6.9: the TSNs of a message's fragments are consecutive. With I-DATA they need not be.
    const begun = this.interleaves ? undefined : this.#serving?.begun;
    if (begun !== undefined) return isReliableHeld && !begun.isUnreliable ? undefined : begun;
    if (this.#begunBytes === 0) this.#resume();
    for (;;) {
      const line = this.#schedule.next(isReliableHeld);
      const message = line?.message;
      this.#serving = line;
      if (line === undefined || message === undefined || message.isBegun) return message;
      // RFC 3758 §4.1 TR3: "Before assigning a TSN …, the SCTP sender MUST evaluate the lifetime of that message."
      if (message.expiresAt <= now) {
        this.#drop(line);
        this.expired++;
      } else if (this.#mayBegin(message, room)) return message;
      else this.#putAside(line);
    }
  }

  /** `bytes` of the message from `next` were sent. What was sent is its chunks' to give back. */
  advance(bytes: number): void {
    const line = this.#serving;
    const message = line?.message;
    if (line === undefined || message === undefined) return;
    if (!message.isBegun || this.interleaves) this.#schedule.take(line);
    if (!message.isBegun) this.#begin(line, message);
    this.#schedule.charge(line, bytes);
    message.sent += bytes;
    this.#tallyOf(message).bytes -= bytes;
    this.#begunBytes -= bytes;
    if (message.isSent) this.#end(line, message);
    else if (this.interleaves) this.#schedule.enter(line);
  }

  /** Forgets the rest of a message of which fragments were abandoned. */
  abandon(streamId: number, message: number): void {
    const line = this.#schedule.get(streamId);
    const begun = line?.begun;
    if (line === undefined || begun === undefined || begun.message !== message) return;
    const left = begun.data.length - begun.sent;
    this.#tallyOf(begun).bytes -= left;
    this.#begunBytes -= left;
    this.#memory.give(begun.data.length + MESSAGE_BYTES);
    this.#end(line, begun);
  }

  /** The association has ended: nothing of it will be sent. */
  release(): void {
    for (const line of this.#schedule.lines()) {
      if (line.begun !== undefined) this.abandon(line.streamId, line.begun.message);
      while (line.first !== undefined) this.#drop(line);
    }
  }

  hasStream(streamId: number): boolean {
    return this.#schedule.get(streamId)?.message !== undefined;
  }

  #addLine(streamId: number): StreamLine {
    this.#memory.add(STREAM_BYTES);
    return this.#schedule.add(streamId);
  }

  /**
   * A peer keeps what has come of a message until all of it is there. Were more messages begun than it has room for, none of them
   * could end. So another one begins only where there is room for it and for what is left of the others. A small one is whole at once.
   */
  #mayBegin({ data }: QueuedMessage, room: number): boolean {
    const left = this.#begunBytes;
    return left === 0 || data.length <= PACKET_BYTES || left + data.length <= room;
  }

  #putAside(line: StreamLine): void {
    this.#schedule.leave(line);
    line.isAside = true;
    this.#aside.push(line);
  }

  #begin(line: StreamLine, message: QueuedMessage): void {
    line.begun = line.shift();
    if (message.isFresh) this.#delist(message);
    this.#begunBytes += message.data.length;
  }

  /** All of the message was sent, or what is left of it never will be. */
  #end(line: StreamLine, message: QueuedMessage): void {
    line.begun = undefined;
    if (message.data.length > PACKET_BYTES) this.#resume();
    this.#left(line, message);
  }

  /** The stream that was put aside first has another try. */
  #resume(): void {
    const line = this.#aside.shift();
    if (line === undefined) return;
    line.isAside = false;
    this.#schedule.enter(line);
  }

  /** Takes out the first of the messages that wait on a stream: it will not be sent. */
  #drop(line: StreamLine): void {
    const message = line.shift();
    if (message === undefined) return;
    if (message.isFresh) this.#delist(message);
    this.#tallyOf(message).bytes -= message.data.length;
    this.#memory.give(message.data.length + MESSAGE_BYTES);
    this.#left(line, message);
  }

  #left(line: StreamLine, message: QueuedMessage): void {
    this.#tallyOf(message).messages--;
    if (!line.isAside) this.#schedule.enter(line);
    if (!this.isEmpty) return;
    this.#memory.give(STREAM_BYTES * this.#schedule.streams);
    this.#schedule.clear();
    this.#aside.length = 0;
    this.#serving = undefined;
  }

  #makeRoom(isFresh: boolean, bytes: number): boolean {
    const tally = isFresh ? this.#fresh : this.#kept;
    while (isFresh && this.#oldest !== undefined && !this.#fits(tally, bytes)) {
      this.#drop(this.#schedule.get(this.#oldest.streamId)!);
      this.dropped++;
    }
    return this.#fits(tally, bytes) || (tally.bytes === 0 && this.#memory.hasRoomFor(bytes + MESSAGE_BYTES));
  }

  #fits(tally: Tally, bytes: number): boolean {
    const isWithin = tally.bytes + bytes <= this.#maxBytes && tally.messages < MAX_MESSAGES;
    return isWithin && this.#memory.hasRoomFor(bytes + MESSAGE_BYTES);
  }

  #tallyOf(message: QueuedMessage): Tally {
    return message.isFresh ? this.#fresh : this.#kept;
  }

  #enlist(message: QueuedMessage): void {
    message.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = message;
    else this.#newest.newer = message;
    this.#newest = message;
  }

  #delist(message: QueuedMessage): void {
    const { older, newer } = message;
    if (older !== undefined) older.newer = newer;
    else if (this.#oldest === message) this.#oldest = newer;
    if (newer !== undefined) newer.older = older;
    else if (this.#newest === message) this.#newest = older;
    message.older = undefined;
    message.newer = undefined;
  }
}
