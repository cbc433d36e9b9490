import { equalConstantTime, type RandomSource } from "../crypto/platform.ts";
import { ByteWriter } from "../wire/bytes.ts";
import { HEARTBEAT, HEARTBEAT_INFO, parseParameters, writeChunk, writeParameter } from "./packet.ts";

const NONCE_BYTES = 8;

/**
 * Our own HEARTBEATs (RFC 9260 §8.3): optional, because ICE consent (RFC 7675) watches the path already. The information
 * in them is a nonce, so that only the peer's answer to the last one counts.
 */
export class Heartbeat {
  readonly #intervalMs: number;
  readonly #random: RandomSource;
  #info: Uint8Array | undefined;
  #sentAt = 0;
  #repetitions = 0;
  /** When the next one is due, absolute ms. */
  deadline = Number.POSITIVE_INFINITY;

  /** @param intervalMs 0 for none */
  constructor(intervalMs: number, random: RandomSource) {
    this.#intervalMs = intervalMs;
    this.#random = random;
  }

  /** The last one has not been answered. */
  get isUnanswered(): boolean {
    return this.#info !== undefined;
  }

  /**
   * The last one of a regular series has not been answered, which is an error of the path (§8.1). A question of its own is
   * its owner's, who decides what silence means.
   */
  get isMissed(): boolean {
    return this.#intervalMs > 0 && this.isUnanswered;
  }

  /** How many in a row were not answered, the last one included. */
  get unanswered(): number {
    return this.isUnanswered ? this.#repetitions + 1 : 0;
  }

  start(now: number): void {
    if (this.#intervalMs > 0) this.deadline = now + this.#intervalMs;
  }

  /**
   * A HEARTBEAT chunk to send now; the next is due an interval and a time-out later. Without an interval it is a question
   * of its own, repeated each time-out until it is answered.
   *
   * @param rtoMs backed off by {@link unanswered} (§8.3): each has a nonce of its own, so none would ever be answered in time where
   *   the round trip is longer than the time-out
   */
  timeout(now: number, rtoMs: number): Uint8Array {
    this.#repetitions = this.unanswered;
    this.#info = new ByteWriter(NONCE_BYTES).bytes(this.#random(NONCE_BYTES)).finish();
    this.#sentAt = now;
    this.deadline = now + this.#intervalMs + rtoMs;
    return writeChunk(HEARTBEAT, 0, writeParameter(HEARTBEAT_INFO, this.#info));
  }

  /** The round trip in ms where `body` (of a HEARTBEAT ACK) answers the last one. */
  acknowledged(now: number, body: Uint8Array): number | undefined {
    if (this.#info === undefined) return undefined;
    const info = parseParameters(body)?.find((parameter) => parameter.type === HEARTBEAT_INFO)?.value;
    if (info === undefined || !equalConstantTime(info, this.#info)) return undefined;
    this.#info = undefined;
    if (this.#intervalMs === 0) this.deadline = Number.POSITIVE_INFINITY;
    return now - this.#sentAt;
  }
}
