/** Bytes in front of a message: its number and when it was sent. */
export const HEADER_BYTES = 12;

/** How far back a repeated message is recognised as one. */
const WINDOW = 1_024;

/** What became of one received message. */
export type Arrival =
  | { readonly kind: "echo"; readonly sentAt: number; readonly isLate: boolean }
  | { readonly kind: "duplicate" }
  /** Not one of ours. */
  | { readonly kind: "foreign" };

const DUPLICATE: Arrival = { kind: "duplicate" };
const FOREIGN: Arrival = { kind: "foreign" };

/** The numbered messages of one client, and which of them came back. */
export class Flow {
  readonly #message: Uint8Array;
  readonly #view: DataView;
  /** The numbers seen, by number modulo the window. */
  readonly #seen = new Int32Array(WINDOW).fill(-1);
  #next = 0;
  #highest = -1;

  /** @param bytes of each message, at least {@link HEADER_BYTES} */
  constructor(bytes: number) {
    this.#message = new Uint8Array(bytes);
    this.#view = new DataView(this.#message.buffer);
  }

  /** The next message, numbered and dated; borrowed until the next call. */
  next(now: number): Uint8Array {
    this.#view.setUint32(0, this.#next++);
    this.#view.setFloat64(4, now);
    return this.#message;
  }

  receive(data: Uint8Array | string): Arrival {
    if (typeof data === "string" || data.length !== this.#message.length) return FOREIGN;
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const number = view.getUint32(0);
    if (number >= this.#next) return FOREIGN;
    const slot = number % WINDOW;
    if (this.#seen[slot] >= number) return DUPLICATE;
    this.#seen[slot] = number;
    const isLate = number < this.#highest;
    if (!isLate) this.#highest = number;
    return { kind: "echo", sentAt: view.getFloat64(4), isLate };
  }
}
