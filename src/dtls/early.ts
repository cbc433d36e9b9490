import { type MemoryAccount, unlimitedAccount } from "../wire/memory-ledger.ts";

/** A first flight cut to the smallest MTU, and then some. */
const MAX_ENTRIES = 32;
const MAX_BYTES = 8_192;
/** What an entry takes beside its bytes (measured). */
const ENTRY_BYTES = 280;

/**
 * What came before its time, in the order it came: records ahead of their keys, application data ahead of the Finished.
 * Datagrams overtake each other, so this is normal; it is bounded because anybody can send the former.
 */
export class EarlyQueue {
  readonly #memory: MemoryAccount;
  #entries: Uint8Array[] = [];
  #bytes = 0;

  constructor(memory: MemoryAccount = unlimitedAccount()) {
    this.#memory = memory;
  }

  /** Keeps a copy. False where there is no room. */
  push(bytes: Uint8Array): boolean {
    if (this.#entries.length >= MAX_ENTRIES || this.#bytes + bytes.length > MAX_BYTES) return false;
    if (!this.#memory.take(bytes.length + ENTRY_BYTES)) return false;
    this.#entries.push(bytes.slice());
    this.#bytes += bytes.length;
    return true;
  }

  /** All that has come so far, to be handled or forgotten. */
  takeAll(): readonly Uint8Array[] {
    const entries = this.#entries;
    this.#memory.give(this.#bytes + entries.length * ENTRY_BYTES);
    this.#entries = [];
    this.#bytes = 0;
    return entries;
  }
}
