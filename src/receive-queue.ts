import { ClosedError } from "./errors.ts";

const KEPT_BEFORE_CUT = 64;

interface Waiter<Item> {
  resolve(item: Item): void;
  reject(error: unknown): void;
}

/**
 * Messages that wait for `recv`. Bounded in messages and bytes: when it is full the oldest is dropped and counted, because
 * late state is worth less than fresh state, and because progress must never depend on someone calling `recv`.
 */
export class ReceiveQueue<Item> {
  readonly #what: string;
  readonly #maxItems: number;
  readonly #maxBytes: number;
  readonly #onDrop: () => void;
  /** `#items[#head]` is the oldest; what is in front of it has been taken, and is cut off now and then. */
  readonly #items: (Item | undefined)[] = [];
  readonly #sizes: number[] = [];
  #head = 0;
  #bytes = 0;
  readonly #waiters = new Set<Waiter<Item>>();
  #closed = false;

  /** @param what names the owner in the error after close: "the server" */
  constructor(what: string, maxItems: number, maxBytes: number, onDrop: () => void) {
    this.#what = what;
    this.#maxItems = maxItems;
    this.#maxBytes = maxBytes;
    this.#onDrop = onDrop;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: Item, bytes: number): void {
    if (this.#closed) return;
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      waiter.resolve(item);
      return;
    }
    while (this.length >= this.#maxItems || (this.length > 0 && this.#bytes + bytes > this.#maxBytes)) {
      this.#shift();
      this.#onDrop();
    }
    this.#items.push(item);
    this.#sizes.push(bytes);
    this.#bytes += bytes;
  }

  /** The oldest message, or the next one to come. Rejects with `ClosedError`, or with the signal's reason. */
  pop(signal?: AbortSignal): Promise<Item> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.length > 0) return Promise.resolve(this.#shift());
    if (this.#closed) return Promise.reject(new ClosedError(this.#what));
    return new Promise((resolve, reject) => {
      if (signal === undefined) {
        this.#waiters.add({ resolve, reject });
        return;
      }
      const abort = () => {
        this.#waiters.delete(waiter);
        reject(signal.reason);
      };
      const settle = () => signal.removeEventListener("abort", abort);
      const waiter: Waiter<Item> = {
        resolve: (item) => {
          settle();
          resolve(item);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** What waits can still be popped; then, and for all who wait now, `pop` rejects with `ClosedError`. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters) waiter.reject(new ClosedError(this.#what));
    this.#waiters.clear();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, void> {
    for (;;) {
      if (this.length > 0) {
        yield this.#shift();
      } else if (this.#closed) {
        return;
      } else {
        try {
          yield await this.pop();
        } catch (error) {
          if (error instanceof ClosedError) return;
          throw error;
        }
      }
    }
  }

  #shift(): Item {
    const item = this.#items[this.#head] as Item;
    this.#items[this.#head] = undefined;
    this.#bytes -= this.#sizes[this.#head];
    this.#head++;
    // As many moves as there were items taken since the last time: constant cost for each.
    if (this.#head >= KEPT_BEFORE_CUT && 2 * this.#head >= this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#sizes.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }
}
