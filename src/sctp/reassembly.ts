import {
  type Ssn,
  ssn,
  ssnAdd,
  ssnAfter,
  ssnDistance,
  type Tsn,
  tsnAdd,
  tsnAfter,
  tsnDistance,
} from "../wire/serial.ts";
import { type MemoryAccount, unlimitedAccount } from "../wire/memory-ledger.ts";
import { SmallMap } from "../wire/small-map.ts";
import { FLAG_BEGIN, FLAG_END, FLAG_UNORDERED } from "./packet.ts";

export interface ReassemblyLimits {
  maxMessageBytes: number;
  receiveWindowBytes: number;
  maxReassemblyChunks: number;
}

/** What a chunk that waits takes beside its data: its array and the run it is in, or its place in its stream (measured). */
const HELD_CHUNK_BYTES = 540;
/** A stream on which an ordered message has come (measured). */
const STREAM_BYTES = 100;

/** What comes out: whole messages, in the order of delivery, and messages given up because they grew too large. */
export interface ReassemblySink {
  message(streamId: number, ppid: number, data: Uint8Array): void;
  tooLarge(): void;
}

/** The user data of one chunk, and what comes behind it: so that two runs are joined in one step, whichever is longer. */
interface Fragment {
  readonly data: Uint8Array;
  next: Fragment | undefined;
}

/** Adjacent fragments of one message. There is no data left once the message has grown too large. */
interface Run {
  first: Tsn;
  last: Tsn;
  begins: boolean;
  ends: boolean;
  tooLarge: boolean;
  readonly streamId: number;
  readonly ssn: Ssn;
  readonly ppid: number;
  readonly unordered: boolean;
  head: Fragment | undefined;
  tail: Fragment | undefined;
  bytes: number;
  /** What the run counts for in `maxReassemblyChunks`. */
  chunks: number;
}

/** A whole ordered message whose turn has not come. `data` is undefined where it grew too large: it only takes its turn. */
interface Waiting {
  readonly ppid: number;
  readonly data: Uint8Array | undefined;
}

interface IncomingStream {
  nextSsn: Ssn;
  /** Those whose turn has not come; made for the first. */
  waiting: Map<Ssn, Waiting> | undefined;
}

/**
 * Puts DATA chunks together to messages and ordered messages in order (RFC 9260 §6.5, §6.6, §6.9).
 *
 * Fragments of one message have consecutive TSNs, so they are kept as runs of adjacent TSNs that grow together. What is
 * held is bounded in bytes and in chunks; a chunk beyond that is refused, and the peer sees it as lost.
 *
 * A message beyond `maxMessageBytes` is given up, counted, and takes its turn in its stream as if it had been delivered:
 * the peer was told the limit (RFC 8841 §6) and browsers keep it, so nobody is served by ending the association over it.
 */
export class Reassembly {
  readonly #limits: ReassemblyLimits;
  readonly #sink: ReassemblySink;
  readonly #memory: MemoryAccount;
  /** Messages of which a part has come, by the TSNs of their ends. Made for the first. */
  #byFirst: SmallMap<Tsn, Run> | undefined;
  #byLast: SmallMap<Tsn, Run> | undefined;
  /** Streams on which an ordered message has come. */
  readonly #streams = new SmallMap<number, IncomingStream>();
  #heldBytes = 0;
  #heldChunks = 0;

  constructor(limits: ReassemblyLimits, sink: ReassemblySink, memory: MemoryAccount = unlimitedAccount()) {
    this.#limits = limits;
    this.#sink = sink;
    this.#memory = memory;
  }

  /** User data held for missing fragments or missing predecessors, bytes. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Takes a chunk that has not come before. `data` is copied out of `memory` only if it is kept or delivered.
   *
   * @param isNext the chunk's TSN is the one right behind the cumulative point; it may exceed the limits by one message,
   *   because nothing held can be released without it
   * @returns false where there is no room: the chunk must not be acknowledged
   */
  add(
    flags: number,
    tsn: Tsn,
    streamId: number,
    sequence: number,
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
      const stream = this.#stream(streamId);
      if (stream.nextSsn === sequence) {
        stream.nextSsn = ssnAdd(stream.nextSsn, 1);
        this.#sink.message(streamId, ppid, memory.slice(offset, offset + length));
        if (stream.waiting !== undefined) this.#drain(streamId, stream);
        return true;
      }
      if (!this.#hasRoom(length, isNext)) return false;
      this.#wait(streamId, stream, ssn(sequence), { ppid, data: memory.slice(offset, offset + length) });
      return true;
    }
    if (!this.#hasRoom(length, isNext)) return false;
    this.#addFragment(flags, tsn, streamId, ssn(sequence), ppid, memory.slice(offset, offset + length));
    return true;
  }

  /**
   * FORWARD TSN (RFC 3758 §3.6): "The receiver MUST remove any partially reassembled message, which is still missing one
   * or more TSNs earlier than or equal to the new cumulative TSN point."
   *
   * @param oldCumulative the point before; everything up to it has come, or has been forgotten
   */
  forward(oldCumulative: Tsn, newCumulative: Tsn): void {
    const runs = this.#byFirst;
    if (runs === undefined) return;
    const steps = tsnDistance(newCumulative, oldCumulative);
    // A step over few TSNs looks for what begins at each of them: what is further on is not looked at each time.
    if (steps > runs.size) {
      for (const run of runs.values()) if (!tsnAfter(run.first, newCumulative)) this.#forget(run);
      return;
    }
    // A run that began before is one that the cumulative point stood in.
    const open = this.#byLast?.get(oldCumulative);
    if (open !== undefined) this.#forget(open);
    for (let step = 1; step <= steps; step++) {
      const run = runs.get(tsnAdd(oldCumulative, step));
      if (run !== undefined) this.#forget(run);
    }
  }

  /**
   * FORWARD TSN's stream entries (RFC 3758 §3.6): "immediately make available for delivery stream sequence numbers earlier
   * than or equal to the stream sequence number listed".
   */
  skip(streamId: number, sequence: Ssn): void {
    const stream = this.#stream(streamId);
    const { nextSsn, waiting } = stream;
    if (ssnAfter(nextSsn, sequence)) return;
    const steps = ssnDistance(sequence, nextSsn) + 1;
    if (waiting !== undefined && steps > waiting.size) {
      const due = [...waiting.keys()].filter((key) => !ssnAfter(key, sequence));
      due.sort((a, b) => (ssnAfter(a, b) ? 1 : -1));
      for (const key of due) this.#deliverWaiting(streamId, stream, key);
    } else if (waiting !== undefined) {
      // A step over few numbers looks for each: what waits further on is not looked at each time.
      for (let step = 0; step < steps; step++) this.#deliverWaiting(streamId, stream, ssnAdd(nextSsn, step));
    }
    stream.nextSsn = ssnAdd(sequence, 1);
    this.#drain(streamId, stream);
  }

  /** Incoming streams start over with SSN 0 (RFC 6525 §5.2.2 E4). Empty: all of them. */
  reset(streamIds: readonly number[]): void {
    for (const streamId of streamIds.length === 0 ? this.#streams.keys() : streamIds) {
      const stream = this.#streams.get(streamId);
      if (stream === undefined) continue;
      for (const { data } of stream.waiting?.values() ?? []) this.#hold(-(data?.length ?? 0), -1);
      this.#streams.delete(streamId);
      this.#memory.give(STREAM_BYTES);
    }
  }

  /** The association has ended: gives back what is held. */
  release(): void {
    this.reset([]);
    this.#byFirst = undefined;
    this.#byLast = undefined;
    this.#hold(-this.#heldBytes, -this.#heldChunks);
  }

  #forget(run: Run): void {
    this.#byFirst?.delete(run.first);
    this.#byLast?.delete(run.last);
    this.#hold(-run.bytes, -run.chunks);
  }

  #addFragment(flags: number, tsn: Tsn, streamId: number, sequence: Ssn, ppid: number, data: Uint8Array): void {
    const fragment: Fragment = { data, next: undefined };
    let run: Run = {
      first: tsn,
      last: tsn,
      begins: (flags & FLAG_BEGIN) !== 0,
      ends: (flags & FLAG_END) !== 0,
      tooLarge: false,
      streamId,
      ssn: sequence,
      ppid,
      unordered: (flags & FLAG_UNORDERED) !== 0,
      head: fragment,
      tail: fragment,
      bytes: data.length,
      chunks: 1,
    };
    this.#hold(data.length, 1);
    this.#byFirst ??= new SmallMap();
    this.#byLast ??= new SmallMap();
    const left = this.#byLast.get(tsnAdd(tsn, -1));
    if (left !== undefined && belongTogether(left, run)) {
      this.#byLast.delete(left.last);
      run = this.#join(left, run);
    }
    const right = this.#byFirst.get(tsnAdd(tsn, 1));
    if (right !== undefined && belongTogether(run, right)) {
      this.#byFirst.delete(right.first);
      run = this.#join(run, right);
    }
    if (run.bytes > this.#limits.maxMessageBytes) this.#giveUp(run);
    if (run.begins && run.ends) {
      this.#byFirst.delete(run.first);
      this.#byLast.delete(run.last);
      this.#complete(run);
    } else {
      this.#byFirst.set(run.first, run);
      this.#byLast.set(run.last, run);
    }
  }

  /** Appends `right` to `left`. */
  #join(left: Run, right: Run): Run {
    left.last = right.last;
    left.ends = right.ends;
    left.tooLarge ||= right.tooLarge;
    left.bytes += right.bytes;
    left.chunks += right.chunks;
    if (left.tail === undefined) left.head = right.head;
    else left.tail.next = right.head;
    left.tail = right.tail ?? left.tail;
    if (left.tooLarge) this.#giveUp(left);
    return left;
  }

  /** The run's data goes; the run stays, as one chunk, to know where the message ends. */
  #giveUp(run: Run): void {
    this.#hold(-run.bytes, 1 - run.chunks);
    run.bytes = 0;
    run.chunks = 1;
    run.head = undefined;
    run.tail = undefined;
    run.tooLarge = true;
  }

  #complete(run: Run): void {
    const data = run.tooLarge ? undefined : concat(run.head, run.bytes);
    this.#hold(-run.bytes, -run.chunks);
    if (data === undefined) this.#sink.tooLarge();
    if (run.unordered) {
      if (data !== undefined) this.#sink.message(run.streamId, run.ppid, data);
      return;
    }
    const stream = this.#stream(run.streamId);
    this.#wait(run.streamId, stream, run.ssn, { ppid: run.ppid, data });
    this.#drain(run.streamId, stream);
  }

  #wait(streamId: number, stream: IncomingStream, sequence: Ssn, message: Waiting): void {
    // A sequence number that had its turn, or comes twice, is a fault of the peer: the first one stands.
    if (ssnAfter(stream.nextSsn, sequence) || stream.waiting?.has(sequence) === true) return;
    stream.waiting ??= new Map();
    stream.waiting.set(sequence, message);
    this.#hold(message.data?.length ?? 0, 1);
    this.#streams.set(streamId, stream);
  }

  #drain(streamId: number, stream: IncomingStream): void {
    while (this.#deliverWaiting(streamId, stream, stream.nextSsn)) {
      stream.nextSsn = ssnAdd(stream.nextSsn, 1);
    }
  }

  #deliverWaiting(streamId: number, stream: IncomingStream, sequence: Ssn): boolean {
    const message = stream.waiting?.get(sequence);
    if (message === undefined) return false;
    stream.waiting?.delete(sequence);
    if (stream.waiting?.size === 0) stream.waiting = undefined;
    this.#hold(-(message.data?.length ?? 0), -1);
    if (message.data !== undefined) this.#sink.message(streamId, message.ppid, message.data);
    return true;
  }

  #stream(streamId: number): IncomingStream {
    let stream = this.#streams.get(streamId);
    if (stream === undefined) {
      stream = { nextSsn: ssn(0), waiting: undefined };
      this.#streams.set(streamId, stream);
      this.#memory.add(STREAM_BYTES);
    }
    return stream;
  }

  #hasRoom(length: number, isNext: boolean): boolean {
    const { receiveWindowBytes, maxReassemblyChunks, maxMessageBytes } = this.#limits;
    const bytes = receiveWindowBytes + (isNext ? maxMessageBytes : 0);
    const chunks = isNext ? 2 * maxReassemblyChunks : maxReassemblyChunks;
    if (this.#heldBytes + length > bytes || this.#heldChunks >= chunks) return false;
    return isNext || this.#memory.hasRoomFor(length + HELD_CHUNK_BYTES);
  }

  #hold(bytes: number, chunks: number): void {
    this.#heldBytes += bytes;
    this.#heldChunks += chunks;
    this.#memory.add(bytes + chunks * HELD_CHUNK_BYTES);
  }
}

/** True where `right`, whose first TSN follows the last of `left`, continues the same message. */
function belongTogether(left: Run, right: Run): boolean {
  return (
    !left.ends &&
    !right.begins &&
    left.streamId === right.streamId &&
    left.unordered === right.unordered &&
    (left.unordered || left.ssn === right.ssn)
  );
}

function concat(first: Fragment | undefined, bytes: number): Uint8Array {
  if (first !== undefined && first.next === undefined) return first.data;
  const data = new Uint8Array(bytes);
  let at = 0;
  for (let fragment = first; fragment !== undefined; fragment = fragment.next) {
    data.set(fragment.data, at);
    at += fragment.data.length;
  }
  return data;
}
