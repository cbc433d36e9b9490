/** A timer that fires this much later than it was due shows that the process has stood still, ms. Collecting garbage takes less. */
const LATE_MS = 100;
/** For so many rounds at most the clock waits until what came during a standstill is read: a second, at 8 ms each. */
const MAX_ROUNDS = 128;

/**
 * Monotonic milliseconds in which the process has run.
 *
 * A breakpoint, a long collection of garbage, SIGSTOP or a laptop's lid makes a process stand still. Its peers did not: their
 * datagrams wait in the socket, or were lost where its buffer was full. Such silence is ours and must end nobody's connection, so the
 * clock leaves that time out. When it notices a standstill it stops where the timer should have fired at the latest, stays there until
 * what waits in the socket has been read, and goes on from there. So no deadline passes during a standstill, and timers of
 * retransmission do not fire all at once after it.
 */
export class RunningClock {
  /** Time left out so far, ms. */
  #lostMs = 0;
  /** When the timer that is armed will be late, in the system's time. */
  #lateFrom = Number.POSITIVE_INFINITY;
  /** Where the clock stands while it catches up. */
  #standsAt: number | undefined;
  /** How often it was looked at in this round of catching up: whoever looks has something to do. */
  #looks = 0;
  #rounds = 0;

  now(): number {
    const real = performance.now();
    return real <= this.#lateFrom ? real - this.#lostMs : this.#stand();
  }

  get isStanding(): boolean {
    return this.#standsAt !== undefined;
  }

  /** The timer was armed at `now` to fire in so many ms. */
  expectTimer(now: number, delayMs: number): void {
    if (!this.isStanding) this.#lateFrom = now + this.#lostMs + delayMs + LATE_MS;
  }

  /** No timer is armed, because there is no deadline. */
  expectNothing(): void {
    if (this.isStanding) this.#goOn();
    this.#lateFrom = Number.POSITIVE_INFINITY;
  }

  /** To be asked when the timer fires. False: datagrams may still wait, and it must fire again after a round of the event loop. */
  catchesUp(): boolean {
    this.now();
    const { isStanding } = this;
    // The first round begins here. Each look after it is a datagram that came, or what followed from it.
    const isQuiet = this.#rounds > 0 && this.#looks === 1;
    this.#looks = 0;
    if (!isStanding) return true;
    if (!isQuiet && this.#rounds++ < MAX_ROUNDS) return false;
    this.#goOn();
    return true;
  }

  #stand(): number {
    if (this.#standsAt === undefined) {
      // Whoever looked at the clock before saw an earlier time.
      this.#standsAt = this.#lateFrom - this.#lostMs;
      this.#lateFrom = Number.NEGATIVE_INFINITY;
      this.#rounds = 0;
    }
    this.#looks++;
    return this.#standsAt;
  }

  #goOn(): void {
    this.#lostMs = performance.now() - this.#standsAt!;
    this.#standsAt = undefined;
    this.#lateFrom = Number.POSITIVE_INFINITY;
  }
}
