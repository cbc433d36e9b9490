/** Where the payload's bytes come from, so that a receiver can tell whether they are the ones that were sent. */
function fillByte(index: number, at: number): number {
  return (Math.imul(index, 31) + at) & 0xff;
}

const HEADER_BYTES = 4;

/** One direction of numbered messages: what was sent, what arrived, how often and how intact. */
export class Flow {
  readonly bytes: number;
  sent = 0;
  /** Messages that arrived, each counted once. */
  delivered = 0;
  /** Arrivals of messages that had arrived before. Must stay 0. */
  duplicates = 0;
  /** Arrivals that nobody sent in this form. Must stay 0. */
  damaged = 0;
  /** Arrivals behind a message with a higher number. */
  outOfOrder = 0;
  readonly #seen = new Set<number>();
  #highest = -1;

  /** @param bytes of each message, 4 or more */
  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** Share of the messages that did not arrive. */
  get loss(): number {
    return this.sent === 0 ? 0 : 1 - this.delivered / this.sent;
  }

  /** The next message to send. */
  next(): Uint8Array {
    const index = this.sent++;
    const message = new Uint8Array(this.bytes);
    new DataView(message.buffer).setUint32(0, index);
    for (let at = HEADER_BYTES; at < this.bytes; at++) message[at] = fillByte(index, at);
    return message;
  }

  /**
   * Takes note of an arrival.
   *
   * @returns the message's number, counted from 0, where it is intact and new
   */
  receive(message: string | Uint8Array): number | undefined {
    if (typeof message === "string" || !this.#isIntact(message)) {
      this.damaged++;
      return undefined;
    }
    const index = indexOf(message);
    if (this.#seen.has(index)) {
      this.duplicates++;
      return undefined;
    }
    this.#seen.add(index);
    this.delivered++;
    if (index < this.#highest) this.outOfOrder++;
    this.#highest = Math.max(this.#highest, index);
    return index;
  }

  has(index: number): boolean {
    return this.#seen.has(index);
  }

  #isIntact(message: Uint8Array): boolean {
    if (message.length !== this.bytes) return false;
    const index = indexOf(message);
    if (index >= this.sent) return false;
    for (let at = HEADER_BYTES; at < message.length; at++) if (message[at] !== fillByte(index, at)) return false;
    return true;
  }
}

function indexOf(message: Uint8Array): number {
  return new DataView(message.buffer, message.byteOffset, message.byteLength).getUint32(0);
}
