/** Room for one datagram: twice what the largest of ours takes. */
const SLOT_BYTES = 2_048;

/** Copies of datagrams in memory that is used over and over: the copy number n is valid until the number n + `slots`. */
export class DatagramPool {
  readonly #memory: Uint8Array;
  #offset = 0;

  constructor(slots: number) {
    this.#memory = new Uint8Array(slots * SLOT_BYTES);
  }

  copy(datagram: Uint8Array): Uint8Array {
    const { length } = datagram;
    if (length > SLOT_BYTES) return datagram.slice();
    const offset = this.#offset;
    this.#memory.set(datagram, offset);
    this.#offset = (offset + SLOT_BYTES) % this.#memory.length;
    return this.#memory.subarray(offset, offset + length);
  }
}
