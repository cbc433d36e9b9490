import type { Endpoint } from "./core/endpoint.ts";
import type { UdpSocket } from "./runtime/udp.ts";
import type { SocketAddress } from "./wire/address.ts";

/** setTimeout keeps its delay in 31 bits. */
const MAX_DELAY_MS = 0x7fff_ffff;

/**
 * The asynchronous shell around a sans-IO endpoint: its socket, its clock, ONE timer, and one flush per turn of the event
 * loop, so that all that a turn gave rise to leaves bundled.
 */
export class Shell {
  readonly endpoint: Endpoint;
  readonly socket: UdpSocket;
  /** Hands the events of the call that just returned to the application. */
  readonly #drainEvents: () => void;
  #flushScheduled = false;
  #flushed: Promise<void> | undefined;
  #resolveFlushed: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerDue = Number.POSITIVE_INFINITY;

  constructor(endpoint: Endpoint, socket: UdpSocket, drainEvents: () => void) {
    this.endpoint = endpoint;
    this.socket = socket;
    this.#drainEvents = drainEvents;
  }

  /** Monotonic milliseconds. */
  now(): number {
    return performance.now();
  }

  handleDatagram(datagram: Uint8Array, source: SocketAddress): void {
    this.endpoint.handleDatagram(performance.now(), source, datagram);
    this.settle();
  }

  /** To be called after each call into the endpoint: hands on its events, and sees to the flush and the timer. */
  settle(): void {
    this.#drainEvents();
    if (this.endpoint.needsFlush) this.#scheduleFlush();
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

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    // After the I/O callbacks of this turn, and so after every datagram that was waiting in the socket.
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false;
    this.endpoint.flush(performance.now());
    this.socket.flush?.();
    this.#resolveFlushed?.();
    this.#flushed = undefined;
    this.#resolveFlushed = undefined;
    this.#drainEvents();
    if (this.endpoint.needsFlush) this.#scheduleFlush();
    this.#armTimer();
  };

  /** Arms the timer for the next deadline, unless it is armed for an earlier time anyway: then it re-arms itself. */
  #armTimer(): void {
    const due = this.endpoint.nextDeadline;
    if (due >= this.#timerDue || due === Number.POSITIVE_INFINITY) return;
    clearTimeout(this.#timer);
    this.#timerDue = due;
    const delay = Math.min(Math.max(0, due - performance.now()), MAX_DELAY_MS);
    this.#timer = setTimeout(this.#handleTimer, Math.ceil(delay));
  }

  readonly #handleTimer = (): void => {
    this.#timerDue = Number.POSITIVE_INFINITY;
    this.endpoint.handleTimeout(performance.now());
    this.settle();
  };
}
