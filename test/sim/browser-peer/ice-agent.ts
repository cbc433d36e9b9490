import type { SocketAddress } from "../../../src/wire/address.ts";
import type { Random } from "../random.ts";
import type { IceProfile } from "./profile.ts";
import { decodeAnswer, encodeCheck } from "./stun.ts";

export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

export interface IceAgentEvents {
  send(datagram: Uint8Array): void;
  /** The first check was answered. */
  connected(now: number): void;
  /** No check was answered for the browser's patience. */
  failed(now: number): void;
}

/** Checks that are still believed if their answer comes. */
const REMEMBERED_CHECKS = 32;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The controlling agent of a browser with one candidate pair: checks with the browser's own pacing (RFC 8445, 7675). */
export class IceAgent {
  readonly local: IceCredentials;
  state: "new" | "checking" | "connected" | "failed" = "new";
  /** As the server saw us last. */
  mapped: SocketAddress | undefined;
  checksSent = 0;
  checksAnswered = 0;

  readonly #profile: IceProfile;
  readonly #random: Random;
  readonly #events: IceAgentEvents;
  readonly #tieBreaker: Uint8Array;
  readonly #asked = new Set<string>();
  #remote: IceCredentials = { ufrag: "", pwd: "" };
  #transactionId = new Uint8Array(12);
  #nextCheckAt = Number.POSITIVE_INFINITY;
  /** When the next check leaves if all are answered. */
  #steadyCheckAt = 0;
  #lastCheckAt = 0;
  #startedAt = 0;
  #failsAt = Number.POSITIVE_INFINITY;
  #answeredGaps = 0;
  /** When the oldest check left that is unanswered since the last answer. */
  #waitingSince: number | undefined;

  constructor(profile: IceProfile, random: Random, events: IceAgentEvents) {
    this.#profile = profile;
    this.#random = random;
    this.#events = events;
    this.#tieBreaker = random.bytes(8);
    this.#transactionId = random.bytes(12) as Uint8Array<ArrayBuffer>;
    this.local = { ufrag: this.#text(profile.ufragLength), pwd: this.#text(24) };
  }

  get nextDeadline(): number {
    return Math.min(this.#nextCheckAt, this.#failsAt);
  }

  start(now: number, remote: IceCredentials): void {
    this.#remote = remote;
    this.state = "checking";
    this.#startedAt = now;
    this.#nextCheckAt = now;
    this.#failsAt = now + this.#profile.failedAfterMs;
  }

  stop(): void {
    this.#nextCheckAt = Number.POSITIVE_INFINITY;
    this.#failsAt = Number.POSITIVE_INFINITY;
  }

  handleTimeout(now: number): void {
    if (this.#nextCheckAt <= now) this.#check(now);
    if (this.#failsAt <= now) {
      this.state = "failed";
      this.stop();
      this.#events.failed(now);
    }
  }

  handleDatagram(now: number, bytes: Uint8Array): void {
    const answer = decodeAnswer(bytes, this.#remote.pwd);
    if (answer === undefined || !this.#asked.delete(keyOf(answer.transactionId))) return;
    this.checksAnswered++;
    this.mapped = answer.mapped;
    this.#failsAt = now + this.#profile.failedAfterMs;
    this.#waitingSince = undefined;
    if (this.state !== "checking") {
      this.#nextCheckAt = Math.max(now, this.#steadyCheckAt);
      return;
    }
    this.state = "connected";
    this.#steadyCheckAt = this.#lastCheckAt + this.#profile.answeredGapsMs[0];
    this.#nextCheckAt = Math.max(now, this.#steadyCheckAt);
    this.#events.connected(now);
  }

  #check(now: number): void {
    const { nominatesAtOnce, sameTransaction } = this.#profile;
    if (this.state === "connected" || !sameTransaction)
      this.#transactionId = this.#random.bytes(12) as Uint8Array<ArrayBuffer>;
    this.#remember(this.#transactionId);
    this.checksSent++;
    this.#lastCheckAt = now;
    this.#waitingSince ??= now;
    this.#events.send(
      encodeCheck({
        transactionId: this.#transactionId,
        username: `${this.#remote.ufrag}:${this.local.ufrag}`,
        password: this.#remote.pwd,
        // Firefox nominates with its first check and not again; Chromium with every check after the first answer.
        nominate: nominatesAtOnce === (this.state === "checking"),
        tieBreaker: this.#tieBreaker,
      }),
    );
    if (this.state !== "connected") {
      this.#nextCheckAt = this.#nextUnanswered();
      return;
    }
    if (now >= this.#steadyCheckAt) this.#steadyCheckAt = now + this.#nextGap();
    const { patienceMs, unansweredGapMs } = this.#profile;
    const impatient = Math.max((this.#waitingSince ?? Number.POSITIVE_INFINITY) + patienceMs, now + unansweredGapMs);
    this.#nextCheckAt = Math.min(this.#steadyCheckAt, impatient);
  }

  #nextGap(): number {
    const { answeredGapsMs, steadyGapMs } = this.#profile;
    const [least, most] = steadyGapMs;
    // The first of the gaps led to the check that just left.
    return answeredGapsMs[++this.#answeredGaps] ?? least + this.#random.unit() * (most - least);
  }

  #nextUnanswered(): number {
    const { unansweredAt, unansweredGapMs } = this.#profile;
    const next = unansweredAt[this.checksSent];
    return next === undefined ? this.#lastCheckAt + unansweredGapMs : this.#startedAt + next;
  }

  #remember(transactionId: Uint8Array): void {
    this.#asked.add(keyOf(transactionId));
    if (this.#asked.size > REMEMBERED_CHECKS) {
      for (const oldest of this.#asked) {
        this.#asked.delete(oldest);
        break;
      }
    }
  }

  #text(length: number): string {
    return Array.from({ length }, () => ALPHABET[this.#random.below(ALPHABET.length)]).join("");
  }
}

function keyOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
