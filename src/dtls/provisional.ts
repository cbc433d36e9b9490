/**
 * How often, and for how long since the first time, what unprotected messages alone have brought about is taken back: the peer
 * repeats its flight three or four times meanwhile, or starts over. A peer that cannot be agreed with gets its alert after that.
 */
const MAX_SETBACKS = 10;
const SETBACKS_MS = 2_000;
/** As many as messages may be contradicted; see `Reassembly`. */
const MAX_CHECKPOINTS = 16;

/**
 * The part of a handshake that rests on unprotected messages: anybody may have sent them, or changed a bit of them. It lasts until
 * a protected record opens, which vouches for all that came before it.
 */
export class Provisional {
  /** How to go back to before each message that was accepted, by its message_seq. */
  readonly #checkpoints = new Map<number, () => void>();
  /** How often a message was refused or contradicted, and since when. */
  #setbacks = 0;
  #since = Number.POSITIVE_INFINITY;

  /** Notes how to go back to before the message with this number. */
  accept(sequence: number, checkpoint: () => void): void {
    this.#checkpoints.set(sequence, checkpoint);
    if (sequence >= MAX_CHECKPOINTS) this.#checkpoints.delete(sequence - MAX_CHECKPOINTS);
  }

  /** A message with this number was accepted. */
  hasAccepted(sequence: number): boolean {
    return this.#checkpoints.has(sequence);
  }

  /** Something came garbled, or was forged. False where that has happened too often. */
  setBack(now: number): boolean {
    if (this.#since > now) this.#since = now;
    return ++this.#setbacks <= MAX_SETBACKS;
  }

  /** Nothing was refused since this handshake began. */
  get isUndisturbed(): boolean {
    return this.#since === Number.POSITIVE_INFINITY;
  }

  /** Whether what was refused may still come in a form that can be accepted. */
  isHopeful(now: number): boolean {
    return now - this.#since < SETBACKS_MS;
  }

  /** Goes back to before the message with this number. What is begun anew has its time anew. */
  goBack(sequence: number): void {
    this.#checkpoints.get(sequence)?.();
    for (const later of this.#checkpoints.keys()) if (later >= sequence) this.#checkpoints.delete(later);
    this.#since = Number.POSITIVE_INFINITY;
  }
}
