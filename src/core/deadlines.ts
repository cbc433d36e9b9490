/**
 * A heap of deadlines: which of many items is due first, at a cost that hardly grows with their number.
 *
 * The heap is lazy: when an item's deadline moves later it is noted, no more; the entry comes up at its old time and is sorted in
 * again. Timers that are re-armed with every datagram (retransmission, consent) so cost next to nothing per datagram.
 *
 * Times stand in lists of their own beside the items: an item is looked at when it is due, not each time the heap is sorted. Among
 * thousands of connections whoever looks at one waits for memory. For the same reason each entry has four below it, not two.
 */
export interface HeapItem {
  /** Where the item stands in the heap; −1 when it is not in it. Owned by the heap. */
  heapIndex: number;
}

const CHILDREN = 4;

export class Deadlines<Item extends HeapItem> {
  readonly #items: Item[] = [];
  /** The time under which each item is sorted. */
  readonly #keys: number[] = [];
  /** Each item's deadline as of the last `update`: its key, or later. */
  readonly #deadlines: number[] = [];
  readonly #deadlineOf: (item: Item) => number;

  /** @param deadlineOf the item's real deadline in ms, `Infinity` for none */
  constructor(deadlineOf: (item: Item) => number) {
    this.#deadlineOf = deadlineOf;
  }

  /** A time before which nothing is due; `Infinity` when the heap is empty. */
  get next(): number {
    return this.#keys.length === 0 ? Number.POSITIVE_INFINITY : this.#keys[0];
  }

  /** Call after anything that may have moved the item's deadline. Where only a later one is missed, it comes up too early at worst. */
  update(item: Item): void {
    const deadline = this.#deadlineOf(item);
    const at = item.heapIndex;
    if (at < 0) {
      if (deadline === Number.POSITIVE_INFINITY) return;
      this.#items.push(item);
      this.#keys.push(deadline);
      this.#deadlines.push(deadline);
      this.#up(this.#items.length - 1, item, deadline, deadline);
    } else if (deadline < this.#keys[at]) {
      this.#up(at, item, deadline, deadline);
    } else {
      this.#deadlines[at] = deadline;
    }
  }

  remove(item: Item): void {
    const at = item.heapIndex;
    if (at < 0) return;
    item.heapIndex = -1;
    const last = this.#items.pop()!;
    const key = this.#keys.pop()!;
    const deadline = this.#deadlines.pop()!;
    if (last === item) return;
    if (at > 0 && key < this.#keys[parentOf(at)]) this.#up(at, last, key, deadline);
    else this.#down(at, last, key, deadline);
  }

  /** Takes out one item whose deadline has passed; its owner handles it and calls `update` again. */
  expire(now: number): Item | undefined {
    while (this.#keys.length > 0 && this.#keys[0] <= now) {
      const first = this.#items[0];
      let deadline = this.#deadlines[0];
      if (deadline <= now) deadline = this.#deadlineOf(first);
      if (deadline <= now) {
        this.remove(first);
        return first;
      }
      if (deadline === Number.POSITIVE_INFINITY) this.remove(first);
      else this.#down(0, first, deadline, deadline);
    }
    return undefined;
  }

  /** Finds the place of an entry at `at` or above. */
  #up(at: number, item: Item, key: number, deadline: number): void {
    while (at > 0) {
      const parent = parentOf(at);
      if (this.#keys[parent] <= key) break;
      this.#place(at, this.#items[parent], this.#keys[parent], this.#deadlines[parent]);
      at = parent;
    }
    this.#place(at, item, key, deadline);
  }

  /** Finds the place of an entry at `at` or below. */
  #down(at: number, item: Item, key: number, deadline: number): void {
    const keys = this.#keys;
    for (;;) {
      const first = CHILDREN * at + 1;
      if (first >= keys.length) break;
      let least = first;
      const end = Math.min(first + CHILDREN, keys.length);
      for (let child = first + 1; child < end; child++) if (keys[child] < keys[least]) least = child;
      if (keys[least] >= key) break;
      this.#place(at, this.#items[least], keys[least], this.#deadlines[least]);
      at = least;
    }
    this.#place(at, item, key, deadline);
  }

  #place(at: number, item: Item, key: number, deadline: number): void {
    this.#items[at] = item;
    this.#keys[at] = key;
    this.#deadlines[at] = deadline;
    item.heapIndex = at;
  }
}

function parentOf(at: number): number {
  return Math.floor((at - 1) / CHILDREN);
}
