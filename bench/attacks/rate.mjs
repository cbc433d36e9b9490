import { setTimeout as sleep } from "node:timers/promises";

/** How much may go out at once, ms worth of bytes: timers are no finer. */
const BURST_MS = 20;

/** Keeps an attacker at so many bytes a second, over all of its sockets and posts. */
export class Rate {
  bytes = 0;
  sends = 0;
  #perMs;
  #start = 0;
  #end = Number.POSITIVE_INFINITY;

  constructor(bytesPerSecond) {
    this.#perMs = bytesPerSecond / 1000;
  }

  start(end) {
    this.bytes = 0;
    this.sends = 0;
    this.#start = performance.now();
    this.#end = end;
  }

  get isOver() {
    return performance.now() >= this.#end;
  }

  /** Waits until so many bytes may be sent. False once the attack is over. */
  async take(bytes) {
    this.bytes += bytes;
    this.sends++;
    const due = this.#start + (this.bytes - this.#perMs * BURST_MS) / this.#perMs;
    const wait = due - performance.now();
    if (wait > 0) await sleep(Math.min(wait, Math.max(1, this.#end - performance.now())));
    return !this.isOver;
  }
}
