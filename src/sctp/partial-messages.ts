import type { MemoryAccount } from "../wire/memory-ledger.ts";
import { type Fsn, MID, type MessageNumber, messageNumberDistance, type Tsn, tsnAfter } from "../wire/serial.ts";
import { SmallMap } from "../wire/small-map.ts";
import type { Holder } from "./fragment-runs.ts";
import { PartialMessage } from "./partial-message.ts";

/** A stream of which an entry is kept (measured). */
const STREAM_BYTES = 150;
/**
 * A fragment of a message that was skipped may still come: its TSN is beyond the cumulative one, by at most so many (`ReceivedTsns`).
 * So its message number is at most so far behind the last one that was skipped.
 */
const MAX_LATE = 0xffff;

/** One stream's messages of one kind, ordered or unordered. */
interface PartialStream {
  /** In order of their numbers, which span less than 2^31. */
  readonly messages: PartialMessage[];
  /** Unordered messages up to this one are skipped: what still comes of them is thrown away. */
  skipped: MessageNumber | undefined;
}

/** What became of a fragment: it made its message whole, it is kept or needed no more, or it contradicts what has come. */
export type Added = PartialMessage | "taken" | "contradiction";

/**
 * Messages of which a part has come, by I-DATA. RFC 8260 §2.2.3: the receiver "MUST use the SID to identify the stream, consider the U
 * bit to determine if it is part of an ordered or unordered message, find the user message identified by the MID, and use the FSN for
 * reassembly of the message and not the TSN".
 */
export class PartialMessages {
  readonly #maxMessageBytes: number;
  readonly #holder: Holder;
  readonly #memory: MemoryAccount;
  /** By twice the stream identifier, and one more for unordered messages. */
  readonly #streams = new SmallMap<number, PartialStream>();

  constructor(maxMessageBytes: number, holder: Holder, memory: MemoryAccount) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#holder = holder;
    this.#memory = memory;
  }

  /** A fragment that is whole by itself may only come here where it is too large. */
  add(
    streamId: number,
    unordered: boolean,
    number: MessageNumber,
    tsn: Tsn,
    place: Fsn,
    begins: boolean,
    ends: boolean,
    ppid: number,
    memory: Uint8Array,
    offset: number,
    length: number,
  ): Added {
    const key = keyOf(streamId, unordered);
    const stream = this.#stream(key);
    if (isLate(stream, number)) return "taken";
    const message = this.#message(stream, number, tsn);
    if (message === undefined || !message.add(place, begins, ends, memory, offset, length)) return "contradiction";
    if (begins) message.ppid = ppid;
    if (tsnAfter(tsn, message.lastTsn)) message.lastTsn = tsn;
    if (!message.isWhole) return "taken";
    stream.messages.splice(indexOf(stream.messages, number), 1);
    message.release();
    this.#tidy(key, stream);
    return message;
  }

  /** The messages up to this one will never be whole (RFC 8260 §2.3.1). */
  skip(streamId: number, unordered: boolean, number: MessageNumber): void {
    const key = keyOf(streamId, unordered);
    // Of ordered messages the stream itself knows which ones have had their turn.
    const stream = unordered ? this.#stream(key) : this.#streams.get(key);
    if (stream === undefined) return;
    const { messages, skipped } = stream;
    if (unordered && (skipped === undefined || isAfter(number, skipped))) stream.skipped = number;
    let count = 0;
    while (count < messages.length && !isAfter(messages[count].number, number)) messages[count++].release();
    if (count > 0) messages.splice(0, count);
    this.#tidy(key, stream);
  }

  /** Gives up what has no news behind this TSN. */
  forgetUpTo(tsn: Tsn): void {
    for (const key of this.#streams.keys()) {
      const stream = this.#streams.get(key);
      if (stream === undefined) continue;
      const live = stream.messages.filter((message) => tsnAfter(message.lastTsn, tsn));
      if (live.length === stream.messages.length) continue;
      for (const message of stream.messages) if (!tsnAfter(message.lastTsn, tsn)) message.release();
      stream.messages.splice(0, stream.messages.length, ...live);
      this.#tidy(key, stream);
    }
  }

  /** The stream starts over. */
  reset(streamId: number): void {
    this.#remove(keyOf(streamId, false));
    this.#remove(keyOf(streamId, true));
  }

  resetAll(): void {
    for (const key of this.#streams.keys()) this.#remove(key);
  }

  /** `undefined` where the numbers that are held would span too much to have an order (RFC 8260 §2.1: "MUST NOT"). */
  #message({ messages }: PartialStream, number: MessageNumber, tsn: Tsn): PartialMessage | undefined {
    const at = indexOf(messages, number);
    const known = messages[at];
    if (known !== undefined && known.number === number) return known;
    if (messages.length > 0) {
      const [first, last] = [messages[0].number, messages[messages.length - 1].number];
      if (at === 0 ? !isAfter(last, number) && last !== first : !isAfter(number, first)) return undefined;
    }
    const message = new PartialMessage(number, tsn, this.#maxMessageBytes, this.#holder);
    messages.splice(at, 0, message);
    return message;
  }

  #stream(key: number): PartialStream {
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = { messages: [], skipped: undefined };
      this.#streams.set(key, stream);
      this.#memory.add(STREAM_BYTES);
    }
    return stream;
  }

  #tidy(key: number, stream: PartialStream): void {
    if (stream.messages.length === 0 && stream.skipped === undefined) this.#remove(key);
  }

  #remove(key: number): void {
    const stream = this.#streams.get(key);
    if (stream === undefined) return;
    for (const message of stream.messages) message.release();
    this.#streams.delete(key);
    this.#memory.give(STREAM_BYTES);
  }
}

function keyOf(streamId: number, unordered: boolean): number {
  return 2 * streamId + (unordered ? 1 : 0);
}

function isAfter(a: MessageNumber, b: MessageNumber): boolean {
  return messageNumberDistance(a, b, MID) > 0;
}

function isLate({ skipped }: PartialStream, number: MessageNumber): boolean {
  if (skipped === undefined) return false;
  const late = messageNumberDistance(skipped, number, MID);
  return late >= 0 && late <= MAX_LATE;
}

/** Where the message is, or belongs. It is nearly always the last that is asked for, or one behind it. */
function indexOf(messages: readonly PartialMessage[], number: MessageNumber): number {
  let high = messages.length;
  if (high === 0 || isAfter(number, messages[high - 1].number)) return high;
  if (messages[high - 1].number === number) return high - 1;
  let low = 0;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAfter(number, messages[middle].number)) low = middle + 1;
    else high = middle;
  }
  return low;
}
