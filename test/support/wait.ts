/** Waiting for something to happen, with a bound and a sentence that says what did not. */

export class TimeoutError extends Error {}

/** Settles like `promise`, or rejects after `timeoutMs` naming `what`. The timer never keeps the process alive. */
export async function within<T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(`${what}: not within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** What happened so far, in order, and a promise for what will. */
export class EventLog<T> {
  readonly entries: T[] = [];
  readonly #waiting = new Set<() => void>();

  push(entry: T): void {
    this.entries.push(entry);
    for (const check of [...this.#waiting]) check();
  }

  /** The first entry, past or future, that `matches`. */
  waitFor(timeoutMs: number, what: string, matches: (entry: T) => boolean): Promise<T> {
    return this.#when(timeoutMs, what, () => this.entries.find(matches));
  }

  /** Resolves once `count` entries are there. */
  async waitForCount(timeoutMs: number, what: string, count: number): Promise<T[]> {
    await this.#when(timeoutMs, `${what} (${count} of them)`, () => (this.entries.length >= count ? true : undefined));
    return this.entries;
  }

  async #when<R>(timeoutMs: number, what: string, look: () => R | undefined): Promise<R> {
    let check = () => {};
    const seen = new Promise<R>((resolve) => {
      check = () => {
        const result = look();
        if (result !== undefined) resolve(result);
      };
    });
    this.#waiting.add(check);
    try {
      check();
      return await within(timeoutMs, `${what}, ${this.entries.length} events so far`, seen);
    } finally {
      this.#waiting.delete(check);
    }
  }
}
