import { ClosedError } from "../errors.ts";
import type { Names } from "../application/names.ts";

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

/** Who waits for a message. An object and no closures: one is made for each message that comes alone. */
interface Waiter<Item> {
  resolve(item: Item): void;
  reject(reason: unknown): void;
  /** Lets go of the signal that could end the wait, where there is one. */
  release: (() => void) | undefined;
}

/** Hands messages to `recv` and to iterations: to whoever waits already, else they wait themselves. */
export class ReceiveQueue<Item extends object> {
  readonly #what: string;
  readonly #waiting: Waiting<Item>;
  /** First come, first served. */
  readonly #waiters = new Set<Waiter<Item>>();
  #closed = false;

  /** @param what names the owner in the error after close: "the server" */
  constructor(what: string, waiting: Waiting<Item>) {
    this.#what = what;
    this.#waiting = waiting;
  }

  push(item: Item): void {
    if (this.#closed) return;
    for (const waiter of this.#waiters) {
      leave(waiter, this.#waiters);
      waiter.resolve(item);
      return;
    }
    this.#waiting.push(item);
  }

  /** The next message that waits, or the next one to come. Rejects with `ClosedError`, or with the signal's reason. */
  pop(signal?: AbortSignal): Promise<Item> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#waiting.length > 0) return Promise.resolve(this.#waiting.shift());
    if (this.#closed) return Promise.reject(new ClosedError(this.#what));
    return new Promise((resolve, reject) => {
      const waiter: Waiter<Item> = { resolve, reject, release: undefined };
      this.#waiters.add(waiter);
      if (signal !== undefined) endWith(signal, waiter, this.#waiters);
    });
  }

  /** What waits can still be popped; then, and for all who wait now, `pop` rejects with `ClosedError`. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters) {
      leave(waiter, this.#waiters);
      waiter.reject(new ClosedError(this.#what));
    }
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

// No private methods, which Chromium 80 has not: the page's client is for it, too.

/** The wait ends when the signal aborts. */
function endWith<Item>(signal: AbortSignal, waiter: Waiter<Item>, waiters: Set<Waiter<Item>>): void {
  const abort = () => {
    leave(waiter, waiters);
    waiter.reject(signal.reason);
  };
  signal.addEventListener("abort", abort);
  waiter.release = () => signal.removeEventListener("abort", abort);
}

function leave<Item>(waiter: Waiter<Item>, waiters: Set<Waiter<Item>>): void {
  waiters.delete(waiter);
  waiter.release?.();
}
