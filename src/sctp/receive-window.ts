import type { MemoryAccount } from "../wire/memory-ledger.ts";

/** The round trip as long as none was measured, ms. */
const UNKNOWN_ROUND_TRIP_MS = 100;
/** A round is no shorter, ms: on a path of a millisecond what comes is a matter of event loops. */
const LEAST_ROUND_MS = 10;

/**
 * How much a peer may send beyond what it knows to have come. It begins small, as most connections never need more, and
 * doubles where half of it comes within a round trip and the application takes it: the next round trip could fill it, and the
 * sender would stand still for the rest of it (dynamic right-sizing, as in Linux). It never shrinks: it is a bound, and holds no memory.
 */
export class ReceiveWindow {
  bytes: number;
  readonly #mostBytes: number;
  readonly #memory: MemoryAccount;
  #roundBytes = 0;
  #roundBegan = 0;

  constructor(firstBytes: number, mostBytes: number, memory: MemoryAccount) {
    this.bytes = firstBytes;
    this.#mostBytes = Math.max(firstBytes, mostBytes);
    this.#memory = memory;
  }

  /** User data has come. */
  count(length: number): void {
    this.#roundBytes += length;
  }

  /**
   * A packet is done: is it time for more?
   *
   * @param heldBytes what has come and was not taken by the application
   */
  update(now: number, roundTripMs: number, heldBytes: number): void {
    if (2 * this.#roundBytes < this.bytes) return;
    const longest = Math.max(LEAST_ROUND_MS, roundTripMs || UNKNOWN_ROUND_TRIP_MS);
    if (now - this.#roundBegan <= longest && 2 * heldBytes < this.bytes) this.#grow();
    this.#roundBegan = Math.ceil(now);
    this.#roundBytes = 0;
  }

  #grow(): void {
    const bytes = Math.min(2 * this.bytes, this.#mostBytes);
    if (this.#memory.hasRoomFor(bytes)) this.bytes = bytes;
  }
}
