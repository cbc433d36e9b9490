import { type MessageNumber, messageNumberDistance, type NumberKind } from "../wire/serial.ts";

/**
 * Messages of one stream in order of their numbers. Sorted in a list: nearly always the last one is asked for, or one behind it, and
 * those that go are the first.
 */
export class ByNumber<Message extends { readonly number: MessageNumber }> {
  readonly #kind: NumberKind;
  #messages: Message[] = [];

  constructor(kind: NumberKind) {
    this.#kind = kind;
  }

  get size(): number {
    return this.#messages.length;
  }

  /** In order; may not change meanwhile. */
  get all(): readonly Message[] {
    return this.#messages;
  }

  get(number: MessageNumber): Message | undefined {
    const message = this.#messages[this.#indexOf(number)];
    return message?.number === number ? message : undefined;
  }

  /** One that is not there. False where the numbers would span half of all or more: then they have no order (RFC 1982 §3.2). */
  add(message: Message): boolean {
    const messages = this.#messages;
    const { number } = message;
    const at = this.#indexOf(number);
    if (messages.length > 0) {
      const [below, above] = at === 0 ? [number, messages[messages.length - 1].number] : [messages[0].number, number];
      if (messageNumberDistance(above, below, this.#kind) <= 0) return false;
    }
    if (at === messages.length) messages.push(message);
    else messages.splice(at, 0, message);
    return true;
  }

  delete(number: MessageNumber): void {
    const at = this.#indexOf(number);
    if (this.#messages[at]?.number === number) this.#messages.splice(at, 1);
  }

  /** Takes out the first where it has this number. */
  takeFirst(number: MessageNumber): Message | undefined {
    return this.#messages[0]?.number === number ? this.#messages.shift() : undefined;
  }

  /** Takes out those up to this number. */
  takeUpTo(number: MessageNumber): Message[] {
    let count = 0;
    while (count < this.#messages.length && !this.#isAfter(this.#messages[count], number)) count++;
    return count === 0 ? [] : this.#messages.splice(0, count);
  }

  /** Leaves only those. */
  keep(isKept: (message: Message) => boolean): void {
    this.#messages = this.#messages.filter(isKept);
  }

  #isAfter(message: Message, number: MessageNumber): boolean {
    return messageNumberDistance(message.number, number, this.#kind) > 0;
  }

  #isBefore(message: Message, number: MessageNumber): boolean {
    return messageNumberDistance(message.number, number, this.#kind) < 0;
  }

  /** Where the message with this number is, or belongs. */
  #indexOf(number: MessageNumber): number {
    const messages = this.#messages;
    let high = messages.length;
    if (high === 0 || this.#isBefore(messages[high - 1], number)) return high;
    let low = 0;
    if (messages[high - 1].number === number) return high - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isBefore(messages[middle], number)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
