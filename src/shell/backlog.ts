/** What can wait: all that a backlog must know of a message. */
export interface Waitable {
  readonly data: Uint8Array | string;
}

/** What a backlog may hold. */
export interface BacklogBounds<Item> {
  readonly messages: number;
  /** User data; for text, UTF-16 code units. */
  readonly bytes: number;
  /** Told of each message that had to make room. */
  dropped(item: Item): void;
}

const KEPT_BEFORE_CUT = 64;

/**
 * Messages of one sender, in the order in which they came. When it is full the oldest is dropped, because late state is worth less
 * than fresh state, and because progress must never depend on someone calling `recv`.
 */
export class Backlog<Item extends Waitable> {
  readonly #bounds: BacklogBounds<Item>;
  /** `#items[#head]` is the oldest; what is in front of it has been taken, and is cut off now and then. */
  readonly #items: (Item | undefined)[] = [];
  #head = 0;
  /** User data that waits. Only to be read. */
  bytes = 0;

  constructor(bounds: BacklogBounds<Item>) {
    this.#bounds = bounds;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** One message always fits, whatever its length. */
  push(item: Item): void {
    const { messages, bytes } = this.#bounds;
    const { length } = item.data;
    while (this.length >= messages || (this.length > 0 && this.bytes + length > bytes)) {
      this.#bounds.dropped(this.shift());
    }
    this.#items.push(item);
    this.bytes += length;
  }

  /** Takes the oldest; there must be one. */
  shift(): Item {
    const item = this.#items[this.#head]!;
    this.#items[this.#head++] = undefined;
    this.bytes -= item.data.length;
    // As many moves as there were items taken since the last time: constant cost for each.
    if (this.#head >= KEPT_BEFORE_CUT && 2 * this.#head >= this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }
}
