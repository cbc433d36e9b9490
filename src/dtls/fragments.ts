const NO_BYTES = new Uint8Array(0);
const NO_PIECES = new Uint16Array(0);
/** Numbers that describe a piece: its start and end in the message, and where its bytes stand. */
const PER_PIECE = 3;

/**
 * The fragments of one handshake message of at most 64 KB, which may come in any order, cut anew and overlapping. Held is what
 * came, not what its header announces, so that 12 bytes of header never take 8 KB.
 */
export class Fragments {
  /** In the order in which they came. */
  #bytes = NO_BYTES;
  #byteCount = 0;
  /** Where they belong in the message: sorted and disjoint. */
  #pieces = NO_PIECES;
  #numberCount = 0;

  /** Bytes of the message that have come. */
  get byteCount(): number {
    return this.#byteCount;
  }

  get pieceCount(): number {
    return this.#numberCount / PER_PIECE;
  }

  /** Memory that they take, room to grow included. */
  get heldBytes(): number {
    return this.#bytes.length + this.#pieces.byteLength;
  }

  /** Copies what is new of the bytes that belong at `start` of the message. */
  add(start: number, fragment: Uint8Array): void {
    const end = start + fragment.length;
    let from = start;
    let at = this.#firstPieceAfter(start);
    while (from < end) {
      const isLast = at === this.#numberCount;
      const gapEnd = isLast ? end : Math.min(this.#pieces[at], end);
      const pieceEnd = isLast ? end : this.#pieces[at + 1];
      if (from < gapEnd) at = this.#insert(at, from, fragment.subarray(from - start, gapEnd - start));
      from = pieceEnd;
      at += PER_PIECE;
    }
  }

  /** The message, once all of its bytes have come. */
  assemble(): Uint8Array {
    // Came in its order, as nearly always.
    if (this.#numberCount <= PER_PIECE) return this.#bytes.slice(0, this.#byteCount);
    const whole = new Uint8Array(this.#byteCount);
    for (let at = 0; at < this.#numberCount; at += PER_PIECE) {
      const [start, end, place] = this.#pieces.subarray(at, at + PER_PIECE);
      whole.set(this.#bytes.subarray(place, place + end - start), start);
    }
    return whole;
  }

  /** Where the first piece stands that ends behind this byte of the message. */
  #firstPieceAfter(start: number): number {
    let low = 0;
    let high = this.pieceCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pieces[middle * PER_PIECE + 1] > start) high = middle;
      else low = middle + 1;
    }
    return low * PER_PIECE;
  }

  /** Puts bytes into the gap in front of the piece at `at`, and returns where that piece stands then. */
  #insert(at: number, start: number, bytes: Uint8Array): number {
    const place = this.#byteCount;
    const end = start + bytes.length;
    this.#byteCount += bytes.length;
    if (this.#byteCount > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#byteCount, place === 0 ? 0 : 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, place);
    const pieces = this.#pieces;
    // The next bytes behind those that came last make one piece with them.
    if (at > 0 && pieces[at - 2] === start && pieces[at - 1] + start - pieces[at - 3] === place) {
      pieces[at - 2] = end;
      return at;
    }
    if (this.#numberCount === pieces.length) {
      this.#pieces = new Uint16Array(Math.max(PER_PIECE, 2 * pieces.length));
      this.#pieces.set(pieces);
    }
    this.#pieces.copyWithin(at + PER_PIECE, at, this.#numberCount);
    this.#pieces[at] = start;
    this.#pieces[at + 1] = end;
    this.#pieces[at + 2] = place;
    this.#numberCount += PER_PIECE;
    return at + PER_PIECE;
  }
}
