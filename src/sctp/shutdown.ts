import { SHUTDOWN_ACK, writeChunk } from "./packet.ts";

/**
 * The peer's SHUTDOWN (RFC 9260 §9.2), answered: what we have sent is delivered first, then SHUTDOWN ACK is repeated until
 * SHUTDOWN COMPLETE. We never begin one ourselves: in Chromium it leaves a channel that looks alive (measured), and an
 * unreliable protocol has nothing to drain.
 */
export class PeerShutdown {
  #acknowledged = false;
  #due = false;
  /** T2-shutdown, absolute ms. */
  deadline = Number.POSITIVE_INFINITY;

  /** The peer has not seen the SHUTDOWN ACK: once more with the next flush. */
  repeat(): void {
    this.#due = true;
  }

  /** Sends SHUTDOWN ACK where it is due and nothing is outstanding any more. Call before each flush. */
  advance(now: number, idle: boolean, rtoMs: number, send: (chunk: Uint8Array) => void): void {
    if (!idle || (this.#acknowledged && !this.#due)) return;
    this.#acknowledged = true;
    this.#due = false;
    send(writeChunk(SHUTDOWN_ACK, 0));
    this.deadline = now + rtoMs;
  }

  /** T2 expired. */
  timeout(now: number, rtoMs: number): void {
    this.#due = true;
    this.deadline = now + rtoMs;
  }
}
