import type { MemoryAccount } from "../wire/memory-ledger.ts";
import { type MessageNumber, messageNumber, SSN, type Tsn, tsn, tsnAdd, tsnDistance } from "../wire/serial.ts";
import { FLAG_END } from "./packet.ts";

/** Sent, and nothing is known of it. Only these count as in flight. */
export const IN_FLIGHT = 0;
/** Reported by a gap ack block. */
export const ACKED = 1;
/** Found lost, to be sent again. */
export const LOST = 2;
/** Given up (RFC 3758 §3.5): never sent again, skipped by FORWARD TSN. */
export const ABANDONED = 3;

/** One DATA chunk that was sent and is not covered by the cumulative TSN ack. */
export class SentChunk {
  tsn: Tsn = tsn(0);
  state = IN_FLIGHT;
  flags = 0;
  streamId = 0;
  /** Its message's in the stream: SSN, or MID of I-DATA. 0 where it has none. */
  number: MessageNumber = messageNumber(0, SSN);
  /** As it is on the wire: of I-DATA beyond the first fragment the FSN. */
  ppid = 0;
  /** Bytes of user data. */
  length = 0;
  /** Those that count as reliable in the flight: all or none. What is sent again always does. */
  reliableBytes = 0;
  /** Where the user data is kept; undefined for one that will never be sent again. */
  data: Uint8Array | undefined = undefined;
  start = 0;
  /** The same for all fragments of a message. */
  message = 0;
  /** TSNs from the message's fragment before this one; means nothing for the first. */
  previous = 0;
  /** TSNs to its next fragment, 0 while there is none; means nothing for the last. */
  following = 0;
  /** Of the last transmission: when, and in which packet. */
  sentAt = 0;
  packet = 0;
  transmissions = 0;
  /** Its neighbours in {@link SentOrder} while it is in flight. */
  older: SentChunk | undefined = undefined;
  newer: SentChunk | undefined = undefined;
  maxRetransmits = 0;
  expiresAt = 0;
}

const FIRST_CAPACITY = 4;
/** A larger ring is given up when it is empty. A flow whose ring is smaller keeps it, though it may be empty many times a second. */
const KEPT_CAPACITY = 64;
/** An entry, and its place in the ring (measured). */
const ENTRY_BYTES = 200;
/** A message takes so much beside its data (measured): the array, the buffer behind it, and who waits with it. */
export const MESSAGE_BYTES = 360;
/** Entries that nobody uses, for whoever sends next: a quiet connection keeps none. About 200 KB. */
const MAX_SPARE = 1_024;
const spare: SentChunk[] = [];

/**
 * Beyond this many the window is closed, however small the chunks: a SACK is work for each of them. The largest congestion
 * window holds fewer full packets than that.
 */
export const MAX_OUTSTANDING = 4_096;

/**
 * The chunks behind the cumulative TSN ack, in order of their TSNs, which are consecutive: a ring whose entries are used
 * again and again, by all associations in turn, so that a steady flow allocates nothing.
 */
export class Outstanding {
  #ring: (SentChunk | undefined)[] = newRing(FIRST_CAPACITY);
  #head = 0;
  #count = 0;
  #firstTsn: Tsn;
  readonly #memory: MemoryAccount;

  constructor(initialTsn: Tsn, memory: MemoryAccount) {
    this.#firstTsn = initialTsn;
    this.#memory = memory;
  }

  get count(): number {
    return this.#count;
  }

  /** The TSN after the cumulative TSN ack; where nothing is outstanding, the next one to be sent. */
  get firstTsn(): Tsn {
    return this.#firstTsn;
  }

  /** The next TSN to be sent. */
  get nextTsn(): Tsn {
    return tsnAdd(this.#firstTsn, this.#count);
  }

  at(index: number): SentChunk {
    return this.#ring[(this.#head + index) & (this.#ring.length - 1)] as SentChunk;
  }

  /** Index of a TSN; outside 0 … count − 1 where it is not outstanding. */
  indexOf(which: Tsn): number {
    return tsnDistance(which, this.#firstTsn);
  }

  /** A fresh entry with the next TSN, in flight. The caller fills in the rest. */
  push(): SentChunk {
    if (this.#count === this.#ring.length) this.#grow();
    const slot = (this.#head + this.#count) & (this.#ring.length - 1);
    const chunk = spare.pop() ?? new SentChunk();
    this.#ring[slot] = chunk;
    chunk.tsn = this.nextTsn;
    chunk.state = IN_FLIGHT;
    chunk.transmissions = 0;
    this.#count++;
    return chunk;
  }

  /** Takes out the first; valid until the next `push` of whatever association. */
  shift(): SentChunk {
    const chunk = this.at(0);
    this.#ring[this.#head] = undefined;
    if (spare.length < MAX_SPARE) spare.push(chunk);
    // A flow with little on its way uses the same few entries over and over: they stay in the cache.
    this.#head = this.#count === 1 ? 0 : (this.#head + 1) & (this.#ring.length - 1);
    this.#firstTsn = tsnAdd(this.#firstTsn, 1);
    if (--this.#count === 0 && this.#ring.length > KEPT_CAPACITY) this.#shrink();
    return chunk;
  }

  /** The chunk's user data will not be sent again. A message is given back with its last fragment, since all fragments are parts of it. */
  forget(chunk: SentChunk): void {
    const { data } = chunk;
    if (data === undefined) return;
    chunk.data = undefined;
    if ((chunk.flags & FLAG_END) !== 0) this.#memory.give(data.length + MESSAGE_BYTES);
  }

  /** Gives up the ring, too; nothing must be outstanding. */
  release(): void {
    if (this.#ring.length > FIRST_CAPACITY) this.#shrink();
  }

  #grow(): void {
    this.#memory.add(ENTRY_BYTES * this.#ring.length);
    const grown = newRing(this.#ring.length * 2);
    for (let i = 0; i < this.#count; i++) grown[i] = this.at(i);
    this.#ring = grown;
    this.#head = 0;
  }

  #shrink(): void {
    this.#memory.give(ENTRY_BYTES * (this.#ring.length - FIRST_CAPACITY));
    this.#ring = newRing(FIRST_CAPACITY);
    this.#head = 0;
  }
}

function newRing(capacity: number): (SentChunk | undefined)[] {
  return new Array(capacity).fill(undefined);
}
