import { ClosedError } from "./errors.ts";

/** Where messages wait; it decides which is next, and which makes room. */
export interface Waiting<Item> {
  readonly length: number;
  push(item: Item): void;
  /** Takes the next one; there must be one. */
  shift(): Item;
}

interface Waiter<Item> {
  resolve(item: Item): void;
  reject(error: unknown): void;
  /** Lets go of the signal. */
  settled?(): void;
}

/** Hands messages to `recv` and to iterations: to whoever waits already, else they wait themselves. */
export class ReceiveQueue<Item> {
  readonly #what: string;
  readonly #waiting: Waiting<Item>;
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
      this.#waiters.delete(waiter);
      waiter.settled?.();
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
      const waiter: Waiter<Item> = { resolve, reject };
      this.#waiters.add(waiter);
      if (signal === undefined) return;
      const abort = () => {
        this.#waiters.delete(waiter);
        reject(signal.reason);
      };
      signal.addEventListener("abort", abort, { once: true });
      waiter.settled = () => signal.removeEventListener("abort", abort);
    });
  }

  /** What waits can still be popped; then, and for all who wait now, `pop` rejects with `ClosedError`. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters) {
      waiter.settled?.();
      waiter.reject(new ClosedError(this.#what));
    }
    this.#waiters.clear();
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
