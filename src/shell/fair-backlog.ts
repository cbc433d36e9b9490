import type { Waitable } from "./backlog.ts";
import { KeptBacklog, type KeptBacklogBounds, WAITING_BYTES } from "./kept-backlog.ts";
import type { ServerLimits } from "../limits.ts";
import type { MemoryAccount } from "../wire/memory-ledger.ts";

/** Who sends messages that wait. Idle, it has nothing here but an empty field. */
export interface Sender<Item extends Waitable> {
  /** What waits of this sender; kept by {@link FairBacklog}, `undefined` while nothing does. */
  backlog: SenderBacklog<Item> | undefined;
  /** Where what waits is accounted for. */
  readonly memory: MemoryAccount;
  /** So much of what it has sent reliably waits: it narrows the sender's window. */
  setUnread(bytes: number): void;
}

/** A message that knows its sender. */
export interface Sent<Item extends Waitable> extends Waitable {
  readonly connection: Sender<Item>;
  readonly channel: { readonly isReliable: boolean };
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
/** A backlog of fewer messages than this is a short one. */
const FEW = 4;

/** What waits of one sender, and its places among the others. */
export class SenderBacklog<Item extends Waitable> extends KeptBacklog<Item> {
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
 * for another one, that sender's oldest. All that goes for unreliable messages: reliable ones narrow their sender's window instead.
 */
export class FairBacklog<Item extends Sent<Item>> {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #onDrop: (item: Item) => void;
  readonly #bounds: KeptBacklogBounds<Item>;
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
  /** Of those that can be dropped. */
  #droppable = 0;
  #droppableBytes = 0;

  /** @param onDrop told of each message that had to make room */
  constructor(limits: ReceiveQueueLimits, onDrop: (item: Item) => void) {
    this.#maxMessages = limits.maxReceiveQueueMessages;
    this.#maxBytes = limits.maxReceiveQueueBytes;
    this.#onDrop = onDrop;
    this.#bounds = {
      messages: Math.min(limits.maxReceiveQueueMessagesPerConnection, this.#maxMessages),
      bytes: Math.min(limits.maxReceiveQueueBytesPerConnection, this.#maxBytes),
      dropped: (item) => this.#dropped(item),
      isKept,
      unreadChanged: (backlog) => (backlog as SenderBacklog<Item>).sender?.setUnread(backlog.unreadBytes),
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
    while (sender.backlog !== undefined && sender.backlog.droppable > 0 && !sender.memory.hasRoomFor(bytes)) {
      this.#onDrop(this.#drop(sender.backlog));
    }
    const isDroppable = !isKept(item);
    // Nothing of its sender's can make room for it: that has all been acknowledged.
    if (isDroppable && sender.backlog !== undefined && !sender.memory.hasRoomFor(bytes)) {
      this.#onDrop(item);
      return;
    }
    const backlog = sender.backlog ?? this.#join(sender);
    backlog.push(item);
    sender.memory.add(bytes);
    this.#count(item, 1);
    if (!isDroppable) return;
    this.#classify(backlog);
    while (this.#droppable > this.#maxMessages || (this.#droppableBytes > this.#maxBytes && this.#droppable > 1)) {
      this.#dropOfLongest(backlog);
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

  /** A message waits (1), or no more (−1). */
  #count(item: Item, change: number): void {
    const { length } = item.data;
    this.#messages += change;
    this.#bytes += change * length;
    if (isKept(item)) return;
    this.#droppable += change;
    this.#droppableBytes += change * length;
  }

  #left(item: Item): void {
    this.#count(item, -1);
    item.connection.memory.give(bytesOf(item));
  }

  /** A sender's own limits made it give a message. */
  #dropped(item: Item): void {
    this.#left(item);
    this.#onDrop(item);
  }

  /** @param last who has sent an unreliable message last */
  #dropOfLongest(last: SenderBacklog<Item>): void {
    const long = this.#byLength.findLast(({ size }) => size > 0);
    // Where each has few messages, it is the turn of the sender who has waited longest.
    const first = this.#first!.droppable > 0 ? this.#first! : last;
    const longest = long === undefined ? first : (long.values().next().value as SenderBacklog<Item>);
    this.#onDrop(this.#drop(longest));
  }

  #take(backlog: SenderBacklog<Item>): Item {
    return this.#taken(backlog, backlog.shift());
  }

  #drop(backlog: SenderBacklog<Item>): Item {
    return this.#taken(backlog, backlog.drop());
  }

  #taken(backlog: SenderBacklog<Item>, item: Item): Item {
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
    const { droppable, droppableBytes, lengthClass } = backlog;
    // A message counts as 1 KiB beside its data, so that both limits have one measure.
    const weight = droppable + (droppableBytes >>> 10);
    const now = weight < FEW ? 0 : 31 - Math.clz32(weight);
    if (now === lengthClass) return;
    if (lengthClass > 0) this.#byLength[lengthClass].delete(backlog);
    if (now > 0) this.#byLength[now].add(backlog);
    backlog.lengthClass = now;
  }
}

function bytesOf({ data }: Waitable): number {
  return data.length + WAITING_BYTES;
}

function isKept({ channel }: { readonly channel: { readonly isReliable: boolean } }): boolean {
  return channel.isReliable;
}
