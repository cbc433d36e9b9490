/** A message on its way out. */
export interface OutgoingMessage {
  readonly streamId: number;
  readonly ppid: number;
  readonly data: Uint8Array;
  readonly unordered: boolean;
  /** Infinity: reliable. */
  readonly maxRetransmits: number;
  /** Absolute; Infinity: no limit. */
  readonly expiresAt: number;
}

/** A piece of a message, as large as the room that was left. */
export interface Fragment {
  readonly message: OutgoingMessage;
  readonly data: Uint8Array;
  /** SSN, or MID. */
  readonly number: number;
  /** Its place in the message. */
  readonly fsn: number;
  readonly begin: boolean;
  readonly end: boolean;
}

interface Stream {
  readonly messages: OutgoingMessage[];
  /** Bytes of the first message that were handed out. */
  offset: number;
  /** Pieces of it. */
  pieces: number;
  nextNumber: number;
  nextUnordered: number;
}

/**
 * What waits to be sent: streams take turns, message by message; a message that was begun is finished first. With I-DATA they take
 * turns piece by piece. Cuts to any room, as browsers do: a message may be split only because the packet or the congestion window
 * was nearly full.
 */
export class SctpQueue {
  readonly #streams = new Map<number, Stream>();
  #turn: number[] = [];
  #begun: Stream | undefined;
  bytes = 0;
  readonly #interleaves: boolean;

  constructor(interleaves: boolean) {
    this.#interleaves = interleaves;
  }

  push(message: OutgoingMessage): void {
    let stream = this.#streams.get(message.streamId);
    if (stream === undefined) {
      stream = { messages: [], offset: 0, pieces: 0, nextNumber: 0, nextUnordered: 0 };
      this.#streams.set(message.streamId, stream);
    }
    if (stream.messages.length === 0) this.#turn.push(message.streamId);
    stream.messages.push(message);
    this.bytes += message.data.length;
  }

  /** The next piece of at most `room` bytes; `undefined` when nothing waits. */
  take(now: number, room: number): Fragment | undefined {
    const stream = this.#begun ?? this.#nextStream(now);
    if (stream === undefined) return undefined;
    const message = stream.messages[0];
    const begin = stream.offset === 0;
    const data = message.data.subarray(stream.offset, stream.offset + room);
    const end = stream.offset + data.length === message.data.length;
    const number = message.unordered ? stream.nextUnordered : stream.nextNumber;
    const fsn = stream.pieces++;
    this.bytes -= data.length;
    stream.offset += data.length;
    this.#begun = end || this.#interleaves ? undefined : stream;
    if (end) this.#finish(stream);
    else if (this.#interleaves) this.#turn.push(message.streamId);
    return { message, data, number, fsn, begin, end };
  }

  /** Forgets the rest of a message that was begun; true if there was one. */
  discardRest(message: OutgoingMessage): boolean {
    const stream = this.#streams.get(message.streamId);
    if (stream === undefined || stream.messages[0] !== message || stream.offset === 0) return false;
    this.bytes -= message.data.length - stream.offset;
    this.#begun = undefined;
    this.#turn = this.#turn.filter((streamId) => streamId !== message.streamId);
    this.#finish(stream);
    return true;
  }

  isEmpty(streamId: number): boolean {
    return (this.#streams.get(streamId)?.messages.length ?? 0) === 0;
  }

  /** A stream that was reset starts at SSN 0 again (RFC 6525 §5.2.2). */
  restartSequence(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) stream.nextNumber = stream.nextUnordered = 0;
  }

  #nextStream(now: number): Stream | undefined {
    for (;;) {
      const streamId = this.#turn.shift();
      if (streamId === undefined) return undefined;
      const stream = this.#streams.get(streamId) as Stream;
      while (stream.offset === 0 && stream.messages.length > 0 && stream.messages[0].expiresAt <= now) {
        this.bytes -= (stream.messages.shift() as OutgoingMessage).data.length;
      }
      if (stream.messages.length > 0) return stream;
    }
  }

  #finish(stream: Stream): void {
    const message = stream.messages.shift() as OutgoingMessage;
    if (message.unordered) stream.nextUnordered++;
    else stream.nextNumber++;
    stream.offset = 0;
    stream.pieces = 0;
    if (stream.messages.length > 0) this.#turn.push(message.streamId);
  }
}
