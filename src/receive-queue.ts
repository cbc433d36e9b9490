import { ClosedError } from "./errors.ts";

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
  // A ring: `#items[#head]` is the oldest. Grows by doubling up to maxItems.
  #items: (Item | undefined)[] = new Array(64);
  #sizes: number[] = new Array(64).fill(0);
  #head = 0;
  #length = 0;
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
    return this.#length;
  }

  push(item: Item, bytes: number): void {
    if (this.#closed) return;
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      waiter.resolve(item);
      return;
    }
    while (this.#length >= this.#maxItems || (this.#length > 0 && this.#bytes + bytes > this.#maxBytes)) {
      this.#shift();
      this.#onDrop();
    }
    if (this.#length === this.#items.length) this.#grow();
    const at = (this.#head + this.#length) & (this.#items.length - 1);
    this.#items[at] = item;
    this.#sizes[at] = bytes;
    this.#length++;
    this.#bytes += bytes;
  }

  /** The oldest message, or the next one to come. Rejects with `ClosedError`, or with the signal's reason. */
  pop(signal?: AbortSignal): Promise<Item> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#length > 0) return Promise.resolve(this.#shift());
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
      if (this.#length > 0) {
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
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length--;
    return item;
  }

  #grow(): void {
    const capacity = this.#items.length;
    const order = Array.from({ length: capacity }, (_, i) => (this.#head + i) & (capacity - 1));
    this.#items = [...order.map((i) => this.#items[i]), ...new Array(capacity)];
    this.#sizes = [...order.map((i) => this.#sizes[i]), ...new Array(capacity).fill(0)];
    this.#head = 0;
  }
}
