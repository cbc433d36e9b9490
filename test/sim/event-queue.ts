/** What is to happen, by time; in the order it was put in where times are equal. A binary heap. */
export class EventQueue {
  readonly #heap: { time: number; order: number; action: () => void }[] = [];
  #order = 0;

  /** The time of the earliest event, or `Infinity`. */
  get nextTime(): number {
    return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : this.#heap[0].time;
  }

  push(time: number, action: () => void): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push({ time, order: this.#order++, action });
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!this.#before(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** Takes the earliest event out. */
  pop(): () => void {
    const heap = this.#heap;
    const last = heap.length - 1;
    if (last < 0) throw new RangeError("pop of an empty queue");
    this.#swap(0, last);
    const { action } = heap.pop() as { action: () => void };
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      if (left >= last) break;
      const child = left + 1 < last && this.#before(left + 1, left) ? left + 1 : left;
      if (!this.#before(child, at)) break;
      this.#swap(child, at);
      at = child;
    }
    return action;
  }

  #before(a: number, b: number): boolean {
    const one = this.#heap[a];
    const other = this.#heap[b];
    return one.time < other.time || (one.time === other.time && one.order < other.order);
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap;
    const moved = heap[a];
    heap[a] = heap[b];
    heap[b] = moved;
  }
}
