/** A first flight cut to the smallest MTU, and then some. */
const MAX_ENTRIES = 32;
const MAX_BYTES = 8_192;

/**
 * What came before its time, in the order it came: records ahead of their keys, application data ahead of the Finished.
 * Datagrams overtake each other, so this is normal; it is bounded because anybody can send the former.
 */
export class EarlyQueue {
  readonly entries: Uint8Array[] = [];
  #bytes = 0;

  /** Keeps a copy. False where there is no room. */
  push(bytes: Uint8Array): boolean {
    if (this.entries.length >= MAX_ENTRIES || this.#bytes + bytes.length > MAX_BYTES) return false;
    this.entries.push(bytes.slice());
    this.#bytes += bytes.length;
    return true;
  }
}
