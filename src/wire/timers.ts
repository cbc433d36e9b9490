/**
 * The named timers of one state machine: an absolute deadline in milliseconds each, and the earliest of them all.
 * Nothing runs by itself: the owner asks for `next`, sleeps until then, and asks `expire` which timers are due.
 */
export class Timers<Name extends string> {
  readonly #deadlines = new Map<Name, number>();
  #next = Number.POSITIVE_INFINITY;

  /** The earliest deadline, or `Infinity`. */
  get next(): number {
    return this.#next;
  }

  isSet(name: Name): boolean {
    return this.#deadlines.has(name);
  }

  deadline(name: Name): number {
    return this.#deadlines.get(name) ?? Number.POSITIVE_INFINITY;
  }

  set(name: Name, deadline: number): void {
    this.#deadlines.set(name, deadline);
    this.#refresh();
  }

  clear(name: Name): void {
    if (this.#deadlines.delete(name)) this.#refresh();
  }

  clearAll(): void {
    this.#deadlines.clear();
    this.#next = Number.POSITIVE_INFINITY;
  }

  /** Takes one timer that is due at `now` out of the table, the earliest first; `undefined` when none is. */
  expire(now: number): Name | undefined {
    if (this.#next > now) return undefined;
    let due: Name | undefined;
    for (const [name, deadline] of this.#deadlines) {
      if (deadline <= this.#next) due = name;
    }
    if (due !== undefined) this.clear(due);
    return due;
  }

  #refresh(): void {
    let next = Number.POSITIVE_INFINITY;
    for (const deadline of this.#deadlines.values()) if (deadline < next) next = deadline;
    this.#next = next;
  }
}
