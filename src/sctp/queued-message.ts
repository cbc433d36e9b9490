import { type MessageNumber, messageNumber, SSN, type Tsn, tsn } from "../wire/serial.ts";
import { DEFAULT_PRIORITY, type OutgoingMessage } from "./outgoing-message.ts";

/** A message that waits for the congestion window, wholly or in part. */
export class QueuedMessage {
  readonly streamId: number;
  readonly ppid: number;
  readonly data: Uint8Array;
  readonly ordered: boolean;
  /** Infinity: reliable as far as this goes. */
  readonly maxRetransmits: number;
  /** When it is worth nothing any more, ms; Infinity: never. */
  readonly expiresAt: number;
  readonly priority: number;
  /** Bytes sent so far. */
  sent = 0;
  /** Among all messages, and in its stream as on the wire; given with the first fragment. */
  message = 0;
  number: MessageNumber = messageNumber(0, SSN);
  /** Fragments that were sent, and the TSN of the last one. */
  fragments = 0;
  lastTsn: Tsn = tsn(0);

  // Its places in the queue.
  /** It may be dropped for a newer one: unreliable, and no reliable one of its stream waits before it. */
  isFresh = false;
  /** The next one of its stream. */
  next: QueuedMessage | undefined = undefined;
  /** Its neighbours by age among the fresh ones of all streams. */
  older: QueuedMessage | undefined = undefined;
  newer: QueuedMessage | undefined = undefined;

  /** Copies the data. */
  constructor(now: number, message: OutgoingMessage) {
    this.streamId = message.streamId;
    this.ppid = message.ppid;
    this.data = message.data.slice();
    this.ordered = message.ordered === true;
    this.maxRetransmits = message.maxRetransmits ?? Number.POSITIVE_INFINITY;
    this.expiresAt = now + (message.lifetimeMs ?? Number.POSITIVE_INFINITY);
    this.priority = message.priority ?? DEFAULT_PRIORITY;
  }

  get isUnreliable(): boolean {
    return this.maxRetransmits !== Number.POSITIVE_INFINITY || this.expiresAt !== Number.POSITIVE_INFINITY;
  }

  get isBegun(): boolean {
    return this.sent > 0;
  }

  get isSent(): boolean {
    return this.sent === this.data.length;
  }
}
