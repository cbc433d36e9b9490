/** Bytes in front of a message: its number and when it was sent, in microseconds modulo 2^32 (71 minutes). */
export const HEADER_BYTES = 8;

/** What is known of one client, in 32-bit words: little, and in one place, as a thousand clients take turns. */
const ROW_WORDS = 16;
const NEXT = 0;
const HIGHEST = 1;
/** One bit for each of the last numbers, by number modulo the window. */
const SEEN = 2;

/** How far back a repeated message is told from a late one; what comes later than that counts as repeated. */
const WINDOW = 32 * (ROW_WORDS - SEEN);

/** What became of one received message: `foreign` is not one of ours. */
export type Arrival = "echo" | "late" | "duplicate" | "foreign";

/** The numbered messages of all clients, and which of them came back. */
export class Flows {
  readonly #message: Uint8Array;
  readonly #view: DataView;
  readonly #rows: Int32Array;
  /** Of the last message that came back for the first time, ms. */
  roundTripMs = 0;

  /** @param bytes of each message, at least {@link HEADER_BYTES} */
  constructor(clients: number, bytes: number) {
    this.#message = new Uint8Array(bytes);
    this.#view = new DataView(this.#message.buffer);
    this.#rows = new Int32Array(clients * ROW_WORDS);
    for (let client = 0; client < clients; client++) this.#rows[client * ROW_WORDS + HIGHEST] = -1;
  }

  /** A client's next message, numbered and dated; borrowed until the next call. */
  next(client: number, now: number): Uint8Array {
    this.#view.setUint32(0, this.#rows[client * ROW_WORDS + NEXT]++);
    this.#view.setUint32(4, microseconds(now));
    return this.#message;
  }

  receive(client: number, now: number, data: Uint8Array | string): Arrival {
    if (typeof data === "string" || data.length !== this.#message.length) return "foreign";
    const row = client * ROW_WORDS;
    const number = uint32(data, 0);
    if (number >= this.#rows[row + NEXT]) return "foreign";
    const highest = this.#rows[row + HIGHEST];
    const isLate = number < highest;
    if (isLate) {
      if (highest - number >= WINDOW || this.#isSeen(row, number)) return "duplicate";
    } else {
      if (number === highest) return "duplicate";
      this.#forget(row, highest + 1, number);
      this.#rows[row + HIGHEST] = number;
    }
    this.#rows[wordOf(row, number)] |= bitOf(number);
    this.roundTripMs = ((microseconds(now) - uint32(data, 4)) >>> 0) / 1_000;
    return isLate ? "late" : "echo";
  }

  #isSeen(row: number, number: number): boolean {
    return (this.#rows[wordOf(row, number)] & bitOf(number)) !== 0;
  }

  /** The bits of these numbers stood for those that are a window older. */
  #forget(row: number, first: number, last: number): void {
    for (let number = Math.max(first, last - WINDOW + 1); number <= last; number++) {
      this.#rows[wordOf(row, number)] &= ~bitOf(number);
    }
  }
}

function wordOf(row: number, number: number): number {
  return row + SEEN + ((number % WINDOW) >>> 5);
}

function bitOf(number: number): number {
  return 1 << (number & 31); // The window is a multiple of 32.
}

function microseconds(ms: number): number {
  return Math.floor(1_000 * ms) >>> 0;
}

/** Without a DataView, which would have to be made for each message. */
function uint32(data: Uint8Array, at: number): number {
  return ((data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3]) >>> 0;
}
