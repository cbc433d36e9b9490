/** The server's end of flows and bulk transfers; the page's end is in `page/harness.js`. */
import type { Channel, Connection } from "../../src/index.ts";
import type { BulkOptions, FlowOptions } from "./harness.ts";

/** A connection says nothing when its queue has room again. */
const FILL_INTERVAL_MS = 5;

/** Sends numbered messages at a steady rate, catching up where a timer came late; resolves with how many were taken. */
export function sendFlow(
  connection: Connection,
  { count, hz, bytes }: Omit<FlowOptions, "channel" | "first">,
  onSend: (number: number) => void = () => {},
): Promise<number> {
  const started = performance.now();
  let next = 0;
  let taken = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(count, Math.floor(((performance.now() - started) * hz) / 1_000) + 1);
      while (next < due) {
        onSend(next);
        if (connection.trySend(numbered(next++, bytes))) taken++;
      }
      if (next < count && connection.state === "open") return;
      clearInterval(timer);
      resolve(taken);
    }, 1_000 / hz);
  });
}

function numbered(number: number, bytes: number): Uint8Array {
  const message = new Uint8Array(bytes);
  new DataView(message.buffer).setUint32(0, number);
  return message;
}

/** Counts the numbered messages of one connection. */
export class FlowReceiver {
  readonly #seen = new Set<number>();
  duplicates = 0;

  get distinct(): number {
    return this.#seen.size;
  }

  add(message: Uint8Array): void {
    const number = new DataView(message.buffer, message.byteOffset).getUint32(0);
    if (this.#seen.has(number)) this.duplicates++;
    this.#seen.add(number);
  }
}

/** Sends bulk data, waiting wherever the queue is full. */
export async function sendBulk(
  connection: Connection,
  channel: Channel,
  bulk: Omit<BulkOptions, "channel">,
): Promise<void> {
  for (let n = 0; n < bulk.messages; n++) {
    const message = Uint32Array.from({ length: bulk.words }, (_, i) => n * bulk.words + i);
    while (!connection.trySend(message, { channel })) {
      if (connection.state !== "open") throw new Error(`the connection ended at bulk message ${n}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Messages of one length, as fast as they go: the queue is kept full until `stop`. */
export class BulkSender {
  readonly #connection: Connection;
  readonly #channel: Channel;
  readonly #message: Uint8Array;
  readonly #timer: NodeJS.Timeout;
  /** Messages that the connection has taken. */
  taken = 0;

  constructor(connection: Connection, channel: Channel, bytes: number) {
    this.#connection = connection;
    this.#channel = channel;
    this.#message = new Uint8Array(bytes);
    this.#timer = setInterval(() => this.#fill(), FILL_INTERVAL_MS);
    this.#fill();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #fill(): void {
    while (this.#connection.trySend(this.#message, { channel: this.#channel })) this.taken++;
  }
}

/** Checks bulk data as it arrives. */
export class BulkReceiver {
  readonly #bulk: Omit<BulkOptions, "channel">;
  readonly #done: () => void;
  received = 0;
  /** The first message that was not the next one as sent. */
  firstWrong: number | undefined;

  constructor(bulk: Omit<BulkOptions, "channel">, done: () => void) {
    this.#bulk = bulk;
    this.#done = done;
  }

  add(message: Uint8Array): void {
    const { words, messages } = this.#bulk;
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    let right = message.byteLength === words * 4;
    for (let i = 0; right && i < words; i++) right = view.getUint32(i * 4, true) === this.received * words + i;
    if (!right) this.firstWrong ??= this.received;
    if (++this.received === messages) this.#done();
  }
}
