import type { MemoryAccount } from "../wire/memory-ledger.ts";
import { type Tsn, tsnDistance } from "../wire/serial.ts";
import { ABANDONED, ACKED, IN_FLIGHT, LOST, Outstanding, type SentChunk } from "./outstanding.ts";
import { LossDetection } from "./loss-detection.ts";
import { FLAG_BEGIN, FLAG_END } from "./packet.ts";
import type { RetransmissionTimeout } from "./rto.ts";
import { SentOrder } from "./sent-order.ts";

export interface FlightSender {
  /** A message of which chunks were sent is given up: the rest of it must not follow. */
  abandoned(streamId: number, message: number): void;
}

/**
 * What was sent and is not acknowledged, and what becomes of it: acknowledged, lost, to be sent again, or abandoned
 * (RFC 9260 §6.2.1, §7.2.4; RFC 3758 §3.5).
 */
export class Flight {
  readonly chunks: Outstanding;
  /** The peer takes FORWARD TSN: messages may be given up. */
  partialReliability = false;
  /** Messages given up. */
  abandoned = 0;
  readonly #rto: RetransmissionTimeout;
  readonly #sender: FlightSender;
  #bytes = 0;
  #reliableBytes = 0;
  #lost = 0;
  /** No chunk before this one is lost, as long as any is. */
  #lostFrom = 0;
  /** Chunks from the first on that are known to be acknowledged or abandoned, and the last abandoned one of them. */
  #settled = 0;
  #skipPoint: Tsn | undefined;
  #timedTsn: Tsn | undefined;
  readonly #order = new SentOrder();
  readonly #detection: LossDetection;
  /** When a chunk that something has overtaken is lost if it has not come until then; Infinity for none. */
  suspectAt = Number.POSITIVE_INFINITY;

  constructor(initialTsn: Tsn, rto: RetransmissionTimeout, sender: FlightSender, memory: MemoryAccount) {
    this.chunks = new Outstanding(initialTsn, memory);
    this.#rto = rto;
    this.#detection = new LossDetection(rto);
    this.#sender = sender;
  }

  /** User data in flight. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Those of them that are reliable, or sent again. */
  get reliableBytes(): number {
    return this.#reliableBytes;
  }

  /** Chunks that wait to be sent again. */
  get lost(): number {
    return this.#lost;
  }

  /** Index of the first chunk that is lost; `chunks.count` or more where none is. */
  get firstLost(): number {
    if (this.#lost === 0) return this.chunks.count;
    while (this.chunks.at(this.#lostFrom).state !== LOST) this.#lostFrom++;
    return this.#lostFrom;
  }

  /**
   * The last abandoned chunk behind which and the cumulative point nothing is outstanding any more (RFC 3758 §3.5 C2, see
   * `writeForwardTsns`). What was looked at once is not looked at again for each SACK.
   */
  skipPoint(): Tsn | undefined {
    for (; this.#settled < this.chunks.count; this.#settled++) {
      const { state, tsn } = this.chunks.at(this.#settled);
      if (state === ABANDONED) this.#skipPoint = tsn;
      else if (state !== ACKED) break;
    }
    return this.#skipPoint;
  }

  /** Never given up. To a peer that does not take FORWARD TSN nothing is. */
  isReliable(maxRetransmits: number, limitMs: number): boolean {
    const isUnlimited = maxRetransmits === Number.POSITIVE_INFINITY && limitMs === Number.POSITIVE_INFINITY;
    return isUnlimited || !this.partialReliability;
  }

  /** A chunk with the next TSN leaves for the first time; a lost one, or one in flight, again. */
  launch(now: number, chunk: SentChunk): void {
    if (chunk.transmissions++ === 0) {
      chunk.reliableBytes = this.isReliable(chunk.maxRetransmits, chunk.expiresAt) ? chunk.length : 0;
      // RFC 9260 §6.3.1 C4: one measurement per round trip.
      this.#timedTsn ??= chunk.tsn;
      this.#enter(chunk);
    } else if (chunk.state === LOST) {
      chunk.state = IN_FLIGHT;
      chunk.reliableBytes = chunk.length;
      this.#lost--;
      this.#enter(chunk);
    } else {
      // §6.3.1 C5: what comes may be either.
      if (chunk.tsn === this.#timedTsn) this.#timedTsn = undefined;
      this.#order.remove(chunk);
      this.#order.append(chunk);
    }
    chunk.sentAt = now;
  }

  /** How far a cumulative TSN ack moves the point; negative, or beyond `chunks.count`, where it makes no sense. */
  advanceOf(cumulative: Tsn): number {
    return tsnDistance(cumulative, this.chunks.firstTsn) + 1;
  }

  /** The first `count` chunks are acknowledged; returns the bytes this is the first word of. */
  advance(now: number, count: number): number {
    let acked = 0;
    for (let i = 0; i < count; i++) {
      const chunk = this.chunks.shift();
      acked += this.#acknowledge(now, chunk);
      this.chunks.forget(chunk);
    }
    this.#lostFrom = Math.max(0, this.#lostFrom - count);
    this.#settled = Math.max(0, this.#settled - count);
    if (this.#skipPoint !== undefined && this.chunks.indexOf(this.#skipPoint) < 0) this.#skipPoint = undefined;
    return acked;
  }

  /** The association has ended: nothing is waited for, or sent again. */
  release(): void {
    this.#bytes = 0;
    this.#reliableBytes = 0;
    this.#lost = 0;
    for (let chunk = this.#order.oldest; chunk !== undefined; chunk = this.#order.oldest) this.#order.remove(chunk);
    while (this.chunks.count > 0) this.chunks.forget(this.chunks.shift());
    this.chunks.release();
  }

  /** Gap ack blocks: what has come beyond the cumulative point (RFC 9260 §6.2.1 iv); returns the bytes this is the first word of. */
  markGaps(now: number, view: DataView, offset: number, gaps: number): number {
    const outstanding = this.chunks;
    let acked = 0;
    let reached = 0;
    for (let block = 0; block < gaps; block++) {
      const first = view.getUint16(offset + 4 * block) - 1;
      const last = view.getUint16(offset + 4 * block + 2) - 1;
      // Blocks are ascending and within what was sent; what else a peer may write is worth no guess.
      if (first < reached || last < first || last >= outstanding.count) break;
      for (let i = reached; i < first; i++) this.#unacknowledge(now, outstanding.at(i));
      for (let i = first; i <= last; i++) {
        const chunk = outstanding.at(i);
        if (chunk.state === IN_FLIGHT || chunk.state === LOST) acked += this.#gapAcknowledge(now, chunk);
      }
      reached = last + 1;
    }
    // A first chunk that is acknowledged contradicts the cumulative point: the peer took it back.
    if (outstanding.count > 0) this.#unacknowledge(now, outstanding.at(0));
    return acked;
  }

  /** Finds out what is lost by what has come (see {@link LossDetection}); false where nothing is. */
  detectLosses(now: number): boolean {
    const order = this.#order;
    const detection = this.#detection;
    this.suspectAt = Number.POSITIVE_INFINITY;
    let isAny = false;
    let chunk = order.oldest;
    while (chunk !== undefined && chunk.packet < detection.packet) {
      const isFinal = this.#gaveUp(now, chunk);
      if (detection.isLost(now, chunk, isFinal)) {
        const { older } = chunk;
        this.#lose(now, chunk);
        isAny = true;
        // With one fragment all are abandoned, those before and behind it.
        chunk = older?.state === IN_FLIGHT ? older.newer : order.oldest;
      } else if (isFinal) {
        chunk = chunk.newer;
      } else {
        // Those behind it were sent later.
        this.suspectAt = detection.lostAt(chunk);
        break;
      }
    }
    if (isAny) detection.lossBegins();
    return isAny;
  }

  /** The peer has reported duplicates. */
  duplicated(now: number): void {
    this.#detection.duplicated(now);
  }

  /** The chunk that was sent last of those in flight that may be sent again. */
  get newestReliable(): SentChunk | undefined {
    let chunk = this.#order.newest;
    while (chunk !== undefined && (chunk.data === undefined || chunk.reliableBytes === 0)) chunk = chunk.older;
    return chunk;
  }

  /** Everything in flight that was sent at `before` or earlier is lost; false where there was nothing. */
  loseOlder(now: number, before: number): boolean {
    let isAny = false;
    for (let chunk = this.#order.oldest; chunk !== undefined && chunk.sentAt <= before; chunk = this.#order.oldest) {
      this.#lose(now, chunk);
      isAny = true;
    }
    return isAny;
  }

  /** When the earliest of what is in flight was sent; Infinity for nothing. */
  get oldestSentAt(): number {
    return this.#order.oldest?.sentAt ?? Number.POSITIVE_INFINITY;
  }

  /** RFC 3758 §3.5 A3: "all the TSNs of the message" are abandoned with one of them. */
  abandon(index: number): void {
    const { streamId, message } = this.chunks.at(index);
    let last = index;
    for (let i = this.#firstFragment(index); i >= 0; i = this.#nextFragment(i)) {
      const chunk = this.chunks.at(i);
      last = i;
      if (chunk.state === IN_FLIGHT) this.#leave(chunk);
      else if (chunk.state === LOST) this.#lost--;
      chunk.state = ABANDONED;
      this.chunks.forget(chunk);
    }
    if ((this.chunks.at(last).flags & FLAG_END) === 0) this.#skipRest(this.chunks.at(last));
    this.#sender.abandoned(streamId, message);
    this.abandoned++;
  }

  /**
   * A TSN for the end of a message that is given up before it was sent: it is skipped, too. All that was sent may have come,
   * and a FORWARD TSN that says nothing new would leave it in the peer's reassembly queue for ever.
   */
  #skipRest({ flags, streamId, number, message }: SentChunk): void {
    const end = this.chunks.push();
    end.state = ABANDONED;
    end.flags = flags | FLAG_END;
    end.streamId = streamId;
    end.number = number;
    end.length = 0;
    end.reliableBytes = 0;
    end.message = message;
  }

  /** The first fragment of the chunk's message that is outstanding. */
  #firstFragment(index: number): number {
    let first = index;
    for (;;) {
      const { flags, previous } = this.chunks.at(first);
      if ((flags & FLAG_BEGIN) !== 0 || previous > first) return first;
      first -= previous;
    }
  }

  /** The message's next fragment; −1 where no more of it was sent. */
  #nextFragment(index: number): number {
    const { flags, following } = this.chunks.at(index);
    return (flags & FLAG_END) !== 0 || following === 0 ? -1 : index + following;
  }

  /** Takes a chunk out of the flight for good; returns the bytes this acknowledges for the first time. */
  #acknowledge(now: number, chunk: SentChunk): number {
    const { state } = chunk;
    if (chunk.tsn === this.#timedTsn) {
      this.#timedTsn = undefined;
      // §6.3.1 C5, Karn's rule: not from a chunk that was sent twice.
      if (state === IN_FLIGHT && chunk.transmissions === 1) this.#rto.measure(now - chunk.sentAt);
    }
    if (state === IN_FLIGHT) this.#leave(chunk);
    else if (state === LOST) this.#lost--;
    else return 0;
    this.#detection.delivered(now, chunk);
    return chunk.length;
  }

  #enter(chunk: SentChunk): void {
    this.#bytes += chunk.length;
    this.#reliableBytes += chunk.reliableBytes;
    this.#order.append(chunk);
  }

  #leave(chunk: SentChunk): void {
    this.#bytes -= chunk.length;
    this.#reliableBytes -= chunk.reliableBytes;
    this.#order.remove(chunk);
  }

  #gapAcknowledge(now: number, chunk: SentChunk): number {
    // The peer may take it back (§6.2.1), so what could be sent again is kept until the cumulative point covers it. What a peer can
    // make us keep in this way is bounded in bytes by the connection's memory, and in time by `Transmitter.isStalled`.
    const bytes = this.#acknowledge(now, chunk);
    chunk.state = ACKED;
    return bytes;
  }

  #unacknowledge(now: number, chunk: SentChunk): void {
    if (chunk.state !== ACKED) return;
    chunk.state = IN_FLIGHT;
    // In its place it would have been lost at once, and the order is by time.
    chunk.sentAt = now;
    chunk.packet = this.#order.newest?.packet ?? this.#detection.packet;
    this.#enter(chunk);
    // It may have been one that was skipped over.
    this.#settled = 0;
    this.#skipPoint = undefined;
  }

  /** A chunk in flight is lost: abandoned where its message may not be sent again, else to be sent again. */
  #lose(now: number, chunk: SentChunk): void {
    const index = this.chunks.indexOf(chunk.tsn);
    if (chunk.tsn === this.#timedTsn) this.#timedTsn = undefined;
    if (this.#gaveUp(now, chunk)) {
      this.abandon(index);
      return;
    }
    this.#leave(chunk);
    chunk.state = LOST;
    if (this.#lost === 0 || index < this.#lostFrom) this.#lostFrom = index;
    this.#lost++;
  }

  #gaveUp(now: number, chunk: SentChunk): boolean {
    return this.partialReliability && (chunk.transmissions > chunk.maxRetransmits || chunk.expiresAt <= now);
  }
}
