/**
 * Why input from the network was dropped. Bad input is counted here by reason and otherwise forgotten: it is never
 * thrown, logged or answered.
 */
export type DropReason =
  // signalling
  | "offer-malformed"
  | "offer-too-large"
  | "session-limit"
  // floor 3: routing
  | "unknown-protocol"
  | "unknown-address"
  | "connection-limit"
  | "handshake-limit"
  | "handshake-budget"
  | "address-budget"
  | "address-unproven"
  | "fingerprint-ambiguous"
  | "move-limit"
  // ICE
  | "stun-malformed"
  | "stun-not-a-request"
  | "stun-unexpected"
  | "stun-unknown-ufrag"
  | "stun-bad-fingerprint"
  | "stun-bad-integrity"
  // DTLS
  | "dtls-malformed"
  | "dtls-unknown-epoch"
  | "dtls-bad-record"
  | "dtls-replayed"
  | "dtls-unexpected"
  | "dtls-too-large"
  | "dtls-reassembly-limit"
  // SCTP
  | "sctp-malformed"
  | "sctp-bad-checksum"
  | "sctp-bad-ports"
  | "sctp-bad-tag"
  | "sctp-bad-cookie"
  | "sctp-stale-cookie"
  | "sctp-unexpected"
  | "sctp-duplicate"
  | "sctp-reassembly-limit"
  | "sctp-receive-window"
  | "sctp-message-too-large"
  | "sctp-work-limit"
  // data channels
  | "dcep-malformed"
  | "dcep-unexpected"
  | "channel-limit"
  | "message-unknown-ppid"
  | "message-unknown-channel"
  | "message-invalid-text"
  | "receive-queue-full"
  // Of a connection that was ended because it held too much.
  | "receive-queue-full-reliable";

/** Counters by reason; one table serves a whole endpoint. */
export class DropCounters {
  readonly #counts = new Map<DropReason, number>();

  count(reason: DropReason): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  get(reason: DropReason): number {
    return this.#counts.get(reason) ?? 0;
  }

  /** A plain object of the reasons seen so far, for `stats()`. */
  snapshot(): Partial<Record<DropReason, number>> {
    return Object.fromEntries(this.#counts);
  }
}
