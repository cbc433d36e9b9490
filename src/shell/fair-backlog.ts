import { Backlog, type Waitable } from "./backlog.ts";
import type { ServerLimits } from "../limits.ts";
import type { MemoryAccount } from "../wire/memory-ledger.ts";

/** Who sends messages that wait. Idle, it has nothing here but an empty field. */
export interface Sender<Item extends Waitable> {
  /** What waits of this sender; kept by {@link FairBacklog}, `undefined` while nothing does. */
  backlog: SenderBacklog<Item> | undefined;
  /** Where what waits is accounted for. */
  readonly memory: MemoryAccount;
}

/** A message that knows its sender. */
export interface Sent<Item extends Waitable> extends Waitable {
  readonly connection: Sender<Item>;
}

export type ReceiveQueueLimits = Pick<
  ServerLimits,
  | "maxReceiveQueueMessages"
  | "maxReceiveQueueBytes"
  | "maxReceiveQueueMessagesPerConnection"
  | "maxReceiveQueueBytesPerConnection"
>;

/** Emptied backlogs that are kept for the next sender: a burst makes and drops no objects. */
const MAX_SPARE = 64;
/** What a message takes beside its data: an object, an array and the buffer behind it (measured). */
const MESSAGE_BYTES = 320;

/** A backlog of fewer messages than this is a short one. */
const FEW = 4;

/** What waits of one sender, and its places among the others. */
export class SenderBacklog<Item extends Waitable> extends Backlog<Item> {
  sender: Sender<Item> | undefined;
  /** Whose turn is after this one's, and before it. */
  next: SenderBacklog<Item> = this;
  previous: SenderBacklog<Item> = this;
  /** Which of the sets by length it is in. */
  lengthClass = 0;
}

/**
 * Messages of many senders. Each sender has a backlog of its own, and they are served in turn, one message each, however long a
 * message is: what a message costs its receiver is mostly the same. So a loud sender delays others by one message a turn, and
 * loses only its own. When all together are too many, the longest backlog gives its oldest message; and where a sender has no memory
 * for another one, that sender's oldest.
 */
export class FairBacklog<Item extends Sent<Item>> {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #onDrop: (item: Item) => void;
  readonly #bounds: { messages: number; bytes: number; dropped(item: Item): void };
  /** Whose turn it is, of a ring of those with something that waits. */
  #first: SenderBacklog<Item> | undefined;
  /**
   * Backlogs by the power of two of their length, so that a long one is found at once, however many there are. Those with few short
   * messages are in none: a burst of many senders would go in and out of the sets with each message.
   */
  readonly #byLength = Array.from({ length: 32 }, () => new Set<SenderBacklog<Item>>());
  readonly #spare: SenderBacklog<Item>[] = [];
  #messages = 0;
  #bytes = 0;

  /** @param onDrop told of each message that had to make room */
  constructor(limits: ReceiveQueueLimits, onDrop: (item: Item) => void) {
    this.#maxMessages = limits.maxReceiveQueueMessages;
    this.#maxBytes = limits.maxReceiveQueueBytes;
    this.#onDrop = onDrop;
    this.#bounds = {
      messages: Math.min(limits.maxReceiveQueueMessagesPerConnection, this.#maxMessages),
      bytes: Math.min(limits.maxReceiveQueueBytesPerConnection, this.#maxBytes),
      dropped: (item) => this.#dropped(item),
    };
  }

  get length(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(item: Item): void {
    const sender = item.connection;
    const bytes = bytesOf(item);
    while (sender.backlog !== undefined && !sender.memory.hasRoomFor(bytes)) this.#onDrop(this.#take(sender.backlog));
    const backlog = sender.backlog ?? this.#join(sender);
    backlog.push(item);
    sender.memory.add(bytes);
    this.#messages++;
    this.#bytes += item.data.length;
    this.#classify(backlog);
    while (this.#messages > this.#maxMessages || (this.#bytes > this.#maxBytes && this.#messages > 1)) {
      this.#dropOfLongest();
    }
  }

  /** The oldest message of the sender whose turn it is; there must be one. */
  shift(): Item {
    const backlog = this.#first!;
    this.#first = backlog.next;
    return this.#take(backlog);
  }

  /** Drops everything of one sender. */
  forget(sender: Sender<Item>): void {
    while (sender.backlog !== undefined) this.#onDrop(this.#take(sender.backlog));
  }

  /** A message waits no more. */
  #left(item: Item): void {
    this.#messages--;
    this.#bytes -= item.data.length;
    item.connection.memory.give(bytesOf(item));
  }

  /** A sender's own limits made it give a message. */
  #dropped(item: Item): void {
    this.#left(item);
    this.#onDrop(item);
  }

  #dropOfLongest(): void {
    const long = this.#byLength.findLast(({ size }) => size > 0);
    // Where each has few messages, it is the turn of the sender who has waited longest.
    const longest = long === undefined ? this.#first! : (long.values().next().value as SenderBacklog<Item>);
    this.#onDrop(this.#take(longest));
  }

  #take(backlog: SenderBacklog<Item>): Item {
    const item = backlog.shift();
    this.#left(item);
    this.#classify(backlog);
    if (backlog.length === 0) this.#leave(backlog);
    return item;
  }

  /** A sender's first message that waits: its turn is after everybody else's. */
  #join(sender: Sender<Item>): SenderBacklog<Item> {
    const backlog = this.#spare.pop() ?? new SenderBacklog<Item>(this.#bounds);
    backlog.sender = sender;
    sender.backlog = backlog;
    this.#first ??= backlog;
    backlog.next = this.#first;
    backlog.previous = this.#first.previous;
    backlog.previous.next = backlog;
    backlog.next.previous = backlog;
    return backlog;
  }

  #leave(backlog: SenderBacklog<Item>): void {
    if (backlog.next === backlog) this.#first = undefined;
    else if (this.#first === backlog) this.#first = backlog.next;
    backlog.next.previous = backlog.previous;
    backlog.previous.next = backlog.next;
    backlog.next = backlog;
    backlog.previous = backlog;
    backlog.sender!.backlog = undefined;
    backlog.sender = undefined;
    if (this.#spare.length < MAX_SPARE) this.#spare.push(backlog);
  }

  #classify(backlog: SenderBacklog<Item>): void {
    const { length, bytes, lengthClass } = backlog;
    // A message counts as 1 KiB beside its data, so that both limits have one measure.
    const weight = length + (bytes >>> 10);
    const now = weight < FEW ? 0 : 31 - Math.clz32(weight);
    if (now === lengthClass) return;
    if (lengthClass > 0) this.#byLength[lengthClass].delete(backlog);
    if (now > 0) this.#byLength[now].add(backlog);
    backlog.lengthClass = now;
  }
}

function bytesOf({ data }: Waitable): number {
  return data.length + MESSAGE_BYTES;
}
