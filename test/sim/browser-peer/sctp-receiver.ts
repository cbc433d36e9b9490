import { InterleavedMessages } from "./sctp-interleaved.ts";
import { type DataChunk, type ForwardTsn, type Sack, unwrapTsn, wrapTsn } from "./sctp-chunks.ts";

/** Gap blocks, and duplicates, in one SACK. */
const MAX_REPORTED = 20;

export type MessageHandler = (streamId: number, ppid: number, data: Uint8Array) => void;

interface OrderedStream {
  nextSsn: number;
  /** By SSN, the chunks of one message by unwrapped TSN. */
  readonly waiting: Map<number, Map<number, DataChunk>>;
}

export interface ReceiverOptions {
  readonly delayMs: number;
  readonly windowBytes: number;
  /** I-DATA was agreed on. */
  readonly interleaved: boolean;
}

/** The receiving half of an association: which TSNs arrived, when a SACK is due, and reassembly. */
export class SctpReceiver {
  /** When a delayed SACK is due; Infinity when none waits. */
  sackDeadline = Number.POSITIVE_INFINITY;
  duplicateChunks = 0;

  readonly #delayMs: number;
  readonly #windowBytes: number;
  readonly #deliver: MessageHandler;
  #cumulative: number;
  /** Unwrapped TSNs above the cumulative one. */
  readonly #above = new Set<number>();
  #duplicates: number[] = [];
  #bufferedBytes = 0;
  readonly #unordered = new Map<number, DataChunk>();
  readonly #ordered = new Map<number, OrderedStream>();
  /** In place of the two, with I-DATA. */
  readonly #interleaved: InterleavedMessages | undefined;
  /** RFC 9260 §6.2: when what arrived since the last SACK is to be acknowledged. */
  #sack: "none" | "this-packet" | "delayed" | "now" = "none";
  #first = true;

  constructor(initialTsn: number, options: ReceiverOptions, deliver: MessageHandler) {
    this.#cumulative = initialTsn - 1;
    this.#delayMs = options.delayMs;
    this.#windowBytes = options.windowBytes;
    this.#deliver = deliver;
    if (options.interleaved) {
      this.#interleaved = new InterleavedMessages(
        (chunks) => this.#deliverWhole(chunks),
        ({ data }) => {
          this.#bufferedBytes -= data.length;
        },
      );
    }
  }

  handleData(chunk: DataChunk): void {
    const tsn = unwrapTsn(chunk.tsn, this.#cumulative);
    if (chunk.immediate || this.#first) this.#sack = "now";
    this.#first = false;
    if (tsn <= this.#cumulative || this.#above.has(tsn)) {
      this.duplicateChunks++;
      this.#duplicates.push(chunk.tsn);
      this.#sack = "now";
      return;
    }
    if (this.#bufferedBytes + chunk.data.length > this.#windowBytes) return;
    this.#above.add(tsn);
    this.#advance();
    this.#noteChunk();
    this.#reassemble(tsn, { ...chunk, data: chunk.data.slice() });
  }

  handleForwardTsn({ newCumulativeTsn, skipped }: ForwardTsn): void {
    const to = unwrapTsn(newCumulativeTsn, this.#cumulative);
    if (to <= this.#cumulative) {
      // RFC 3758 §3.6: out of date, and the SACK for the first copy may have been lost.
      this.#sack = "now";
      return;
    }
    this.#cumulative = to;
    for (const tsn of this.#above) if (tsn <= to) this.#above.delete(tsn);
    this.#advance();
    this.#noteChunk();
    if (this.#interleaved !== undefined) {
      for (const entry of skipped) this.#interleaved.skip(entry);
      return;
    }
    for (const [tsn, chunk] of this.#unordered) if (tsn <= to) this.#drop(this.#unordered, tsn, chunk);
    for (const { streamId, number } of skipped) this.#skip(streamId, number);
    // Fragments of ordered messages that can no longer become whole.
    for (const stream of this.#ordered.values()) {
      for (const chunks of stream.waiting.values()) {
        for (const [tsn, chunk] of chunks) {
          if (tsn <= to && !isWhole(chunks)) this.#drop(chunks, tsn, chunk);
        }
      }
    }
  }

  /** To be called behind the last chunk of a packet. */
  endPacket(now: number): void {
    if (this.#sack === "this-packet") {
      this.#sack = "delayed";
      this.sackDeadline = now + this.#delayMs;
    }
  }

  /** Whether a SACK leaves at once, or, with data about to leave anyway, may ride along. */
  sackDue(dataFollows: boolean): boolean {
    return this.#sack === "now" || (dataFollows && this.#sack !== "none");
  }

  handleTimeout(now: number): void {
    if (this.sackDeadline <= now) this.#sack = "now";
  }

  takeSack(): Sack {
    const above = [...this.#above].sort((a, b) => a - b);
    const gaps: Sack["gaps"] = [];
    for (const tsn of above) {
      const offset = tsn - this.#cumulative;
      const last = gaps[gaps.length - 1];
      if (last !== undefined && last.end + 1 === offset) last.end = offset;
      else gaps.push({ start: offset, end: offset });
    }
    const sack = {
      cumulativeTsn: wrapTsn(this.#cumulative),
      windowBytes: Math.max(0, Math.floor(this.#windowBytes - this.#bufferedBytes)),
      gaps: gaps.slice(0, MAX_REPORTED),
      duplicates: this.#duplicates.slice(0, MAX_REPORTED),
    };
    this.#duplicates = [];
    this.#sack = "none";
    this.sackDeadline = Number.POSITIVE_INFINITY;
    return sack;
  }

  hasReached(tsn: number): boolean {
    return unwrapTsn(tsn, this.#cumulative) <= this.#cumulative;
  }

  /** RFC 6525 §5.2.2: the peer's streams begin with SSN 0 again; none named means all. */
  restartSequences(streamIds: readonly number[]): void {
    const ids = streamIds.length === 0 ? [...this.#ordered.keys()] : streamIds;
    for (const id of ids) this.#ordered.delete(id);
    this.#interleaved?.restart(streamIds);
  }

  #advance(): void {
    while (this.#above.delete(this.#cumulative + 1)) this.#cumulative++;
  }

  #noteChunk(): void {
    // §6.7: at once while there is a gap; §6.2: at the latest on every second packet.
    if (this.#above.size > 0 || this.#sack === "delayed") this.#sack = "now";
    else if (this.#sack === "none") this.#sack = "this-packet";
  }

  #reassemble(tsn: number, chunk: DataChunk): void {
    this.#bufferedBytes += chunk.data.length;
    if (this.#interleaved !== undefined) {
      this.#interleaved.add(chunk);
      return;
    }
    if (chunk.unordered) {
      this.#unordered.set(tsn, chunk);
      this.#deliverUnordered(tsn);
      return;
    }
    const stream = this.#orderedStream(chunk.streamId);
    const chunks = stream.waiting.get(chunk.number) ?? new Map<number, DataChunk>();
    chunks.set(tsn, chunk);
    stream.waiting.set(chunk.number, chunks);
    this.#deliverOrdered(stream);
  }

  #deliverUnordered(tsn: number): void {
    let first = tsn;
    while (!this.#unordered.get(first)?.begin) if (!this.#unordered.has(--first)) return;
    const chunks: DataChunk[] = [];
    for (let at = first; ; at++) {
      const chunk = this.#unordered.get(at);
      if (chunk === undefined) return;
      chunks.push(chunk);
      if (chunk.end) break;
    }
    for (let i = 0; i < chunks.length; i++) this.#unordered.delete(first + i);
    this.#deliverWhole(chunks);
  }

  #orderedStream(streamId: number): OrderedStream {
    let stream = this.#ordered.get(streamId);
    if (stream === undefined) {
      stream = { nextSsn: 0, waiting: new Map() };
      this.#ordered.set(streamId, stream);
    }
    return stream;
  }

  #deliverOrdered(stream: OrderedStream): void {
    for (;;) {
      const chunks = stream.waiting.get(stream.nextSsn);
      if (chunks === undefined || !isWhole(chunks)) return;
      stream.waiting.delete(stream.nextSsn);
      stream.nextSsn = (stream.nextSsn + 1) & 0xffff;
      this.#deliverWhole(inOrder(chunks));
    }
  }

  #skip(streamId: number, ssn: number): void {
    const stream = this.#orderedStream(streamId);
    for (const [waiting, chunks] of stream.waiting) {
      if (((ssn - waiting) << 16) >> 16 < 0) continue;
      if (isWhole(chunks)) this.#deliverWhole(inOrder(chunks));
      else for (const chunk of chunks.values()) this.#bufferedBytes -= chunk.data.length;
      stream.waiting.delete(waiting);
    }
    if (((ssn - stream.nextSsn) << 16) >> 16 >= 0) stream.nextSsn = (ssn + 1) & 0xffff;
    this.#deliverOrdered(stream);
  }

  #drop(chunks: Map<number, DataChunk>, tsn: number, chunk: DataChunk): void {
    chunks.delete(tsn);
    this.#bufferedBytes -= chunk.data.length;
  }

  #deliverWhole(chunks: readonly DataChunk[]): void {
    let length = 0;
    for (const chunk of chunks) length += chunk.data.length;
    this.#bufferedBytes -= length;
    const data = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      data.set(chunk.data, at);
      at += chunk.data.length;
    }
    this.#deliver(chunks[0].streamId, chunks[0].ppid, data);
  }
}

function inOrder(chunks: Map<number, DataChunk>): DataChunk[] {
  return [...chunks].sort(([a], [b]) => a - b).map(([, chunk]) => chunk);
}

function isWhole(chunks: Map<number, DataChunk>): boolean {
  const tsns = [...chunks.keys()].sort((a, b) => a - b);
  const first = chunks.get(tsns[0]);
  const last = chunks.get(tsns[tsns.length - 1]);
  return first?.begin === true && last?.end === true && tsns[tsns.length - 1] - tsns[0] + 1 === tsns.length;
}
