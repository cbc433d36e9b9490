import type { MemoryAccount } from "../wire/memory-ledger.ts";
import type { Prefetchable } from "../wire/prefetch.ts";
import { type Tsn, tsn, tsnAdd, tsnAfter } from "../wire/serial.ts";
import type { PacketAssembler } from "./assembler.ts";
import { ClosedWindow } from "./closed-window.ts";
import { CongestionWindow } from "./congestion.ts";
import { DataWriter } from "./data-writer.ts";
import { writeForwardTsns } from "./forward-tsn.ts";
import { Flight, type FlightSender } from "./flight.ts";
import { ALWAYS_MARKED, GapNews, MARKED_MS_PER_CHUNK } from "./gap-news.ts";
import type { OutgoingMessage, SendResult } from "./outgoing-message.ts";
import { MAX_OUTSTANDING, MESSAGE_BYTES } from "./outstanding.ts";
import { Pacer } from "./pacer.ts";
import { QueuedMessage } from "./queued-message.ts";
import type { RetransmissionTimeout } from "./rto.ts";
import { SendQueue } from "./send-queue.ts";
import { StallWatch } from "./stall-watch.ts";

export interface TransmitterOptions {
  initialTsn: Tsn;
  maxMessageBytes: number;
  maxQueuedBytes: number;
  memory: MemoryAccount;
}

const NO_GAPS = new DataView(new ArrayBuffer(0));
/** A receiver may delay the SACK for a lone packet so long (RFC 9260 §6.2); both browsers and we do. */
const DELAYED_SACK_MS = 200;
/** A probe leaves the peer as much time beyond the round trip, for its event loop. */
const LEAST_PROBE_MS = 20;
/** With more chunks on their way than this, each SACK has a look at the time; with fewer, time-outs do. */
const STALL_CHUNKS = 64;

/** The sending half of an association: queue, window, retransmission, abandonment (RFC 9260 §6.1, §7.2; RFC 3758 §3.5). */
export class Transmitter implements FlightSender, Prefetchable {
  readonly #assembler: PacketAssembler;
  readonly #rto: RetransmissionTimeout;
  readonly #maxMessageBytes: number;
  readonly #flight: Flight;
  readonly #maxQueuedBytes: number;
  readonly #memory: MemoryAccount;
  /** Made for the first message that has to wait: on most connections none ever does. */
  #queue: SendQueue | undefined;
  readonly #congestion: CongestionWindow;
  readonly #writer: DataWriter;
  /** Made for the first message of several packets. */
  #pacer: Pacer | undefined;
  #pacedUntil = Number.POSITIVE_INFINITY;

  /** False until the association is established. */
  #open = false;
  /** a_rwnd of the last SACK. */
  #peerWindow = 0;
  #closedWindow: ClosedWindow | undefined;
  /** When a SACK acknowledged something new last, ms. */
  #progressAt = Number.NEGATIVE_INFINITY;
  #forwardPoint: Tsn | undefined;
  #forwardSentAt = Number.NEGATIVE_INFINITY;
  #forwardDue = false;
  /** Made for the first look that anything deserves. */
  #stallWatch: StallWatch | undefined;
  #gapNews: GapNews | undefined;

  /** T3-rtx, absolute ms. */
  deadline = Number.POSITIVE_INFINITY;
  /** When `detect` has something to do: to look for losses again, to probe, or to send what is paced. */
  detectionDeadline = Number.POSITIVE_INFINITY;
  /** A probe was sent since the last news. Its TSN as long as that is not acknowledged. */
  #hasProbed = false;
  #probeTsn: Tsn | undefined;
  #probeSentAt = 0;
  /** DATA chunks sent again. */
  retransmissions = 0;

  constructor(options: TransmitterOptions, assembler: PacketAssembler, rto: RetransmissionTimeout) {
    this.#assembler = assembler;
    this.#rto = rto;
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#maxQueuedBytes = options.maxQueuedBytes;
    this.#memory = options.memory;
    this.#flight = new Flight(options.initialTsn, rto, this, options.memory);
    this.#congestion = new CongestionWindow(assembler.maxPayloadBytes);
    this.#writer = new DataWriter(assembler, this.#flight, this.#congestion, rto);
  }

  /** See `Prefetchable`. */
  prefetch(): number {
    const flight = this.#flight;
    const times = this.deadline + this.#writer.lastSentAt + this.#rto.smoothedMs;
    return (times > 0 ? 1 : 0) + this.retransmissions + this.#congestion.bytes + flight.bytes + flight.chunks.count;
  }

  get nextTsn(): Tsn {
    return this.#flight.chunks.nextTsn;
  }

  get queuedBytes(): number {
    return this.#queue?.bytes ?? 0;
  }

  get flightBytes(): number {
    return this.#flight.bytes;
  }

  /** Messages given up after they were sent at least once. */
  get abandonedMessages(): number {
    return this.#flight.abandoned;
  }

  get congestionWindowBytes(): number {
    return this.#congestion.bytes;
  }

  /** Messages that never left: pushed out of the queue, or too old before their turn. */
  get droppedMessages(): number {
    return this.#queue === undefined ? 0 : this.#queue.dropped + this.#queue.expired;
  }

  /** Nothing waits and nothing is unacknowledged. */
  get isIdle(): boolean {
    return this.#queue?.isEmpty !== false && this.#flight.chunks.count === 0;
  }

  /** The peer leaves a chunk unacknowledged for too long. */
  get isStalled(): boolean {
    return this.#stallWatch?.isStalled === true;
  }

  /** A FORWARD TSN belongs into the next flush. */
  get forwardDue(): boolean {
    return this.#forwardDue;
  }

  get hasAnyQueued(): boolean {
    return this.#queue?.isEmpty === false;
  }

  /** The cumulative TSN ack. */
  get acknowledgedTsn(): Tsn {
    return tsnAdd(this.#flight.chunks.firstTsn, -1);
  }

  hasQueued(streamId: number): boolean {
    return this.#queue?.hasStream(streamId) === true;
  }

  /** From the flight. */
  abandoned(streamId: number, message: number): void {
    this.#queue?.abandon(streamId, message);
  }

  /**
   * The peer's parameters.
   *
   * @param interleaving I-DATA carries every message, DATA none (RFC 8260 §2.2.1)
   */
  learnPeer(peerWindow: number, partialReliability: boolean, interleaving = false): void {
    this.#peerWindow = peerWindow;
    this.#flight.partialReliability = partialReliability;
    // What left behind a COOKIE ECHO is sent again as it was, even where the cookie was stale.
    if (this.#flight.chunks.count > 0) return;
    this.#writer.interleaves = interleaving;
    if (this.#queue !== undefined) this.#queue.interleaves = interleaving;
  }

  /** The association is established: data may flow. */
  open(now: number): void {
    this.#open = true;
    this.#pump(now, false);
  }

  /** Puts what waits behind a COOKIE ECHO, as far as it fits into that packet (RFC 9260 §5.1 C). */
  fillPacket(now: number): void {
    this.#pump(now, true);
  }

  send(now: number, message: OutgoingMessage): SendResult {
    const { data, maxRetransmits = Number.POSITIVE_INFINITY, lifetimeMs = Number.POSITIVE_INFINITY } = message;
    const length = data.length;
    if (length > this.#maxMessageBytes && message.exempt !== true) return "too-large";
    if (
      this.#open &&
      (this.#queue === undefined || this.#queue.isEmpty) &&
      this.#flight.lost === 0 &&
      length <= this.#assembler.maxPayloadBytes &&
      this.#mayTransmit(length, this.#flight.isReliable(maxRetransmits, lifetimeMs))
    ) {
      const isKept = maxRetransmits !== 0 || !this.#flight.partialReliability;
      if (isKept && !this.#takeMemory(length, message.exempt === true)) return "queue-full";
      this.#writer.writeWhole(now, message, isKept ? data.slice() : undefined);
      this.#armTimer(now);
      if (isKept) this.#armDetection(now);
      return "sent";
    }
    const queued = new QueuedMessage(now, message);
    this.#queue ??= new SendQueue(this.#maxQueuedBytes, this.#memory, this.#writer.interleaves);
    if (!this.#queue.push(queued, message.exempt === true)) return "queue-full";
    if (this.#open) {
      this.#pump(now, false);
      this.#armDetection(now);
    }
    return queued.isSent ? "sent" : "queued";
  }

  /**
   * A SACK (RFC 9260 §6.2.1), its gap ack blocks and then its duplicate TSNs at `view[gapsOffset …]`.
   *
   * @returns true where it shows that the peer is alive: it acknowledged something new, or its window is closed
   */
  sack(
    now: number,
    cumulative: Tsn,
    window: number,
    view: DataView,
    gapsOffset: number,
    gaps: number,
    duplicates: number,
  ): boolean {
    // i: "If Cumulative TSN Ack is less than the Cumulative TSN Ack Point, then drop the SACK chunk." Beyond what was sent
    // it is nonsense, and dropped as well.
    const flight = this.#flight;
    const advance = flight.advanceOf(cumulative);
    if (advance < 0 || advance > flight.chunks.count) return false;
    // A window that opens now and then starts the timer anew each time, so time-outs do not look.
    if (flight.chunks.count > STALL_CHUNKS || this.#closedWindow !== undefined) this.#look(now);
    // What is only paced would have filled the window.
    const flightBefore = this.#pacedUntil === Number.POSITIVE_INFINITY ? flight.bytes : this.#congestion.totalBytes;
    const hasOpened = this.#learnWindow(now, window);
    const cumulativelyAcked = flight.advance(now, advance);
    this.#gapNews?.advance(advance);
    const isMarked = this.#isWorthMarking(now, view, gapsOffset, gaps);
    const acked = cumulativelyAcked + (isMarked ? flight.markGaps(now, view, gapsOffset, gaps) : 0);
    if (acked > 0) {
      this.#progressAt = now;
      this.#hasProbed = false;
    }
    const isFreed = this.#closedWindow?.isStuck === true && (hasOpened || acked > 0);
    if (isFreed) this.#closedWindow!.isStuck = false;
    if (duplicates > 0) this.#learnDuplicate(now, tsn(view.getUint32(gapsOffset + 4 * gaps)));
    this.#closeProbe(now, cumulative);
    const hasLost = (isMarked || advance > 0) && this.#detectLosses(now);
    if (advance > 0) this.#congestion.acked(cumulative, acked, flightBefore, flight.bytes);
    this.#checkForward(now);
    if (hasLost && flight.lost > 0) this.#retransmit(now, true);
    // The probe that found the window closed was dropped: it need not wait for its time-out.
    if (isFreed && advance === 0 && flight.loseOlder(now, now)) this.deadline = Number.POSITIVE_INFINITY;
    // §6.3.2 R2, R3
    if (advance > 0) this.deadline = Number.POSITIVE_INFINITY;
    this.#armTimer(now);
    if (this.#open) this.#pump(now, false);
    this.#armDetection(now);
    return acked > 0 || advance > 0 || this.#closedWindow?.isClosed === true;
  }

  /**
   * The time has come that {@link detectionDeadline} has named: what has been overtaken is lost (RFC 8985 §6.2), or nothing
   * has been heard for two round trips. Then what was sent last is sent once more, and asks for a SACK at once: it shows
   * what has come, a time-out earlier (RFC 8985 §7, tail loss probe).
   */
  detect(now: number): void {
    const flight = this.#flight;
    if (flight.suspectAt <= now) {
      if (this.#detectLosses(now)) {
        this.#checkForward(now);
        if (flight.lost > 0) this.#retransmit(now, true);
        this.#pump(now, false);
      }
    } else if (this.#pacedUntil <= now) this.#pump(now, false);
    else this.#sendProbe(now);
    this.#armDetection(now);
  }

  #detectLosses(now: number): boolean {
    if (!this.#flight.detectLosses(now)) return false;
    this.#congestion.lost(tsnAdd(this.nextTsn, -1));
    return true;
  }

  #sendProbe(now: number): void {
    this.#hasProbed = true;
    const chunk = this.#flight.newestReliable;
    if (chunk?.data === undefined) return;
    this.#probeTsn = chunk.tsn;
    this.#probeSentAt = now;
    this.retransmissions++;
    this.#writer.writeAgain(now, chunk, chunk.data);
    this.deadline = Number.POSITIVE_INFINITY;
    this.#armTimer(now);
  }

  /** A duplicate says that what was sent again had not been lost. Of a probe nobody has thought that. */
  #learnDuplicate(now: number, first: Tsn): void {
    if (first === this.#probeTsn) this.#probeTsn = undefined;
    else if (this.retransmissions > 0) this.#flight.duplicated(now);
  }

  /** RFC 8985 §7.4.2: a loss that the probe itself has repaired is a loss all the same. */
  #closeProbe(now: number, cumulative: Tsn): void {
    if (this.#probeTsn === undefined || tsnAfter(this.#probeTsn, cumulative)) return;
    this.#probeTsn = undefined;
    if (now - this.#probeSentAt >= this.#rto.leastMs) this.#congestion.lost(tsnAdd(this.nextTsn, -1));
  }

  /** With unreliable messages of one packet there is nothing to look for, to probe, or to pace. */
  #armDetection(now: number): void {
    const flight = this.#flight;
    let at = flight.suspectAt;
    if (at === Number.POSITIVE_INFINITY && flight.reliableBytes > 0 && this.#mayProbe()) at = this.#probeAt(now);
    this.detectionDeadline = Math.min(at, this.#pacedUntil);
  }

  /** RFC 8985 §7.2: not in recovery, and once until there is news. */
  #mayProbe(): boolean {
    const isQuiet = !this.#hasProbed && this.#flight.lost === 0 && this.#rto.smoothedMs > 0;
    return isQuiet && this.#closedWindow?.isClosed !== true;
  }

  #probeAt(now: number): number {
    const { smoothedMs } = this.#rto;
    const isLone = this.#flight.bytes <= this.#assembler.maxPayloadBytes && !this.#writer.lastIsUrgent;
    const at = Math.ceil(now + Math.max(2 * smoothedMs, smoothedMs + LEAST_PROBE_MS) + (isLone ? DELAYED_SACK_MS : 0));
    return at < this.deadline ? at : Number.POSITIVE_INFINITY;
  }

  /** a_rwnd of a SACK. One that has no room for a packet is closed. Returns whether this one has opened it. */
  #learnWindow(now: number, window: number): boolean {
    this.#peerWindow = window;
    const isClosed = window < this.#assembler.maxPayloadBytes;
    if (isClosed) this.#closedWindow ??= new ClosedWindow();
    return this.#closedWindow?.sack(now, isClosed) === true;
  }

  /** See {@link GapNews}. */
  #isWorthMarking(now: number, view: DataView, offset: number, gaps: number): boolean {
    const { count } = this.#flight.chunks;
    if (gaps === 0 || count <= ALWAYS_MARKED) return count > 0;
    this.#gapNews ??= new GapNews();
    return this.#gapNews.isWorthMarking(now, count, view, offset, gaps);
  }

  /** The cumulative TSN ack of a SHUTDOWN (RFC 9260 §9.2): as a SACK without gaps, and without news of the window. */
  acknowledgeUpTo(now: number, cumulative: Tsn): void {
    this.sack(now, cumulative, this.#peerWindow, NO_GAPS, 0, 0, 0);
  }

  /**
   * T3-rtx expired (RFC 9260 §6.3.3). What is in flight counts as lost: what may be sent again waits for its turn, the rest
   * is abandoned and leaves the flight, so that new messages go out at once whatever the window has become.
   *
   * The window shrinks to one packet (§7.2.3) only where nothing new was acknowledged for a whole time-out. Otherwise the
   * path is alive, and what was lost is what is older than that: a loss like one found by miss indications. With one packet
   * for a window a lossy line would stand still from one time-out to the next, and with it a flow that waits for nothing.
   * Where nothing is that old, the timer ran for a FORWARD TSN, which is repeated.
   *
   * @returns true where the peer has acknowledged nothing new for a whole time-out, and has not said that its window is closed:
   *   an error of the path (§8.1)
   */
  timeout(now: number): boolean {
    this.deadline = Number.POSITIVE_INFINITY;
    // Behind an unanswered COOKIE ECHO nothing else may be sent (§5.1 C); T1-cookie is at work.
    if (!this.#open) {
      this.#armTimer(now);
      return false;
    }
    this.#look(now);
    const since = now - this.#rto.ms;
    const isAlive = this.#progressAt > since;
    // §6.1 A: "Zero window probing does not affect the calculation of cwnd", nor the error counter as long as SACKs come. What was
    // under way when the window closed was dropped by its receiver, not by the path.
    const isProbing = this.#closedWindow?.isAnsweredSince(since) === true;
    const isDataLate = this.#flight.loseOlder(now, isAlive ? since : now);
    if (isDataLate && isAlive) this.#congestion.lost(tsnAdd(this.nextTsn, -1));
    else if (isDataLate && !isProbing) this.#congestion.timedOut();
    const nextLate = this.#flight.oldestSentAt + this.#rto.ms;
    if (isProbing && !isAlive) this.#closedWindow!.isStuck = true;
    if (!isAlive) this.#rto.backOff();
    // RFC 3758 §3.5 A5
    this.#forwardPoint = undefined;
    this.#checkForward(now);
    this.#pump(now, false);
    this.#armTimer(now);
    // What is younger than the time-out gets the rest of its own.
    if (nextLate > now && nextLate < this.deadline) this.deadline = nextLate;
    this.#armDetection(now);
    return !isAlive && !isProbing;
  }

  /** The association has ended: gives back what is held. */
  release(): void {
    this.#queue?.release();
    this.#flight.release();
    this.deadline = Number.POSITIVE_INFINITY;
    this.detectionDeadline = Number.POSITIVE_INFINITY;
    this.#pacedUntil = Number.POSITIVE_INFINITY;
  }

  /** The FORWARD TSN chunks that are due. */
  forwardTsns(now: number): Uint8Array[] {
    this.#forwardDue = false;
    this.#forwardSentAt = now;
    const chunks = writeForwardTsns(this.#flight.chunks, this.#writer.interleaves);
    // RFC 3758 §3.5 C5: "If a FORWARD TSN is sent, the sender MUST assure that at least one T3-rtx timer is running."
    this.#armTimer(now);
    return chunks;
  }

  /** Outgoing streams start over (RFC 6525 §5.2.3). Empty: all of them. */
  resetStreams(streamIds: readonly number[]): void {
    this.#writer.resetStreams(streamIds);
  }

  /**
   * Sends what the window allows: first what was lost (RFC 9260 §6.1 C), then what waits.
   *
   * @param onePacket whole messages only, and only what fits into the packet under construction
   */
  #pump(now: number, onePacket: boolean): void {
    const flight = this.#flight;
    if (flight.lost > 0) this.#retransmit(now, false);
    const { maxPayloadBytes } = this.#assembler;
    for (;;) {
      const isPaced = this.#isPaced(now);
      const isReliableHeld = isPaced || flight.lost > 0 || flight.reliableBytes >= this.#congestion.bytes;
      const message = this.#queue?.next(now, isReliableHeld, this.#peerWindow - flight.bytes);
      if (message === undefined) break;
      const isReliable = flight.isReliable(message.maxRetransmits, message.expiresAt);
      const length = this.#writer.fragmentBytes(message, onePacket);
      if (length <= 0 || (isReliable && flight.lost > 0) || !this.#mayTransmit(length, isReliable)) return;
      const isLong = message.data.length > maxPayloadBytes;
      if (isPaced && (isLong || isReliable)) return;
      this.#writer.writeFragment(now, message, length);
      this.#queue?.advance(length);
      if (isLong) {
        this.#pacer ??= new Pacer(this.#rto, this.#congestion, maxPayloadBytes);
        this.#pacer.spend(length, isReliable);
      }
      this.#armTimer(now);
    }
    // Mostly what waited for the handshake, and nothing ever waits again. What it has counted is kept.
    if (!this.hasAnyQueued && this.droppedMessages === 0) this.#queue = undefined;
  }

  /** Whether messages of several packets, and reliable ones behind them, wait for {@link Pacer}: until `#pacedUntil`. */
  #isPaced(now: number): boolean {
    this.#pacedUntil = Number.POSITIVE_INFINITY;
    if (this.#pacer === undefined || !this.hasAnyQueued) return false;
    const at = this.#pacer.nextAt(now);
    if (at <= now) return false;
    this.#pacedUntil = at;
    return true;
  }

  #look(now: number): void {
    this.#stallWatch ??= new StallWatch(now, this.#flight.chunks);
    this.#stallWatch.look(now, this.#flight.chunks, this.#closedWindow);
  }

  #takeMemory(length: number, isExempt: boolean): boolean {
    const bytes = length + MESSAGE_BYTES;
    if (!isExempt) return this.#memory.take(bytes);
    this.#memory.add(bytes);
    return true;
  }

  /** RFC 9260 §6.1 A (the peer's window; with nothing in flight one chunk may probe it) and B (the congestion window). */
  #mayTransmit(length: number, isReliable: boolean): boolean {
    if (this.#flight.bytes === 0) return this.#flight.chunks.count < MAX_OUTSTANDING;
    return (
      !this.#congestion.isFull(this.#flight, isReliable) &&
      this.#flight.bytes + length <= this.#peerWindow &&
      this.#flight.chunks.count < MAX_OUTSTANDING
    );
  }

  /** Sends lost chunks again, earliest first; `fast`: one packet of them whatever the window (RFC 9260 §7.2.4). */
  #retransmit(now: number, fast: boolean): void {
    const flight = this.#flight;
    const isStuck = this.#closedWindow?.isStuck === true;
    let budget = fast ? this.#assembler.maxPayloadBytes : Number.POSITIVE_INFINITY;
    for (let i = flight.firstLost; i < flight.chunks.count; i = flight.firstLost) {
      const chunk = flight.chunks.at(i);
      // RFC 3758 §4.1 TR4: "Before … retransmitting a message …, the SCTP sender MUST evaluate the lifetime".
      if (chunk.data === undefined || (this.#flight.partialReliability && chunk.expiresAt <= now)) {
        flight.abandon(i);
        continue;
      }
      if (fast ? chunk.length > budget : flight.bytes > 0 && (isStuck || this.#congestion.isFull(flight, true))) break;
      budget -= chunk.length;
      this.retransmissions++;
      // §6.1: "the sender MUST restart the timer if the earliest … outstanding DATA chunk … is being retransmitted".
      if (i === 0) this.deadline = Number.POSITIVE_INFINITY;
      this.#writer.writeAgain(now, chunk, chunk.data);
      this.#armTimer(now);
    }
    this.#checkForward(now);
  }

  /** RFC 3758 §3.5 C2, C3: is there anything to skip, and is it time to say so? */
  #checkForward(now: number): void {
    const point = this.#flight.skipPoint();
    if (point === undefined) return;
    // F2: "An implementation may wish to limit the number of duplicate FORWARD TSN chunks … by … waiting a full RTT". To write one
    // takes a step for each chunk that is skipped.
    const again = Math.max(this.#rto.smoothedMs, this.#flight.chunks.count * MARKED_MS_PER_CHUNK);
    if (point !== this.#forwardPoint || now - this.#forwardSentAt >= again) this.#forwardDue = true;
    this.#forwardPoint = point;
  }

  #armTimer(now: number): void {
    if (this.#flight.chunks.count === 0) this.deadline = Number.POSITIVE_INFINITY;
    else if (this.deadline === Number.POSITIVE_INFINITY) this.deadline = now + this.#rto.ms;
  }
}
