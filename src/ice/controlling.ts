/**
 * The controlling agent of ICE (RFC 8445) for a client whose peer is an ICE-lite server, sans-IO: one component, one local
 * socket, the peer's candidates known from its answer, none of ours announced. It sends checks until one is answered, makes
 * that pair the selected one, and from then on asks for consent (RFC 7675).
 *
 * Where this differs from the RFC: each check is a transaction of its own instead of a repetition (§7.2.1 leaves the timing
 * to RFC 8489 §6.2.1, with 500 ms at first); as in browsers the first ones follow each other more closely.
 */
import type { RandomSource } from "../crypto/platform.ts";
import { addressBytes, type SocketAddress } from "../wire/address.ts";
import { equalBytes } from "../wire/bytes.ts";
import type { DropReason } from "../wire/drops.ts";
import type { IceCredentials } from "./credentials.ts";
import {
  BINDING_REQUEST,
  BINDING_SUCCESS,
  hasUsername,
  parseStun,
  type StunMessage,
  TRANSACTION_ID_BYTES,
  verifyFingerprint,
  verifyIntegrity,
} from "./stun.ts";
import { writeBindingRequest, writeBindingSuccess } from "./stun-write.ts";

export interface ControllingOptions {
  local: IceCredentials;
  remote: IceCredentials;
  /** Where the peer may be reached, the preferred first. At least one, at most {@link MAX_CANDIDATES} are used. */
  candidates: readonly SocketAddress[];
  random: RandomSource;
}

export interface ControllingEvents {
  /** Send this datagram there. */
  transmit(datagram: Uint8Array, destination: SocketAddress): void;
  /** The first check was answered: `destination` is where everything goes from now on. Again after each doubt. */
  selected(destination: SocketAddress): void;
  /** A check of the selected pair went unanswered. */
  doubted?(): void;
}

/** Candidates that are tried. A server announces one or a few. */
export const MAX_CANDIDATES = 16;
/** RFC 8445 §14.2: Ta, the pace at which further candidates are tried, ms. */
const PACE_MS = 50;
/** Between the first and the second check of one candidate, ms; then twice as long each time, up to MAX_INTERVAL_MS. */
const FIRST_INTERVAL_MS = 50;
const MAX_INTERVAL_MS = 1_000;
/** RFC 7675 §5.1: "a Consent check interval of 5 seconds", here less a random fifth, ms. A check costs as much as ten messages. */
const CONSENT_INTERVAL_MS = 5_000;
/** After a consent check that was not answered. */
const CONSENT_RETRY_MS = 500;
/** Checks whose answers are still believed. */
const MAX_TRANSACTIONS = 64;
/** RFC 8445 §5.1.2.2: type preference of a peer-reflexive candidate, in the place of the whole formula. */
const PRIORITY = 110 * 0x1000000 + 0xffff * 0x100 + 255;

interface Transaction {
  readonly id: Uint8Array;
  readonly to: SocketAddress;
}

interface Pair {
  readonly to: SocketAddress;
  dueAt: number;
  intervalMs: number;
}

const encoder = new TextEncoder();

export class ControllingAgent {
  readonly #events: ControllingEvents;
  readonly #random: RandomSource;
  readonly #username: string;
  readonly #localUfrag: string;
  readonly #remoteUfrag: string;
  readonly #remoteKey: Uint8Array;
  readonly #localKey: Uint8Array;
  readonly #tieBreaker: Uint8Array;
  readonly #pairs: Pair[];
  /** Oldest first. */
  readonly #transactions: Transaction[] = [];
  #selected: SocketAddress | undefined;
  #lastAnswer = Number.NEGATIVE_INFINITY;
  #consentDue = Number.POSITIVE_INFINITY;
  /** A check of the selected pair has not been answered yet. */
  #isAsking = false;
  #isInDoubt = false;

  constructor(options: ControllingOptions, events: ControllingEvents) {
    const { local, remote, candidates, random } = options;
    this.#events = events;
    this.#random = random;
    // RFC 8445 §7.2.2: the fragment of the agent that is asked first.
    this.#username = `${remote.ufrag}:${local.ufrag}`;
    this.#localUfrag = local.ufrag;
    this.#remoteUfrag = remote.ufrag;
    this.#remoteKey = encoder.encode(remote.pwd);
    this.#localKey = encoder.encode(local.pwd);
    this.#tieBreaker = random(8);
    this.#pairs = candidates
      .slice(0, MAX_CANDIDATES)
      .map((to) => ({ to, dueAt: Number.POSITIVE_INFINITY, intervalMs: FIRST_INTERVAL_MS }));
  }

  /** The pair in use; before there is one, the candidate that is tried first. */
  get destination(): SocketAddress {
    return this.#selected ?? this.#pairs[0].to;
  }

  get isSelected(): boolean {
    return this.#selected !== undefined;
  }

  /** When a check was last answered, ms; −Infinity for never. */
  get lastAnswer(): number {
    return this.#lastAnswer;
  }

  /** Whether `source` is the selected pair's, or while there is none a candidate's. */
  isAt(source: SocketAddress): boolean {
    if (this.#selected !== undefined) return isSamePlace(source, this.#selected);
    return this.#pairs.some(({ to }) => isSamePlace(source, to));
  }

  get nextDeadline(): number {
    if (this.#selected !== undefined) return this.#consentDue;
    let next = Number.POSITIVE_INFINITY;
    for (const pair of this.#pairs) next = Math.min(next, pair.dueAt);
    return next;
  }

  /** Sends the first check, and schedules those of the further candidates. */
  start(now: number): void {
    this.#pairs.forEach((pair, index) => {
      pair.dueAt = now + index * PACE_MS;
    });
    this.handleTimeout(now);
  }

  handleTimeout(now: number): void {
    if (this.#selected !== undefined) {
      if (now < this.#consentDue) return;
      if (this.#isAsking) this.#doubt();
      this.#isAsking = true;
      this.#check(this.#selected, true);
      this.#consentDue = now + CONSENT_RETRY_MS;
      return;
    }
    for (const pair of this.#pairs) {
      if (now < pair.dueAt) continue;
      // With a single candidate there is nothing to choose between; else the answered check is followed by a nomination.
      this.#check(pair.to, this.#pairs.length === 1);
      pair.dueAt = now + pair.intervalMs;
      pair.intervalMs = Math.min(2 * pair.intervalMs, MAX_INTERVAL_MS);
    }
  }

  /** Checks the selected pair now: our own address may have changed. */
  check(now: number): void {
    if (this.#selected === undefined) return;
    this.#doubt();
    this.#consentDue = now;
    this.handleTimeout(now);
  }

  /** Takes a STUN message. Returns why it was dropped, if it was. */
  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): DropReason | undefined {
    const message = parseStun(datagram);
    if (typeof message === "string") return message;
    if (message.fingerprintOffset >= 0 && !verifyFingerprint(message)) return "stun-bad-fingerprint";
    if (message.type === BINDING_REQUEST) return this.#answer(source, message);
    if (message.type !== BINDING_SUCCESS) return "stun-unexpected";
    return this.#handleSuccess(now, source, message);
  }

  #handleSuccess(now: number, source: SocketAddress, message: StunMessage): DropReason | undefined {
    const at = this.#transactions.findIndex(({ id }) => equalBytes(id, message.transactionId));
    if (at < 0) return "stun-unexpected";
    const { to } = this.#transactions[at];
    // RFC 8445 §7.2.5.2.1: the response must come from where the request went.
    if (!isSamePlace(source, to)) return "stun-unexpected";
    if (!verifyIntegrity(message, this.#remoteKey)) return "stun-bad-integrity";
    this.#transactions.splice(at, 1);
    this.#lastAnswer = now;
    // The transaction's random number serves once more: five times 256 is a fifth.
    this.#consentDue = now + CONSENT_INTERVAL_MS * (1 - message.transactionId[0] / 1_280);
    if (this.#selected !== undefined) {
      this.#isAsking = false;
      if (this.#isInDoubt) this.#events.selected(to);
      this.#isInDoubt = false;
      return undefined;
    }
    this.#selected = to;
    if (this.#pairs.length > 1) this.#check(to, true);
    this.#events.selected(to);
    return undefined;
  }

  /** A peer that is no lite agent checks, too: RFC 8445 §7.3. It has no candidates of ours and learns them by our checks. */
  #answer(source: SocketAddress, request: StunMessage): DropReason | undefined {
    if (!hasUsername(request, this.#localUfrag, this.#remoteUfrag)) return "stun-unknown-ufrag";
    if (!verifyIntegrity(request, this.#localKey)) return "stun-bad-integrity";
    this.#events.transmit(writeBindingSuccess(request.transactionId, source, this.#localKey), source);
    return undefined;
  }

  #doubt(): void {
    if (!this.#isInDoubt) this.#events.doubted?.();
    this.#isInDoubt = true;
  }

  #check(to: SocketAddress, useCandidate: boolean): void {
    const id = this.#random(TRANSACTION_ID_BYTES);
    this.#transactions.push({ id, to });
    if (this.#transactions.length > MAX_TRANSACTIONS) this.#transactions.shift();
    const request = writeBindingRequest({
      transactionId: id,
      username: this.#username,
      key: this.#remoteKey,
      priority: PRIORITY,
      tieBreaker: this.#tieBreaker,
      role: "controlling",
      useCandidate,
    });
    this.#events.transmit(request, to);
  }
}

/** Whether two texts mean the same address: IPv6 can be written in several ways. */
function isSamePlace(a: SocketAddress, b: SocketAddress): boolean {
  if (a.port !== b.port) return false;
  if (a.address === b.address) return true;
  const left = addressBytes(a.address);
  const right = addressBytes(b.address);
  return left !== undefined && right !== undefined && equalBytes(left, right);
}
