import { RunningClock } from "./clock.ts";

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
  flush?: (() => void) | undefined;
}

/** setTimeout keeps its delay in 31 bits. */
const MAX_DELAY_MS = 0x7fff_ffff;
/**
 * The timer fires at multiples of this. Among thousands of connections something is due in nearly each millisecond, and waking up
 * for each costs more than what is done then. No deadline of the protocols is so short that 8 ms more would matter.
 */
const TIMER_STEP_MS = 8;
/**
 * What came alone is answered at once: nothing came for this long before. At higher rates answers wait for the end of the turn, and
 * share datagrams.
 */
const ALONE_MS = 0.25;

/**
 * The asynchronous shell around a sans-IO endpoint: its clock, ONE timer, and one flush per turn of the event
 * loop, so that all that a turn gave rise to leaves bundled.
 */
export class Shell {
  readonly #endpoint: Driven;
  readonly #sockets: Flushable;
  /**
   * What the core reported during the call under way, each a function and its argument; the application hears of it when that call
   * has returned. The list is never cut: it would have to grow again.
   */
  readonly #events: unknown[] = [];
  #nextEvent = 0;
  #endOfEvents = 0;
  #draining = false;
  /** Where the clock stood when the present call began. */
  #now = 0;
  readonly #clock = new RunningClock();
  /** When the last datagram came. */
  #cameAt = Number.NEGATIVE_INFINITY;
  /** The application has called since the last datagram came. */
  #isAnswered = false;
  #flushScheduled = false;
  #flushed: Promise<void> | undefined;
  #resolveFlushed: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerDue = Number.POSITIVE_INFINITY;

  constructor(endpoint: Driven, sockets: Flushable) {
    this.#endpoint = endpoint;
    this.#sockets = sockets;
  }

  /**
   * Monotonic milliseconds, without those in which the process stood still. While the application is told of events it is still the time of the call that caused them: one look at
   * the clock serves a datagram and its answer.
   */
  now(): number {
    if (!this.#draining) this.#now = this.#clock.now();
    return this.#now;
  }

  /** Keeps an event for the application until the endpoint has returned. In order of calls. */
  later(event: () => void): void;
  later<Subject>(event: (subject: Subject) => void, subject: Subject): void;
  later(event: (subject?: unknown) => void, subject?: unknown): void {
    this.#events[this.#endOfEvents++] = event;
    this.#events[this.#endOfEvents++] = subject;
  }

  /** To be called after each call into the endpoint: hands on its events, and sees to the flush and the timer. */
  settle(): void {
    // A call that the application makes while it is told of events: whoever tells it settles that as well.
    this.#isAnswered = true;
    if (this.#draining) return;
    this.#drainEvents();
    this.#scheduleNext();
  }

  /** The same where the application has to have the call's result before it hears of its events: they come with the flush. */
  settleLater(): void {
    this.#isAnswered = true;
    if (!this.#draining) this.#scheduleFlush();
  }

  /**
   * The same after a datagram. Where it came alone and the application has answered from within the event, the answer leaves at once:
   * that spares the way through the end of the turn, which is long where caches are cold.
   */
  settleDatagram(): void {
    const cameAt = this.#now;
    const isAlone = cameAt - this.#cameAt > ALONE_MS && !this.#flushScheduled;
    this.#cameAt = cameAt;
    this.#isAnswered = false;
    this.#drainEvents();
    if (isAlone && this.#isAnswered) this.#flushAt(cameAt);
    else this.#scheduleNext();
  }

  /** Resolves when what was sent in this turn is with the operating system. */
  flushed(): Promise<void> {
    this.#flushed ??= new Promise((resolve) => {
      this.#resolveFlushed = resolve;
    });
    if (!this.#draining) this.#scheduleFlush();
    return this.#flushed;
  }

  /** Sends what is pending at once, and stops the timer. */
  stop(): void {
    this.#flush();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerDue = Number.NEGATIVE_INFINITY; // Nothing arms it again.
    this.#clock.expectNothing();
  }

  /** Calls the application. What it does in return may add events: they wait for their turn, so that none overtakes another. */
  #drainEvents(): void {
    if (this.#draining || this.#endOfEvents === 0) return;
    this.#draining = true;
    const events = this.#events;
    try {
      while (this.#nextEvent < this.#endOfEvents) {
        const event = events[this.#nextEvent] as (subject: unknown) => void;
        const subject = events[this.#nextEvent + 1];
        // Nothing is kept alive from here.
        events[this.#nextEvent] = undefined;
        events[this.#nextEvent + 1] = undefined;
        this.#nextEvent += 2;
        event(subject);
      }
      this.#nextEvent = 0;
      this.#endOfEvents = 0;
    } finally {
      this.#draining = false;
    }
  }

  #scheduleNext(): void {
    if (this.#endpoint.needsFlush || this.#resolveFlushed !== undefined) this.#scheduleFlush();
    else this.#armTimer();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    // After the I/O callbacks of this turn, and so after every datagram that was waiting in the socket.
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false;
    this.#flushAt(this.#clock.now());
  };

  #flushAt(now: number): void {
    this.#endpoint.flush(now);
    this.#sockets.flush?.();
    if (this.#resolveFlushed !== undefined) {
      this.#resolveFlushed();
      this.#flushed = undefined;
      this.#resolveFlushed = undefined;
    }
    this.#drainEvents();
    if (this.#endpoint.needsFlush || this.#resolveFlushed !== undefined) this.#scheduleFlush();
    this.#armTimer();
  }

  /** Arms the timer for the next deadline, unless it is armed for an earlier time anyway: then it re-arms itself. */
  #armTimer(): void {
    const due = this.#endpoint.nextDeadline;
    if (due >= this.#timerDue && due !== Number.POSITIVE_INFINITY) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (due === Number.POSITIVE_INFINITY) {
      // Nothing is left to wait for, and nothing must keep the process from its end.
      if (this.#timerDue !== Number.NEGATIVE_INFINITY) this.#timerDue = due;
      this.#clock.expectNothing();
      return;
    }
    this.#timerDue = due;
    const now = this.#clock.now();
    const steps = this.#clock.isStanding ? 1 : Math.max(1, Math.ceil((due - now) / TIMER_STEP_MS));
    const delayMs = Math.min(steps * TIMER_STEP_MS, MAX_DELAY_MS);
    this.#timer = setTimeout(this.#handleTimer, delayMs);
    this.#clock.expectTimer(now, delayMs);
  }

  readonly #handleTimer = (): void => {
    this.#timer = undefined;
    // Runtimes run timers before they read sockets. Where this one is late, what came meanwhile is read before any deadline counts:
    // Node reads 32 datagrams at a time, and Deno none before the next `setTimeout`.
    if (!this.#clock.catchesUp()) {
      this.#timer = setTimeout(this.#handleTimer, TIMER_STEP_MS);
      return;
    }
    this.#timerDue = Number.POSITIVE_INFINITY;
    this.#endpoint.handleTimeout(this.now());
    this.settle();
  };
}
