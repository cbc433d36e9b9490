import type { BacklogBounds, Waitable } from "./backlog.ts";

/** What a backlog may hold, beside the messages that it keeps. */
export interface KeptBacklogBounds<Item extends Waitable> extends BacklogBounds<Item> {
  /** A message that makes no room: its sender has been told that it has come. */
  isKept(item: Item): boolean;
  /** `unreadBytes` is another one: so its sender has less room, or more. */
  unreadChanged(backlog: KeptBacklog<Item>): void;
}

/** What a message takes beside its data: an object, an array and the buffer behind it (measured). */
export const WAITING_BYTES = 320;
const LEFT_BEFORE_CUT = 64;

/**
 * A backlog for those who can narrow their sender's window (a page cannot: it has `Backlog`). Where unreliable messages are too many the oldest of them is dropped, because
 * late state is worth less than fresh state, and because progress must never depend on someone calling `recv`.
 *
 * A reliable message was acknowledged when it came (RFC 9260 §6.2), and is kept: what bounds them is their sender's window, which
 * `unreadBytes` narrows.
 */
export class KeptBacklog<Item extends Waitable> {
  readonly #bounds: KeptBacklogBounds<Item>;
  /** What is in front of `#head` has been taken; behind it there are gaps where something was dropped. They are closed now and then. */
  readonly #items: (Item | undefined)[] = [];
  #head = 0;
  /** In front of it nothing can be dropped. */
  #dropFrom = 0;
  #kept = 0;
  #keptBytes = 0;
  /** Messages that wait. Only to be read, as those that follow. */
  length = 0;
  /** User data of all. */
  bytes = 0;

  constructor(bounds: KeptBacklogBounds<Item>) {
    this.#bounds = bounds;
  }

  /** Messages that can be dropped, and their user data. */
  get droppable(): number {
    return this.length - this.#kept;
  }

  get droppableBytes(): number {
    return this.bytes - this.#keptBytes;
  }

  /** What the kept messages take. */
  get unreadBytes(): number {
    return this.#keptBytes + this.#kept * WAITING_BYTES;
  }

  /** One message always fits, whatever its length. */
  push(item: Item): void {
    const { length } = item.data;
    const isKept = this.#bounds.isKept(item);
    if (!isKept) this.#makeRoom(length);
    this.#items.push(item);
    this.length++;
    this.bytes += length;
    if (isKept) this.#countKept(1, length);
  }

  /** Takes the oldest; there must be one. */
  shift(): Item {
    while (this.#items[this.#head] === undefined) this.#head++;
    const item = this.#items[this.#head]!;
    this.#items[this.#head++] = undefined;
    this.#left(item);
    if (this.#bounds.isKept(item)) this.#countKept(-1, -item.data.length);
    return item;
  }

  /** Takes the oldest that can be dropped; there must be one. */
  drop(): Item {
    let at = Math.max(this.#head, this.#dropFrom);
    for (; ; at++) {
      const item = this.#items[at];
      if (item === undefined || this.#bounds.isKept(item)) continue;
      this.#items[at] = undefined;
      this.#dropFrom = at + 1;
      this.#left(item);
      return item;
    }
  }

  #makeRoom(bytes: number): void {
    const bounds = this.#bounds;
    while (this.droppable >= bounds.messages || (this.droppable > 0 && this.droppableBytes + bytes > bounds.bytes)) {
      bounds.dropped(this.drop());
    }
  }

  #left(item: Item): void {
    this.length--;
    this.bytes -= item.data.length;
    // As many moves as there were items taken since the last time: constant cost for each.
    const gaps = this.#items.length - this.length;
    if (gaps >= LEFT_BEFORE_CUT && gaps >= this.length) this.#closeGaps();
  }

  #closeGaps(): void {
    const items = this.#items;
    let end = 0;
    let dropFrom = 0;
    for (let at = this.#head; at < items.length; at++) {
      if (at === this.#dropFrom) dropFrom = end;
      if (items[at] !== undefined) items[end++] = items[at];
    }
    if (this.#dropFrom >= items.length) dropFrom = end;
    items.length = end;
    this.#head = 0;
    this.#dropFrom = dropFrom;
  }

  #countKept(messages: number, bytes: number): void {
    this.#kept += messages;
    this.#keptBytes += bytes;
    this.#bounds.unreadChanged(this);
  }
}
