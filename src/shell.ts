/** What a shell drives: the sans-IO endpoint of a server, or that of clients. */
export interface Driven {
  readonly needsFlush: boolean;
  /** When `handleTimeout` wants to be called, ms; `Infinity` for never. */
  readonly nextDeadline: number;
  handleTimeout(now: number): void;
  flush(now: number): void;
}

/** What is flushed after it: a socket, or many. */
export interface Flushable {
  flush?(): void;
}

/** setTimeout keeps its delay in 31 bits. */
const MAX_DELAY_MS = 0x7fff_ffff;

/**
 * The asynchronous shell around a sans-IO endpoint: its clock, ONE timer, and one flush per turn of the event
 * loop, so that all that a turn gave rise to leaves bundled.
 */
export class Shell {
  readonly #endpoint: Driven;
  readonly #sockets: Flushable;
  /** What the core reported during the call under way; the application hears of it when that has returned. */
  #events: (() => void)[] = [];
  #draining = false;
  #flushScheduled = false;
  #flushed: Promise<void> | undefined;
  #resolveFlushed: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerDue = Number.POSITIVE_INFINITY;

  constructor(endpoint: Driven, sockets: Flushable) {
    this.#endpoint = endpoint;
    this.#sockets = sockets;
  }

  /** Monotonic milliseconds. */
  now(): number {
    return performance.now();
  }

  /** Keeps an event for the application until the endpoint has returned. In order of calls. */
  later(event: () => void): void {
    this.#events.push(event);
  }

  /** To be called after each call into the endpoint: hands on its events, and sees to the flush and the timer. */
  settle(): void {
    this.#drainEvents();
    if (this.#endpoint.needsFlush) this.#scheduleFlush();
    else this.#armTimer();
  }

  /** Resolves when what was sent in this turn is with the operating system. */
  flushed(): Promise<void> {
    this.#flushed ??= new Promise((resolve) => {
      this.#resolveFlushed = resolve;
    });
    this.#scheduleFlush();
    return this.#flushed;
  }

  /** Sends what is pending at once, and stops the timer. */
  stop(): void {
    this.#flush();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerDue = Number.NEGATIVE_INFINITY; // Nothing arms it again.
  }

  /** Calls the application. What it does in return may add events: they wait for their turn, so that none overtakes another. */
  #drainEvents(): void {
    if (this.#draining) return;
    this.#draining = true;
    try {
      while (this.#events.length > 0) {
        const events = this.#events;
        this.#events = [];
        for (const event of events) event();
      }
    } finally {
      this.#draining = false;
    }
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    // After the I/O callbacks of this turn, and so after every datagram that was waiting in the socket.
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false;
    this.#endpoint.flush(performance.now());
    this.#sockets.flush?.();
    this.#resolveFlushed?.();
    this.#flushed = undefined;
    this.#resolveFlushed = undefined;
    this.#drainEvents();
    if (this.#endpoint.needsFlush) this.#scheduleFlush();
    this.#armTimer();
  };

  /** Arms the timer for the next deadline, unless it is armed for an earlier time anyway: then it re-arms itself. */
  #armTimer(): void {
    const due = this.#endpoint.nextDeadline;
    if (due >= this.#timerDue && due !== Number.POSITIVE_INFINITY) return;
    clearTimeout(this.#timer);
    if (due === Number.POSITIVE_INFINITY) {
      // Nothing is left to wait for, and nothing must keep the process from its end.
      if (this.#timerDue !== Number.NEGATIVE_INFINITY) this.#timerDue = due;
      return;
    }
    this.#timerDue = due;
    const delay = Math.min(Math.max(0, due - performance.now()), MAX_DELAY_MS);
    this.#timer = setTimeout(this.#handleTimer, Math.ceil(delay));
  }

  readonly #handleTimer = (): void => {
    this.#timerDue = Number.POSITIVE_INFINITY;
    this.#endpoint.handleTimeout(performance.now());
    this.settle();
  };
}
