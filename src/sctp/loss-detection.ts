import type { SentChunk } from "./outstanding.ts";
import type { RetransmissionTimeout } from "./rto.ts";

/** Packets sent later that have come: what is missing then is lost (RFC 9260 §7.2.4, "the third miss indication"). */
const PACKETS = 3;
/** Reordering that is waited for, as a share of the round trip (RFC 8985 §6.2). */
const REORDER_SHARE = 1 / 4;
/** The most of such shares: a whole round trip. */
const MAX_SHARES = 4;
/** So many losses without reordering, and it is as if there had been none (RFC 8985 §6.2, "16 loss recoveries"). */
const QUIET_LOSSES = 16;

/**
 * Which chunks are lost, by what has come of those that were sent later: RACK (RFC 8985) for SCTP. It goes by the last
 * transmission of each chunk. So a chunk that was sent again and lost again is found in the same way, not by T3-rtx.
 *
 * A chunk is lost once three packets that left later have come, or one of them and a quarter of a round trip has passed.
 * Where packets overtake each other by three or more, time alone counts. Where the peer reports duplicates, it counts longer.
 */
export class LossDetection {
  readonly #rto: RetransmissionTimeout;
  /** The newest packet of which something has come: its number, when it left, and how long it took. */
  packet = -1;
  #sentAt = 0;
  #roundTripMs = 0;
  #isReordering = false;
  #shares = 1;
  #quietLosses = 0;
  #duplicateAt = 0;

  constructor(rto: RetransmissionTimeout) {
    this.#rto = rto;
  }

  /** A chunk in flight, or one thought to be lost, has come. */
  delivered(now: number, chunk: SentChunk): void {
    // Too early for its last transmission: it is an earlier one that has come.
    if (chunk.transmissions > 1 && now - chunk.sentAt < this.#rto.leastMs) return;
    if (chunk.packet >= this.packet) {
      this.packet = chunk.packet;
      this.#sentAt = chunk.sentAt;
      this.#roundTripMs = now - chunk.sentAt;
    } else if (chunk.transmissions === 1 && this.packet - chunk.packet >= PACKETS) {
      this.#isReordering = true;
      this.#quietLosses = 0;
    }
  }

  /** The peer has received something twice: what was sent again was merely late. Counts once a round trip. */
  duplicated(now: number): void {
    if (now - this.#duplicateAt < this.#rto.smoothedMs) return;
    this.#duplicateAt = now;
    this.#quietLosses = 0;
    this.#isReordering = true;
    if (this.#shares < MAX_SHARES) this.#shares++;
  }

  /** A loss begins. */
  lossBegins(): void {
    if (!this.#isReordering || ++this.#quietLosses <= QUIET_LOSSES) return;
    this.#isReordering = false;
    this.#shares = 1;
  }

  /**
   * A chunk in flight, sent before what has come last, is lost.
   *
   * @param isFinal it will not be sent again. Then a wrong guess is final, too: FORWARD TSN would make the peer throw away
   *   what is merely late. So both must hold: three packets, and the last of them sent clearly later.
   */
  isLost(now: number, chunk: SentChunk, isFinal: boolean): boolean {
    const behind = this.packet - chunk.packet;
    if (isFinal) return behind >= PACKETS && this.#sentAt - chunk.sentAt >= this.#reorderMs();
    return (behind >= PACKETS && !this.#isReordering) || now >= this.lostAt(chunk);
  }

  /** When a chunk that may be sent again is lost, if it has not come until then. */
  lostAt(chunk: SentChunk): number {
    return Math.ceil(chunk.sentAt + this.#roundTripMs + this.#reorderMs());
  }

  #reorderMs(): number {
    return (this.#rto.smoothedMs || this.#roundTripMs) * REORDER_SHARE * this.#shares;
  }
}
