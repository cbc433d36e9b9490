import { type DataChunk, type ForwardTsn, type Sack, type Skipped, unwrapTsn, wrapTsn } from "./sctp-chunks.ts";
import { DATA_HEADER_BYTES, I_DATA_HEADER_BYTES, padded } from "./sctp-packet.ts";
import { type Fragment, type OutgoingMessage, SctpQueue } from "./sctp-queue.ts";
import { BackoffTimer, type RetransmissionTimeout } from "./sctp-timing.ts";

/** The path MTU browsers reckon with; packets are cut to a multiple of four below it (1188). */
const MTU_BYTES = 1191;
const INITIAL_WINDOW_MTUS = 10;
const LOSS_WINDOW_MTUS = 4;
const MISSES_UNTIL_LOST = 3;

/** One chunk that was sent and that the cumulative TSN has not passed yet. */
interface Sent {
  readonly fragment: Fragment;
  readonly sentAt: number;
  retransmits: number;
  misses: number;
  acked: boolean;
  abandoned: boolean;
  /** Marked for retransmission: in a fast retransmit, or whenever the window allows. */
  pending: "no" | "fast" | "later";
}

/**
 * The sending half of an association: congestion window (RFC 9260 §7), loss detection by missing reports and T3-rtx, and
 * partial reliability (RFC 3758) as browsers do it.
 */
export class SctpSender {
  readonly queue: SctpQueue;
  readonly t3 = new BackoffTimer();
  congestionWindow = INITIAL_WINDOW_MTUS * MTU_BYTES;
  /** Unwrapped TSN up to which everything is done with. */
  cumulative: number;

  readonly #rto: RetransmissionTimeout;
  /** `#sent[i]` has TSN `cumulative + 1 + i`. */
  #sent: Sent[] = [];
  #peerWindow: number;
  #threshold: number;
  #partialBytesAcked = 0;
  #flightBytes = 0;
  #flightData = 0;
  #flightChunks = 0;
  #recoveryExit: number | undefined;
  readonly #headerBytes: number;

  constructor(initialTsn: number, peerWindow: number, rto: RetransmissionTimeout, interleaves: boolean) {
    this.queue = new SctpQueue(interleaves);
    this.#headerBytes = interleaves ? I_DATA_HEADER_BYTES : DATA_HEADER_BYTES;
    this.cumulative = initialTsn - 1;
    this.#peerWindow = peerWindow;
    this.#threshold = peerWindow;
    this.#rto = rto;
  }

  get outstanding(): boolean {
    return this.#sent.length > 0;
  }

  get lastAssignedTsn(): number {
    return this.cumulative + this.#sent.length;
  }

  /** DATA chunks for the next packet: first what is to be repeated, then new ones, in `room` bytes. */
  take(now: number, room: number): DataChunk[] {
    let left = Math.min(room, Math.max(0, this.congestionWindow - this.#flightBytes));
    if (this.#flightChunks > 0) left = Math.min(left, padded(this.#peerWindow + this.#headerBytes));
    left &= ~3;
    const chunks = this.#takePending("later", left);
    for (const chunk of chunks) left -= padded(this.#headerBytes + chunk.data.length);
    while (left > this.#headerBytes) {
      const fragment = this.queue.take(now, left - this.#headerBytes);
      if (fragment === undefined) break;
      left -= this.#chunkBytes(fragment);
      const chunk = this.#insert(now, fragment);
      // The time of a message may end between its fragments: it gets its TSN and is abandoned at once.
      if (fragment.message.expiresAt <= now) this.#abandon(fragment.message);
      else chunks.push(chunk);
    }
    if (chunks.length > 0 && !this.t3.running) this.t3.start(now, this.#rto.valueMs);
    return chunks;
  }

  /** RFC 9260 §7.2.4 rule 3: one packet of lost chunks goes out whatever the window says. */
  takeFastRetransmit(now: number, room: number): DataChunk[] {
    const chunks = this.#takePending("fast", room);
    for (const sent of this.#sent) if (sent.pending === "fast") sent.pending = "later";
    if (chunks.length > 0 && unwrapTsn(chunks[0].tsn, this.cumulative) === this.cumulative + 1) {
      this.t3.start(now, this.#rto.valueMs);
    }
    return chunks;
  }

  /** @returns whether anything new was acknowledged; `undefined` for a SACK that is out of date or nonsense */
  handleSack(now: number, sack: Sack): boolean | undefined {
    const cumulative = unwrapTsn(sack.cumulativeTsn, this.cumulative);
    const lastGap = sack.gaps.length === 0 ? 0 : sack.gaps[sack.gaps.length - 1].end;
    if (cumulative < this.cumulative || cumulative + lastGap > this.lastAssignedTsn) return undefined;
    const advanced = cumulative > this.cumulative;
    const flightBefore = this.#flightBytes;
    if (sack.gaps.length === 0 && advanced) this.#measure(now, cumulative);
    if (this.#recoveryExit !== undefined && cumulative >= this.#recoveryExit) this.#recoveryExit = undefined;

    const { ackedBytes, highestAcked } = this.#acknowledge(cumulative, sack.gaps);
    const lost = this.#countMisses(sack.gaps, advanced, highestAcked);
    this.#peerWindow = Math.max(0, sack.windowBytes - this.#flightData);
    if (advanced) {
      this.t3.stop();
      this.#growWindow(flightBefore, ackedBytes);
    }
    if (lost) this.#shrinkWindow();
    if (this.outstanding && !this.t3.running) this.t3.start(now, this.#rto.valueMs);
    if (!this.outstanding) this.t3.stop();
    return ackedBytes > 0;
  }

  /** RFC 9260 §6.3.3: everything in flight counts as lost. */
  handleT3(): void {
    this.#threshold = Math.max(this.congestionWindow / 2, 4 * MTU_BYTES);
    this.congestionWindow = MTU_BYTES;
    this.#partialBytesAcked = 0;
    for (const sent of [...this.#sent]) if (!sent.acked) this.#miss(sent, true, "later");
    if (!this.outstanding) this.t3.stop();
  }

  /** The FORWARD-TSN that is due: the first chunk that the peer waits for was abandoned. */
  forwardTsn(now: number): ForwardTsn | undefined {
    this.#expire(now);
    if (!this.#sent[0]?.abandoned) return undefined;
    let newCumulative = this.cumulative;
    const skipped = new Map<string, Skipped>();
    for (const { abandoned, fragment } of this.#sent) {
      if (!abandoned) break;
      newCumulative++;
      const { streamId, unordered } = fragment.message;
      skipped.set(`${streamId} ${unordered}`, { streamId, unordered, number: fragment.number });
    }
    return { newCumulativeTsn: wrapTsn(newCumulative), skipped: [...skipped.values()] };
  }

  #insert(now: number, fragment: Fragment): DataChunk {
    const sent: Sent = {
      fragment,
      sentAt: now,
      retransmits: 0,
      misses: 0,
      acked: false,
      abandoned: false,
      pending: "no",
    };
    this.#sent.push(sent);
    this.#account(sent, 1);
    this.#peerWindow = Math.max(0, this.#peerWindow - fragment.data.length);
    return this.#chunk(sent, this.lastAssignedTsn);
  }

  #chunk({ fragment }: Sent, tsn: number): DataChunk {
    const { message, data, number, fsn, begin, end } = fragment;
    return {
      tsn: wrapTsn(tsn),
      streamId: message.streamId,
      number,
      fsn,
      ppid: message.ppid,
      unordered: message.unordered,
      begin,
      end,
      // Below its initial window a browser asks for SACKs at once (measured: set on all DATA after the first loss).
      immediate: this.congestionWindow < INITIAL_WINDOW_MTUS * MTU_BYTES,
      data,
    };
  }

  #takePending(which: "fast" | "later", room: number): DataChunk[] {
    const chunks: DataChunk[] = [];
    let left = room;
    this.#sent.forEach((sent, i) => {
      const bytes = this.#chunkBytes(sent.fragment);
      if (sent.pending !== which || bytes > left) return;
      left -= bytes;
      sent.pending = "no";
      sent.misses = 0;
      sent.retransmits++;
      this.#account(sent, 1);
      chunks.push(this.#chunk(sent, this.cumulative + 1 + i));
    });
    return chunks;
  }

  /** RTT of the newest chunk acknowledged, unless it was sent twice (Karn). */
  #measure(now: number, cumulative: number): void {
    const newest = this.#sent[cumulative - this.cumulative - 1];
    if (newest !== undefined && newest.retransmits === 0) this.#rto.observe(now - newest.sentAt);
  }

  #acknowledge(cumulative: number, gaps: Sack["gaps"]): { ackedBytes: number; highestAcked: number } {
    let ackedBytes = 0;
    let highestAcked = cumulative;
    const acknowledge = (sent: Sent): boolean => {
      if (sent.acked) return false;
      ackedBytes += this.#chunkBytes(sent.fragment);
      if (inFlight(sent)) this.#account(sent, -1);
      sent.acked = true;
      sent.pending = "no";
      return true;
    };
    const done = cumulative - this.cumulative;
    for (const sent of this.#sent.splice(0, done)) acknowledge(sent);
    this.cumulative = cumulative;
    for (const { start, end } of gaps) {
      for (let offset = start; offset <= end; offset++) {
        if (acknowledge(this.#sent[offset - 1])) highestAcked = Math.max(highestAcked, cumulative + offset);
      }
    }
    return { ackedBytes, highestAcked };
  }

  /** RFC 9260 §7.2.4: chunks below the highest one newly acknowledged are missing once more. */
  #countMisses(gaps: Sack["gaps"], advanced: boolean, highestAcked: number): boolean {
    const recovering = this.#recoveryExit !== undefined;
    const lastGap = gaps.length === 0 ? 0 : gaps[gaps.length - 1].end;
    const upTo = recovering && advanced ? lastGap : highestAcked - this.cumulative;
    let lost = false;
    let missing = 1;
    for (const { start, end } of gaps) {
      for (; missing < start && missing <= upTo; missing++) {
        lost = this.#miss(this.#sent[missing - 1], false, recovering ? "later" : "fast") || lost;
      }
      missing = Math.max(missing, end + 1);
    }
    return lost;
  }

  /** @returns whether the chunk counts as lost from now on */
  #miss(sent: Sent, atOnce: boolean, retransmit: "fast" | "later"): boolean {
    sent.misses++;
    if (sent.abandoned || sent.pending !== "no" || !(atOnce || sent.misses >= MISSES_UNTIL_LOST)) return false;
    if (sent.retransmits < sent.fragment.message.maxRetransmits) {
      this.#account(sent, -1);
      sent.pending = retransmit;
    } else {
      this.#abandon(sent.fragment.message);
    }
    return true;
  }

  /** RFC 3758 §3.5: a message is abandoned with all its fragments, also those that were not sent yet. */
  #abandon(message: OutgoingMessage): void {
    const last = this.#sent.findLast((sent) => sent.fragment.message === message) as Sent;
    if (this.queue.discardRest(message)) {
      // A TSN for the end that is never sent, so that the receiver sees where the message ends.
      const fsn = last.fragment.fsn + 1;
      const fragment: Fragment = { ...last.fragment, data: new Uint8Array(0), fsn, begin: false, end: true };
      this.#sent.push({ ...last, fragment, acked: true, abandoned: true, pending: "no" });
    }
    for (const sent of this.#sent) {
      if (sent.fragment.message !== message || sent.abandoned) continue;
      if (inFlight(sent)) this.#account(sent, -1);
      sent.abandoned = true;
      sent.pending = "no";
    }
  }

  /** Chunks at the front that were reported missing and whose time is over. */
  #expire(now: number): void {
    for (const sent of [...this.#sent]) {
      if (sent.abandoned) continue;
      if (sent.acked || sent.misses === 0 || sent.fragment.message.expiresAt > now) return;
      this.#abandon(sent.fragment.message);
    }
  }

  #growWindow(flightBefore: number, ackedBytes: number): void {
    const fullyUsed = flightBefore + MTU_BYTES >= this.congestionWindow;
    if (this.congestionWindow <= this.#threshold) {
      if (fullyUsed && this.#recoveryExit === undefined) this.congestionWindow += Math.min(ackedBytes, MTU_BYTES);
      return;
    }
    this.#partialBytesAcked += ackedBytes;
    if (this.#partialBytesAcked >= this.congestionWindow && fullyUsed) {
      this.#partialBytesAcked -= this.congestionWindow;
      this.congestionWindow += MTU_BYTES;
    }
  }

  #shrinkWindow(): void {
    if (this.#recoveryExit !== undefined) return;
    this.#threshold = Math.max(this.congestionWindow / 2, LOSS_WINDOW_MTUS * MTU_BYTES);
    this.congestionWindow = this.#threshold;
    this.#partialBytesAcked = 0;
    this.#recoveryExit = this.lastAssignedTsn;
  }

  #chunkBytes({ data }: Fragment): number {
    return padded(this.#headerBytes + data.length);
  }

  #account({ fragment }: Sent, sign: 1 | -1): void {
    this.#flightBytes += sign * this.#chunkBytes(fragment);
    this.#flightData += sign * fragment.data.length;
    this.#flightChunks += sign;
  }
}

function inFlight({ acked, abandoned, pending }: Sent): boolean {
  return !acked && !abandoned && pending === "no";
}
