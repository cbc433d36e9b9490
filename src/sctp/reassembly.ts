import { type MemoryAccount, unlimitedAccount } from "../wire/memory-ledger.ts";
import {
  fsn,
  MID,
  type MessageNumber,
  messageNumber,
  messageNumberAdd,
  messageNumberDistance,
  type NumberKind,
  SSN,
  type Tsn,
} from "../wire/serial.ts";
import { SmallMap } from "../wire/small-map.ts";
import { ByNumber } from "./by-number.ts";
import { dataOf, FragmentRuns, type Holder } from "./fragment-runs.ts";
import { FLAG_BEGIN, FLAG_END, FLAG_UNORDERED } from "./packet.ts";
import { PartialMessages } from "./partial-messages.ts";

export interface ReassemblyLimits {
  maxMessageBytes: number;
  receiveWindowBytes: number;
  maxReassemblyChunks: number;
}

/** What a chunk that waits takes beside its data: its array and the run it is in, or its place in its stream (measured). */
const HELD_CHUNK_BYTES = 540;
/** A stream on which an ordered message has come (measured). */
const STREAM_BYTES = 100;
/**
 * With I-DATA a message may be under way on each stream, and none of them can be delivered before its last fragment. So more may be
 * held than the window: of the longest messages by default 64 at once. A peer that has more under way can never finish one.
 */
const INTERLEAVED_WINDOWS = 16;
/**
 * The chunk that everything held waits for was refused so often in a row: there will be no room for it. The peer sends it again ever
 * more slowly, so a budget that others have filled has had some seconds to become free.
 */
const MAX_REFUSALS = 4;

/** What comes out: whole messages, in the order of delivery, and messages given up because they grew too large. */
export interface ReassemblySink {
  message(streamId: number, ppid: number, data: Uint8Array): void;
  tooLarge(): void;
}

/**
 * Why the association cannot go on: a fragment contradicts what has come of its message, or so many messages are under way at once that
 * none can be finished.
 */
export type ReassemblyFault = "contradiction" | "exhausted";

/** A whole ordered message whose turn has not come. `data` is undefined where it grew too large: it only takes its turn. */
interface Waiting {
  readonly number: MessageNumber;
  readonly ppid: number;
  readonly data: Uint8Array | undefined;
}

interface IncomingStream {
  next: MessageNumber;
  /** Those whose turn has not come; made for the first. */
  waiting: ByNumber<Waiting> | undefined;
}

/**
 * Puts DATA or I-DATA chunks together to messages and ordered messages in order (RFC 9260 §6.5, §6.6, §6.9; RFC 8260 §2.2.3).
 *
 * What is held is bounded in bytes and in chunks; a chunk beyond that is refused, and the peer sees it as lost.
 *
 * A message beyond `maxMessageBytes` is given up, counted, and takes its turn in its stream as if it had been delivered:
 * the peer was told the limit (RFC 8841 §6) and browsers keep it, so nobody is served by ending the association over it.
 */
export class Reassembly implements Holder {
  readonly #limits: ReassemblyLimits;
  readonly #sink: ReassemblySink;
  readonly #memory: MemoryAccount;
  readonly #kind: NumberKind;
  /** Bytes that may be held. */
  /** The receive window, which may grow, and what may be held. */
  #window: number;
  #maxBytes: number;
  /** Messages of which a part has come, in DATA or in I-DATA. Made for the first. */
  #runs: FragmentRuns | undefined;
  #partial: PartialMessages | undefined;
  /** Streams on which an ordered message has come. */
  readonly #streams = new SmallMap<number, IncomingStream>();
  #heldBytes = 0;
  #heldChunks = 0;
  /** See {@link MAX_REFUSALS}. */
  #refusals = 0;
  /** Set by an `add` that returned false: the association must end. */
  fault: ReassemblyFault | undefined;

  constructor(
    limits: ReassemblyLimits,
    sink: ReassemblySink,
    memory: MemoryAccount = unlimitedAccount(),
    interleaving = false,
  ) {
    this.#limits = limits;
    this.#sink = sink;
    this.#memory = memory;
    this.#kind = interleaving ? MID : SSN;
    this.#window = limits.receiveWindowBytes;
    this.#maxBytes = this.#window * (interleaving ? INTERLEAVED_WINDOWS : 1);
  }

  /** The receive window has grown: so much more may be held. */
  growTo(windowBytes: number): void {
    this.#window = windowBytes;
    this.#maxBytes = Math.max(this.#maxBytes, windowBytes);
  }

  /** User data held for missing fragments or missing predecessors, bytes. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** User data that the peer may send, as far as what is held goes, bytes. */
  get windowBytes(): number {
    return Math.min(this.#window, Math.max(0, this.#maxBytes - this.#heldBytes));
  }

  /**
   * Takes a chunk that has not come before. `data` is copied out of `memory` only if it is kept or delivered.
   *
   * @param number SSN or MID
   * @param ppid of I-DATA that does not begin a message, its FSN
   * @param isNext the chunk's TSN is the one right behind the cumulative point; it may exceed the limits by one message,
   *   because nothing held can be released without it
   * @returns false where there is no room, or `fault` is set: the chunk must not be acknowledged
   */
  add(
    flags: number,
    tsn: Tsn,
    streamId: number,
    number: number,
    ppid: number,
    memory: Uint8Array,
    offset: number,
    length: number,
    isNext: boolean,
  ): boolean {
    const whole = (flags & (FLAG_BEGIN | FLAG_END)) === (FLAG_BEGIN | FLAG_END);
    if (whole && length <= this.#limits.maxMessageBytes) {
      if ((flags & FLAG_UNORDERED) !== 0) {
        this.#sink.message(streamId, ppid, memory.slice(offset, offset + length));
        return true;
      }
      const kind = this.#kind;
      const sequence = messageNumber(number, kind);
      const stream = this.#stream(streamId);
      if (stream.next === sequence) {
        stream.next = messageNumberAdd(sequence, 1, kind);
        this.#sink.message(streamId, ppid, memory.slice(offset, offset + length));
        if (stream.waiting !== undefined) this.#drain(streamId, stream);
        return true;
      }
      if (!this.#hasRoom(length, isNext)) return false;
      this.#wait(streamId, stream, { number: sequence, ppid, data: memory.slice(offset, offset + length) });
      return true;
    }
    if (!this.#hasRoom(length, isNext)) return false;
    return this.#kind === MID
      ? this.#addToPartial(flags, tsn, streamId, number, ppid, memory, offset, length)
      : this.#addToRun(flags, tsn, streamId, number, ppid, memory.slice(offset, offset + length));
  }

  /**
   * FORWARD TSN (RFC 3758 §3.6): "The receiver MUST remove any partially reassembled message, which is still missing one
   * or more TSNs earlier than or equal to the new cumulative TSN point." Not for I-FORWARD-TSN, which names what it skips.
   *
   * @param oldCumulative the point before; everything up to it has come, or has been forgotten
   */
  forward(oldCumulative: Tsn, newCumulative: Tsn): void {
    this.#runs?.forward(oldCumulative, newCumulative);
  }

  /** Nothing up to this TSN is waited for any more, though the peer has not said so: messages without later news are given up. */
  forsake(oldCumulative: Tsn, newCumulative: Tsn): void {
    this.#runs?.forward(oldCumulative, newCumulative);
    this.#partial?.forgetUpTo(newCumulative);
  }

  /**
   * FORWARD TSN's stream entries (RFC 3758 §3.6): "immediately make available for delivery stream sequence numbers earlier
   * than or equal to the stream sequence number listed". Those of I-FORWARD-TSN (RFC 8260 §2.3.1) also say which messages will never
   * be whole.
   */
  skip(streamId: number, number: number): void {
    const kind = this.#kind;
    const last = messageNumber(number, kind);
    const stream = this.#stream(streamId);
    if (messageNumberDistance(last, stream.next, kind) < 0) return;
    if (kind === MID) this.#partial?.skip(streamId, false, last);
    for (const message of stream.waiting?.takeUpTo(last) ?? []) this.#deliver(streamId, message);
    stream.next = messageNumberAdd(last, 1, kind);
    this.#drain(streamId, stream);
  }

  /** I-FORWARD-TSN's entries for unordered messages: those up to this one will never be whole. */
  skipUnordered(streamId: number, number: number): void {
    this.#usePartial().skip(streamId, true, messageNumber(number, MID));
  }

  /** Incoming streams start over with SSN 0 (RFC 6525 §5.2.2 E4) or MID 0. Empty: all of them. */
  reset(streamIds: readonly number[]): void {
    for (const streamId of streamIds.length === 0 ? this.#streams.keys() : streamIds) {
      const stream = this.#streams.get(streamId);
      if (stream === undefined) continue;
      for (const { data } of stream.waiting?.all ?? []) this.hold(-(data?.length ?? 0), -1);
      this.#streams.delete(streamId);
      this.#memory.give(STREAM_BYTES);
    }
    if (streamIds.length === 0) this.#partial?.resetAll();
    else if (this.#partial !== undefined) for (const streamId of streamIds) this.#partial.reset(streamId);
  }

  /** The association has ended: gives back what is held. */
  release(): void {
    this.reset([]);
    this.#runs = undefined;
    this.#partial = undefined;
    this.hold(-this.#heldBytes, -this.#heldChunks);
  }

  /** From the parts of messages. */
  hold(bytes: number, chunks: number): void {
    this.#heldBytes += bytes;
    this.#heldChunks += chunks;
    this.#memory.add(bytes + chunks * HELD_CHUNK_BYTES);
  }

  #addToRun(flags: number, tsn: Tsn, streamId: number, number: number, ppid: number, data: Uint8Array): true {
    this.#runs ??= new FragmentRuns(this.#limits.maxMessageBytes, this);
    const [begins, ends] = [(flags & FLAG_BEGIN) !== 0, (flags & FLAG_END) !== 0];
    const unordered = (flags & FLAG_UNORDERED) !== 0;
    const sequence = messageNumber(number, SSN);
    const run = this.#runs.add(tsn, begins, ends, unordered, streamId, sequence, ppid, data);
    if (run !== undefined) this.#complete(streamId, unordered, run.number, run.ppid, dataOf(run));
    return true;
  }

  #addToPartial(
    flags: number,
    tsn: Tsn,
    streamId: number,
    number: number,
    ppid: number,
    memory: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    const begins = (flags & FLAG_BEGIN) !== 0;
    const ends = (flags & FLAG_END) !== 0;
    const unordered = (flags & FLAG_UNORDERED) !== 0;
    const mid = messageNumber(number, MID);
    if (!unordered) {
      const stream = this.#streams.get(streamId);
      // It has had its turn: it was skipped.
      if (messageNumberDistance(mid, stream?.next ?? messageNumber(0, MID), MID) < 0) return true;
      if (stream?.waiting?.get(mid) !== undefined) return this.#contradicts();
    }
    const place = fsn(begins ? 0 : ppid);
    const added = this.#usePartial().add(
      streamId,
      unordered,
      mid,
      tsn,
      place,
      begins,
      ends,
      ppid,
      memory,
      offset,
      length,
    );
    if (added === "contradiction") return this.#contradicts();
    if (added !== "taken") this.#complete(streamId, unordered, mid, added.ppid, added.data());
    return true;
  }

  #contradicts(): false {
    this.fault = "contradiction";
    return false;
  }

  /** A message has been put together; without `data` it was too large. */
  #complete(
    streamId: number,
    unordered: boolean,
    number: MessageNumber,
    ppid: number,
    data: Uint8Array | undefined,
  ): void {
    if (data === undefined) this.#sink.tooLarge();
    if (unordered) {
      if (data !== undefined) this.#sink.message(streamId, ppid, data);
      return;
    }
    const stream = this.#stream(streamId);
    this.#wait(streamId, stream, { number, ppid, data });
    this.#drain(streamId, stream);
  }

  #wait(streamId: number, stream: IncomingStream, message: Waiting): void {
    // A number that had its turn, or comes twice, is a fault of the peer: the first one stands.
    if (messageNumberDistance(message.number, stream.next, this.#kind) < 0) return;
    if (stream.waiting?.get(message.number) !== undefined) return;
    stream.waiting ??= new ByNumber(this.#kind);
    stream.waiting.add(message);
    this.hold(message.data?.length ?? 0, 1);
    this.#streams.set(streamId, stream);
  }

  /** Delivers what has its turn now. */
  #drain(streamId: number, stream: IncomingStream): void {
    const { waiting } = stream;
    if (waiting === undefined) return;
    for (;;) {
      const message = waiting.takeFirst(stream.next);
      if (message === undefined) break;
      stream.next = messageNumberAdd(stream.next, 1, this.#kind);
      this.#deliver(streamId, message);
    }
    if (waiting.size === 0) stream.waiting = undefined;
  }

  #deliver(streamId: number, { ppid, data }: Waiting): void {
    this.hold(-(data?.length ?? 0), -1);
    if (data !== undefined) this.#sink.message(streamId, ppid, data);
  }

  #stream(streamId: number): IncomingStream {
    let stream = this.#streams.get(streamId);
    if (stream === undefined) {
      stream = { next: messageNumber(0, this.#kind), waiting: undefined };
      this.#streams.set(streamId, stream);
      this.#memory.add(STREAM_BYTES);
    }
    return stream;
  }

  #usePartial(): PartialMessages {
    this.#partial ??= new PartialMessages(this.#limits.maxMessageBytes, this, this.#memory);
    return this.#partial;
  }

  #hasRoom(length: number, isNext: boolean): boolean {
    const { receiveWindowBytes, maxMessageBytes } = this.#limits;
    const maxChunks = (this.#limits.maxReassemblyChunks * this.#window) / receiveWindowBytes;
    const hasMemory = this.#memory.hasRoomFor(length + HELD_CHUNK_BYTES);
    const held = this.#heldBytes + length;
    if (!isNext) return held <= this.#maxBytes && this.#heldChunks < maxChunks && hasMemory;
    const most = (hasMemory ? this.#maxBytes : receiveWindowBytes) + maxMessageBytes;
    if (held <= most && this.#heldChunks < 2 * maxChunks) {
      this.#refusals = 0;
      return true;
    }
    if (++this.#refusals >= MAX_REFUSALS) this.fault = "exhausted";
    return false;
  }
}
