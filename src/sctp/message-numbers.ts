import { type MessageNumber, messageNumber, messageNumberAdd, type NumberKind, SSN } from "../wire/serial.ts";
import { SmallMap } from "../wire/small-map.ts";

const ZERO = messageNumber(0, SSN);

/**
 * The numbers of the messages that are sent, in each stream from 0. In DATA they are SSNs, of ordered messages alone (RFC 9260
 * §6.5); in I-DATA MIDs, and unordered messages have their own (RFC 8260 §2.1).
 */
export class MessageNumbers {
  kind: NumberKind = SSN;
  readonly #ordered = new SmallMap<number, MessageNumber>();
  /** On most connections nobody interleaves. */
  #unordered: SmallMap<number, MessageNumber> | undefined;

  take(streamId: number, ordered: boolean): MessageNumber {
    if (ordered) return this.#takeFrom(this.#ordered, streamId);
    if (this.kind === SSN) return ZERO;
    this.#unordered ??= new SmallMap();
    return this.#takeFrom(this.#unordered, streamId);
  }

  /** Streams start over (RFC 6525 §5.2.3, RFC 8260 §2.3.2). Empty: all of them. */
  reset(streamIds: readonly number[]): void {
    if (streamIds.length === 0) {
      this.#ordered.clear();
      this.#unordered?.clear();
    }
    for (const streamId of streamIds) {
      this.#ordered.delete(streamId);
      this.#unordered?.delete(streamId);
    }
  }

  #takeFrom(numbers: SmallMap<number, MessageNumber>, streamId: number): MessageNumber {
    const number = numbers.get(streamId) ?? ZERO;
    numbers.set(streamId, messageNumberAdd(number, 1, this.kind));
    return number;
  }
}
