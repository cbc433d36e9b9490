import { ClosedError } from "./errors.ts";
import type { Names } from "./names.ts";

/** Options of `recv`. */
export interface ReceiveOptions {
  /** Gives up waiting when it aborts. */
  signal?: AbortSignal;
}

export const RECEIVE_OPTIONS: Names<ReceiveOptions> = { signal: true };

/** Where messages wait; it decides which is next, and which makes room. */
export interface Waiting<Item> {
  readonly length: number;
  push(item: Item): void;
  /** Takes the next one; there must be one. */
  shift(): Item;
}

/** Hands messages to `recv` and to iterations: to whoever waits already, else they wait themselves. */
export class ReceiveQueue<Item extends object> {
  readonly #what: string;
  readonly #waiting: Waiting<Item>;
  /** Those who wait, first come first: called with a message, or without one when there will be none. */
  readonly #waiters = new Set<(item?: Item) => void>();
  #closed = false;

  /** @param what names the owner in the error after close: "the server" */
  constructor(what: string, waiting: Waiting<Item>) {
    this.#what = what;
    this.#waiting = waiting;
  }

  push(item: Item): void {
    if (this.#closed) return;
    const [settle] = this.#waiters;
    if (settle) settle(item);
    else this.#waiting.push(item);
  }

  /** The next message that waits, or the next one to come. Rejects with `ClosedError`, or with the signal's reason. */
  pop(signal?: AbortSignal): Promise<Item> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#waiting.length > 0) return Promise.resolve(this.#waiting.shift());
    if (this.#closed) return Promise.reject(new ClosedError(this.#what));
    return new Promise((resolve, reject) => {
      const settle = (item?: Item) => {
        this.#waiters.delete(settle);
        signal?.removeEventListener("abort", abort);
        if (item) resolve(item);
        else reject(signal?.aborted ? signal.reason : new ClosedError(this.#what));
      };
      const abort = () => settle();
      signal?.addEventListener("abort", abort);
      this.#waiters.add(settle);
    });
  }

  /** What waits can still be popped; then, and for all who wait now, `pop` rejects with `ClosedError`. */
  close(): void {
    this.#closed = true;
    for (const settle of this.#waiters) settle();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, void> {
    for (;;) {
      let item: Item;
      try {
        item = this.#waiting.length > 0 ? this.#waiting.shift() : await this.pop();
      } catch {
        return; // Closed.
      }
      yield item;
    }
  }
}
