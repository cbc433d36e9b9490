/**
 * Why an association ended:
 *
 * - `local-abort`: `Association.abort` was called.
 * - `peer-abort`, `peer-shutdown`: the peer's ABORT, or its orderly SHUTDOWN.
 * - `timeout`: the peer has acknowledged nothing for `maxRetransmissions` time-outs in a row, or left a chunk out for 30 s or more.
 * - `handshake-timeout`: INIT or COOKIE ECHO stayed unanswered.
 * - `restarted`: the peer lost its state and began again; see `Handshake`.
 * - `protocol-violation`: the peer sent what must be answered with an ABORT.
 */
export type AssociationCloseReason =
  | "local-abort"
  | "peer-abort"
  | "peer-shutdown"
  | "timeout"
  | "handshake-timeout"
  | "restarted"
  | "protocol-violation";

/** What comes out of an association. Called synchronously, after the packet or timer that caused it has been handled. */
export interface AssociationEvents {
  established(): void;
  /** `data` is an own copy. */
  message(streamId: number, ppid: number, data: Uint8Array): void;
  /** The peer closed these of its streams (RFC 6525). Empty: all. */
  incomingStreamsReset(streamIds: readonly number[]): void;
  /** Our request to reset these streams is done. */
  outgoingStreamsReset(streamIds: readonly number[]): void;
  /** Nothing follows. */
  closed(reason: AssociationCloseReason): void;
}

type AssociationEvent = (
  | { readonly kind: "established" }
  | { readonly kind: "message"; readonly streamId: number; readonly ppid: number; readonly data: Uint8Array }
  | { readonly kind: "incoming-reset"; readonly streamIds: readonly number[] }
  | { readonly kind: "outgoing-reset"; readonly streamIds: readonly number[] }
  | { readonly kind: "closed"; readonly reason: AssociationCloseReason }
) & {
  /** The event after it. */
  next: AssociationEvent | undefined;
};

/**
 * Events that wait until the packet or timer is done with, so that a listener may call back into the association. They are chained:
 * a list would keep the room it has once had. Nearly always there is one, a message: that has a place of its own.
 */
export class EventQueue implements AssociationEvents {
  readonly #listener: AssociationEvents;
  /** A message that comes before all that is chained; without `data` there is none. */
  #streamId = 0;
  #ppid = 0;
  #data: Uint8Array | undefined;
  #first: AssociationEvent | undefined;
  #last: AssociationEvent | undefined;
  #draining = false;

  constructor(listener: AssociationEvents) {
    this.#listener = listener;
  }

  established(): void {
    this.#push({ kind: "established", next: undefined });
  }

  message(streamId: number, ppid: number, data: Uint8Array): void {
    if (!this.isEmpty) {
      this.#push({ kind: "message", streamId, ppid, data, next: undefined });
      return;
    }
    this.#streamId = streamId;
    this.#ppid = ppid;
    this.#data = data;
  }

  incomingStreamsReset(streamIds: readonly number[]): void {
    this.#push({ kind: "incoming-reset", streamIds, next: undefined });
  }

  outgoingStreamsReset(streamIds: readonly number[]): void {
    this.#push({ kind: "outgoing-reset", streamIds, next: undefined });
  }

  closed(reason: AssociationCloseReason): void {
    this.#push({ kind: "closed", reason, next: undefined });
  }

  get isEmpty(): boolean {
    return this.#data === undefined && this.#first === undefined;
  }

  /** Calls the listener with everything, also with what the listener's own calls add. */
  drain(): void {
    if (this.#draining || this.isEmpty) return;
    this.#draining = true;
    while (!this.isEmpty) {
      if (this.#data !== undefined) this.#deliverMessage(this.#data);
      else if (this.#first !== undefined) this.#deliverFirst(this.#first);
    }
    this.#draining = false;
  }

  #push(event: AssociationEvent): void {
    if (this.#last === undefined) this.#first = event;
    else this.#last.next = event;
    this.#last = event;
  }

  #deliverMessage(data: Uint8Array): void {
    this.#data = undefined;
    this.#listener.message(this.#streamId, this.#ppid, data);
  }

  #deliverFirst(event: AssociationEvent): void {
    this.#first = event.next;
    if (event.next === undefined) this.#last = undefined;
    if (event.kind === "message") this.#listener.message(event.streamId, event.ppid, event.data);
    else if (event.kind === "established") this.#listener.established();
    else if (event.kind === "incoming-reset") this.#listener.incomingStreamsReset(event.streamIds);
    else if (event.kind === "outgoing-reset") this.#listener.outgoingStreamsReset(event.streamIds);
    else this.#listener.closed(event.reason);
  }
}
