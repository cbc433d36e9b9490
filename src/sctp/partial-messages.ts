import type { MemoryAccount } from "../wire/memory-ledger.ts";
import { type Fsn, MID, type MessageNumber, messageNumberDistance, type Tsn, tsnAfter } from "../wire/serial.ts";
import { SmallMap } from "../wire/small-map.ts";
import { ByNumber } from "./by-number.ts";
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
  readonly messages: ByNumber<PartialMessage>;
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
    stream.messages.delete(number);
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
    const { skipped } = stream;
    if (unordered && (skipped === undefined || messageNumberDistance(number, skipped, MID) > 0))
      stream.skipped = number;
    for (const message of stream.messages.takeUpTo(number)) message.release();
    this.#tidy(key, stream);
  }

  /** Gives up what has no news behind this TSN. */
  forgetUpTo(tsn: Tsn): void {
    for (const key of this.#streams.keys()) {
      const stream = this.#streams.get(key);
      if (stream === undefined) continue;
      stream.messages.keep((message) => {
        const isKept = tsnAfter(message.lastTsn, tsn);
        if (!isKept) message.release();
        return isKept;
      });
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
    const known = messages.get(number);
    if (known !== undefined) return known;
    const message = new PartialMessage(number, tsn, this.#maxMessageBytes, this.#holder);
    if (messages.add(message)) return message;
    message.release();
    return undefined;
  }

  #stream(key: number): PartialStream {
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = { messages: new ByNumber(MID), skipped: undefined };
      this.#streams.set(key, stream);
      this.#memory.add(STREAM_BYTES);
    }
    return stream;
  }

  #tidy(key: number, stream: PartialStream): void {
    if (stream.messages.size === 0 && stream.skipped === undefined) this.#remove(key);
  }

  #remove(key: number): void {
    const stream = this.#streams.get(key);
    if (stream === undefined) return;
    for (const message of stream.messages.all) message.release();
    this.#streams.delete(key);
    this.#memory.give(STREAM_BYTES);
  }
}

function keyOf(streamId: number, unordered: boolean): number {
  return 2 * streamId + (unordered ? 1 : 0);
}

function isLate({ skipped }: PartialStream, number: MessageNumber): boolean {
  if (skipped === undefined) return false;
  const late = messageNumberDistance(skipped, number, MID);
  return late >= 0 && late <= MAX_LATE;
}
