import type { DataChunk, Skipped } from "./sctp-chunks.ts";

/** Messages of one stream and kind, by MID: their chunks by place. */
interface Messages {
  /** Whose turn it is, where they are ordered. */
  next: number;
  readonly waiting: Map<number, Map<number, DataChunk>>;
}

/** Puts I-DATA together (RFC 8260 §2.2.3): by stream, kind, MID and FSN, whatever the TSNs. */
export class InterleavedMessages {
  readonly #streams = new Map<string, Messages>();
  readonly #deliver: (chunks: readonly DataChunk[]) => void;
  readonly #drop: (chunk: DataChunk) => void;

  constructor(deliver: (chunks: readonly DataChunk[]) => void, drop: (chunk: DataChunk) => void) {
    this.#deliver = deliver;
    this.#drop = drop;
  }

  add(chunk: DataChunk): void {
    const messages = this.#messages(chunk.streamId, chunk.unordered);
    if (!chunk.unordered && chunk.number < messages.next) {
      this.#drop(chunk);
      return;
    }
    const chunks = messages.waiting.get(chunk.number) ?? new Map<number, DataChunk>();
    chunks.set(chunk.fsn, chunk);
    messages.waiting.set(chunk.number, chunks);
    if (!chunk.unordered) this.#deliverOrdered(messages);
    else if (isWhole(chunks)) this.#take(messages, chunk.number);
  }

  skip({ streamId, unordered, number }: Skipped): void {
    const messages = this.#messages(streamId, unordered);
    for (const [mid, chunks] of [...messages.waiting].sort(([a], [b]) => a - b)) {
      if (mid > number) continue;
      if (isWhole(chunks)) this.#take(messages, mid);
      else for (const chunk of chunks.values()) this.#drop(chunk);
      messages.waiting.delete(mid);
    }
    messages.next = Math.max(messages.next, number + 1);
    if (!unordered) this.#deliverOrdered(messages);
  }

  /** RFC 6525 §5.2.2; none named means all. */
  restart(streamIds: readonly number[]): void {
    for (const key of this.#streams.keys()) {
      if (streamIds.length === 0 || streamIds.includes(Number.parseInt(key, 10))) this.#streams.delete(key);
    }
  }

  #deliverOrdered(messages: Messages): void {
    for (let chunks = messages.waiting.get(messages.next); chunks !== undefined && isWhole(chunks); ) {
      this.#take(messages, messages.next++);
      chunks = messages.waiting.get(messages.next);
    }
  }

  #take(messages: Messages, mid: number): void {
    const chunks = messages.waiting.get(mid) as Map<number, DataChunk>;
    messages.waiting.delete(mid);
    this.#deliver([...chunks].sort(([a], [b]) => a - b).map(([, chunk]) => chunk));
  }

  #messages(streamId: number, unordered: boolean): Messages {
    const key = `${streamId} ${unordered}`;
    const messages = this.#streams.get(key) ?? { next: 0, waiting: new Map() };
    this.#streams.set(key, messages);
    return messages;
  }
}

function isWhole(chunks: Map<number, DataChunk>): boolean {
  const places = [...chunks.keys()];
  const last = Math.max(...places);
  return chunks.has(0) && chunks.get(last)?.end === true && places.length === last + 1;
}
