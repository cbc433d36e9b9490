import type { QueuedMessage } from "./queued-message.ts";

/**
 * RFC 8831 §6.4 names four priorities from 128 to 1,024, and the field has 16 bits. Beyond those four it says no more: a peer
 * that opens a channel with 65,535, or one with 0, gets the nearest of them. So no channel is ever eight times behind another.
 */
const LEAST_WEIGHT = 128;
const GREATEST_WEIGHT = 1_024;
/**
 * What waits on one stream, first in first out, and when its turn is.
 *
 * Times are virtual: bytes of the stream over its weight.
 */
export class StreamLine {
  readonly streamId: number;
  /** Share of the capacity, relative to that of other streams. */
  weight = LEAST_WEIGHT;
  /** When what it sent last ended. */
  ended = 0;
  /** When its next message or fragment may begin; the earliest goes first. */
  start = 0;
  /** When that message would end: of two that may begin at the same time the shorter one goes first. */
  finish = 0;
  /** Of two that are the same in both, whoever came first. */
  order = 0;
  /** Messages that wait and may not be dropped. */
  kept = 0;
  /** A message of which fragments were sent. */
  begun: QueuedMessage | undefined = undefined;
  /** What waits behind it. */
  first: QueuedMessage | undefined = undefined;
  last: QueuedMessage | undefined = undefined;
  /** The heap that it is in, and its place there. */
  heap: StreamHeap | undefined = undefined;
  place = 0;
  /** It waits until another message has ended, and for no turn. */
  isAside = false;

  constructor(streamId: number) {
    this.streamId = streamId;
  }

  get message(): QueuedMessage | undefined {
    return this.begun ?? this.first;
  }

  push(message: QueuedMessage): void {
    if (this.last === undefined) this.first = message;
    else this.last.next = message;
    this.last = message;
    if (!message.isFresh) this.kept++;
  }

  /** Takes out the first of those that wait. */
  shift(): QueuedMessage | undefined {
    const message = this.first;
    if (message === undefined) return undefined;
    this.first = message.next;
    message.next = undefined;
    if (this.first === undefined) this.last = undefined;
    if (!message.isFresh) this.kept--;
    return message;
  }
}

/**
 * Weighted fair queueing over the streams of an association, by bytes (RFC 8260 §3.6, RFC 8831 §6.4), as start-time fair
 * queueing: each stream's next message begins, in virtual time, where its last one ended, and the earliest beginning goes
 * first. A stream on which nothing has waited begins now, however little it has sent before: there is no credit. So a stream
 * that sends less than its share waits for little more than what is being sent, and one that sends more waits for itself.
 *
 * Every operation takes O(log n) steps for n streams.
 */
export class Schedule {
  readonly #lines = new Map<number, StreamLine>();
  /** Streams by what is first in them: reliable messages may have to wait where others need not. */
  readonly #unreliable = new StreamHeap();
  readonly #reliable = new StreamHeap();
  /** When what was sent last began. */
  #now = 0;
  #order = 0;

  get streams(): number {
    return this.#lines.size;
  }

  get(streamId: number): StreamLine | undefined {
    return this.#lines.get(streamId);
  }

  add(streamId: number): StreamLine {
    const line = new StreamLine(streamId);
    this.#lines.set(streamId, line);
    return line;
  }

  lines(): Iterable<StreamLine> {
    return this.#lines.values();
  }

  prioritize(line: StreamLine, priority: number): void {
    line.weight = Math.min(Math.max(priority, LEAST_WEIGHT), GREATEST_WEIGHT);
  }

  /** The stream whose turn it is. @param isReliableHeld reliable messages may not be sent now */
  next(isReliableHeld: boolean): StreamLine | undefined {
    const unreliable = this.#unreliable.first;
    const reliable = isReliableHeld ? undefined : this.#reliable.first;
    if (reliable === undefined) return unreliable;
    // What was held begins now, too: else it would catch up with what others sent meanwhile.
    if (unreliable === undefined || unreliable.start > Math.max(reliable.start, this.#now)) return reliable;
    return unreliable;
  }

  /** The stream's turn has come. It waits for no other until it enters again. */
  take(line: StreamLine): void {
    this.leave(line);
    this.#now = Math.max(this.#now, line.start);
    line.ended = Math.max(this.#now, line.ended);
  }

  /** `bytes` of the stream are sent in its turn. */
  charge(line: StreamLine, bytes: number): void {
    line.ended += bytes / line.weight;
  }

  /**
   * A stream on which nothing has waited has a message now.
   *
   * @param stepBytes what others send in one turn. So far a stream may be ahead of its share: streams with bulk to send tend to go in
   *   step, and virtual time with them. Small messages would wait for the end of each step.
   */
  begin(line: StreamLine, stepBytes: number): void {
    this.#place(line, line.ended - stepBytes / line.weight);
  }

  /** The stream waits for a turn if it has a message. Also for one that waits already and whose message is another one now. */
  enter(line: StreamLine): void {
    this.#place(line, line.ended);
  }

  #place(line: StreamLine, start: number): void {
    const { message } = line;
    const heap = message?.isUnreliable === true ? this.#unreliable : this.#reliable;
    if (message === undefined || line.heap !== heap) this.leave(line);
    if (message === undefined || line.heap === heap) return;
    line.start = Math.max(start, this.#now);
    line.finish = line.start + (message.data.length - message.sent) / line.weight;
    line.order = this.#order++;
    heap.push(line);
  }

  /** The stream waits for no turn. */
  leave(line: StreamLine): void {
    line.heap?.remove(line);
  }

  /** Nothing waits: nobody owes anything. */
  clear(): void {
    this.#lines.clear();
    this.#now = 0;
    this.#order = 0;
  }
}

/** Streams, the one whose turn is next first: a binary heap in which each knows its place. */
class StreamHeap {
  readonly #lines: StreamLine[] = [];

  get first(): StreamLine | undefined {
    return this.#lines[0];
  }

  push(line: StreamLine): void {
    line.heap = this;
    this.#rise(line, this.#lines.push(line) - 1);
  }

  remove(line: StreamLine): void {
    const { place } = line;
    const last = this.#lines.pop();
    line.heap = undefined;
    line.place = -1;
    if (last === undefined || last === line) return;
    this.#rise(last, place);
    this.#sink(last, last.place);
  }

  #rise(line: StreamLine, from: number): void {
    let place = from;
    while (place > 0) {
      const parent = this.#lines[(place - 1) >> 1];
      if (!isBefore(line, parent)) break;
      this.#put(parent, place);
      place = (place - 1) >> 1;
    }
    this.#put(line, place);
  }

  #sink(line: StreamLine, from: number): void {
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#lines.length) break;
      if (child + 1 < this.#lines.length && isBefore(this.#lines[child + 1], this.#lines[child])) child++;
      if (!isBefore(this.#lines[child], line)) break;
      this.#put(this.#lines[child], place);
      place = child;
    }
    this.#put(line, place);
  }

  #put(line: StreamLine, place: number): void {
    this.#lines[place] = line;
    line.place = place;
  }
}

function isBefore(a: StreamLine, b: StreamLine): boolean {
  if (a.start !== b.start) return a.start < b.start;
  return a.finish !== b.finish ? a.finish < b.finish : a.order < b.order;
}
