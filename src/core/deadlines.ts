/**
 * A binary heap of deadlines: which of many items is due first, at a cost that does not grow with their number.
 *
 * The heap is lazy: when an item's deadline moves later nothing happens here; the entry comes up at its old time, and the
 * owner, asked through `deadlineOf`, has it sorted in again. Timers that are re-armed with every datagram (retransmission,
 * consent) so cost nothing per datagram.
 */
export interface HeapItem {
  /** Where the item stands in the heap; −1 when it is not in it. Owned by the heap. */
  heapIndex: number;
  /** The deadline under which the item is sorted. Owned by the heap. */
  heapDeadline: number;
}

export class Deadlines<Item extends HeapItem> {
  readonly #heap: Item[] = [];
  readonly #deadlineOf: (item: Item) => number;

  /** @param deadlineOf the item's real deadline in ms, `Infinity` for none */
  constructor(deadlineOf: (item: Item) => number) {
    this.#deadlineOf = deadlineOf;
  }

  /** A time before which nothing is due; `Infinity` when the heap is empty. */
  get next(): number {
    return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : this.#heap[0].heapDeadline;
  }

  /** Call after anything that may have moved the item's deadline to an earlier time. */
  update(item: Item): void {
    const deadline = this.#deadlineOf(item);
    if (item.heapIndex < 0) {
      if (deadline === Number.POSITIVE_INFINITY) return;
      item.heapDeadline = deadline;
      item.heapIndex = this.#heap.length;
      this.#heap.push(item);
      this.#up(item.heapIndex);
    } else if (deadline < item.heapDeadline) {
      item.heapDeadline = deadline;
      this.#up(item.heapIndex);
    }
  }

  remove(item: Item): void {
    const at = item.heapIndex;
    if (at < 0) return;
    item.heapIndex = -1;
    const last = this.#heap.pop()!;
    if (last === item) return;
    this.#place(at, last);
    this.#up(at);
    this.#down(last.heapIndex);
  }

  /** Takes out one item whose deadline has passed; its owner handles it and calls `update` again. */
  expire(now: number): Item | undefined {
    while (this.#heap.length > 0) {
      const first = this.#heap[0];
      if (first.heapDeadline > now) return undefined;
      const deadline = this.#deadlineOf(first);
      if (deadline <= now) {
        this.remove(first);
        return first;
      }
      if (deadline === Number.POSITIVE_INFINITY) {
        this.remove(first);
      } else {
        first.heapDeadline = deadline;
        this.#down(0);
      }
    }
    return undefined;
  }

  #place(at: number, item: Item): void {
    this.#heap[at] = item;
    item.heapIndex = at;
  }

  #up(from: number): void {
    const item = this.#heap[from];
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#heap[parent].heapDeadline <= item.heapDeadline) break;
      this.#place(at, this.#heap[parent]);
      at = parent;
    }
    this.#place(at, item);
  }

  #down(from: number): void {
    const item = this.#heap[from];
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && this.#heap[child + 1].heapDeadline < this.#heap[child].heapDeadline) child++;
      if (this.#heap[child].heapDeadline >= item.heapDeadline) break;
      this.#place(at, this.#heap[child]);
      at = child;
    }
    this.#place(at, item);
  }
}
