import { ChunkType, decodeParameters, encodeParameters, padded, type RawChunk, viewOf } from "./sctp-packet.ts";

/** Parameters of RFC 6525 §4.1 and §4.4. */
const OUTGOING_RESET = 13;
const RESPONSE = 16;

const PERFORMED = 1;
const IN_PROGRESS = 6;

export interface ResetHandlers {
  /** Whether everything up to this TSN (as on the wire) arrived. */
  hasReached(tsn: number): boolean;
  /** The peer ends these streams towards us; empty means all. */
  incoming(streamIds: readonly number[]): void;
  /** Our reset of these streams was performed. */
  performed(streamIds: readonly number[]): void;
}

/** Outgoing stream resets in both directions (RFC 6525), one request at a time. */
export class SctpReset {
  /** When the request under way is repeated. */
  deadline = Number.POSITIVE_INFINITY;

  readonly #handlers: ResetHandlers;
  readonly #waiting = new Set<number>();
  #requestSequence: number;
  #peerSequence: number;
  #request: { streamIds: number[]; lastTsn: number } | undefined;

  constructor(ownInitialTsn: number, peerInitialTsn: number, handlers: ResetHandlers) {
    this.#requestSequence = ownInitialTsn;
    this.#peerSequence = (peerInitialTsn - 1) >>> 0;
    this.#handlers = handlers;
  }

  add(streamIds: readonly number[]): void {
    for (const id of streamIds) this.#waiting.add(id);
  }

  /** A new request over the waiting streams whose queue is empty, unless one is under way. */
  nextRequest(now: number, rtoMs: number, lastTsn: number, isDrained: (id: number) => boolean): RawChunk | undefined {
    if (this.#request !== undefined) return undefined;
    const streamIds = [...this.#waiting].filter(isDrained);
    if (streamIds.length === 0) return undefined;
    for (const id of streamIds) this.#waiting.delete(id);
    this.#request = { streamIds, lastTsn };
    return this.repeat(now, rtoMs);
  }

  repeat(now: number, rtoMs: number): RawChunk | undefined {
    if (this.#request === undefined) return undefined;
    this.deadline = now + rtoMs;
    const { streamIds, lastTsn } = this.#request;
    const value = new Uint8Array(12 + 2 * streamIds.length);
    const view = viewOf(value);
    view.setUint32(0, this.#requestSequence);
    view.setUint32(4, this.#peerSequence);
    view.setUint32(8, lastTsn);
    streamIds.forEach((id, i) => {
      view.setUint16(12 + 2 * i, id);
    });
    return reConfig(OUTGOING_RESET, value);
  }

  /** @returns the responses to what the chunk asks for */
  handleReConfig(chunk: RawChunk): RawChunk[] {
    const responses: RawChunk[] = [];
    for (const { type, value } of decodeParameters(chunk.value.subarray(0, padded(chunk.value.length))) ?? []) {
      if (type === OUTGOING_RESET && value.length >= 12) responses.push(this.#handleRequest(value));
      if (type === RESPONSE && value.length >= 8) this.#handleResponse(value);
    }
    return responses;
  }

  #handleRequest(value: Uint8Array): RawChunk {
    const view = viewOf(value);
    const sequence = view.getUint32(0);
    const lastTsn = view.getUint32(8);
    if (sequence === this.#peerSequence) return response(sequence, PERFORMED);
    if (!this.#handlers.hasReached(lastTsn)) return response(sequence, IN_PROGRESS);
    this.#peerSequence = sequence;
    const streamIds: number[] = [];
    for (let at = 12; at + 2 <= value.length; at += 2) streamIds.push(view.getUint16(at));
    this.#handlers.incoming(streamIds);
    return response(sequence, PERFORMED);
  }

  #handleResponse(value: Uint8Array): void {
    const view = viewOf(value);
    if (this.#request === undefined || view.getUint32(0) !== this.#requestSequence) return;
    if (view.getUint32(4) === IN_PROGRESS) return;
    const { streamIds } = this.#request;
    this.#request = undefined;
    this.#requestSequence = (this.#requestSequence + 1) >>> 0;
    this.deadline = Number.POSITIVE_INFINITY;
    this.#handlers.performed(streamIds);
  }
}

function response(sequence: number, result: number): RawChunk {
  const value = new Uint8Array(8);
  viewOf(value).setUint32(0, sequence);
  viewOf(value).setUint32(4, result);
  return reConfig(RESPONSE, value);
}

function reConfig(type: number, value: Uint8Array): RawChunk {
  return { type: ChunkType.reConfig, flags: 0, value: encodeParameters([{ type, value }]) };
}
