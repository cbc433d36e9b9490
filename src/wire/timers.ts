interface Timer<Name> {
  readonly name: Name;
  readonly deadline: number;
  /** The one that is due after it. */
  next: Timer<Name> | undefined;
}

/**
 * The named timers of one state machine: an absolute deadline in milliseconds each, and the earliest of them all.
 * Nothing runs by itself: the owner asks for `next`, sleeps until then, and asks `expire` which timers are due.
 */
export class Timers<Name extends string> {
  /** Those that are set, by deadline. There are two or three, and mostly none. */
  #first: Timer<Name> | undefined;

  /** The earliest deadline, or `Infinity`. */
  get next(): number {
    return this.#first === undefined ? Number.POSITIVE_INFINITY : this.#first.deadline;
  }

  isSet(name: Name): boolean {
    for (let timer = this.#first; timer !== undefined; timer = timer.next) if (timer.name === name) return true;
    return false;
  }

  /** Among equal deadlines the one that was set first expires first. */
  set(name: Name, deadline: number): void {
    this.clear(name);
    let before: Timer<Name> | undefined;
    for (let timer = this.#first; timer !== undefined && timer.deadline <= deadline; timer = timer.next) before = timer;
    const timer = { name, deadline, next: before === undefined ? this.#first : before.next };
    if (before === undefined) this.#first = timer;
    else before.next = timer;
  }

  clear(name: Name): void {
    let before: Timer<Name> | undefined;
    for (let timer = this.#first; timer !== undefined; before = timer, timer = timer.next) {
      if (timer.name !== name) continue;
      if (before === undefined) this.#first = timer.next;
      else before.next = timer.next;
      return;
    }
  }

  clearAll(): void {
    this.#first = undefined;
  }

  /** Takes one timer that is due at `now` out of the table, the earliest first; `undefined` when none is. */
  expire(now: number): Name | undefined {
    const due = this.#first;
    if (due === undefined || due.deadline > now) return undefined;
    this.#first = due.next;
    return due.name;
  }
}
