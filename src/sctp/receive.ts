import type { AssociationLimits } from "../limits.ts";
import type { DropCounters } from "../wire/drops.ts";
import { type MemoryAccount, unlimitedAccount } from "../wire/memory-ledger.ts";
import type { Prefetchable } from "../wire/prefetch.ts";
import { type Tsn, tsnAdd, tsnAfter } from "../wire/serial.ts";
import {
  DATA,
  FLAG_IMMEDIATE,
  FLAG_SKIPS_UNORDERED,
  FORWARD_TSN,
  I_DATA,
  I_FORWARD_TSN,
  I_FORWARD_TSN_ENTRY_BYTES,
  SACK,
  SACK_HEADER_BYTES,
} from "./packet.ts";
import { Reassembly, type ReassemblyFault, type ReassemblySink } from "./reassembly.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { ReceivedTsns } from "./received-tsns.ts";
import type { HeldStreams } from "./reset.ts";

/**
 * RFC 9260 §6.2: "an acknowledgement … SHOULD be generated within 200 ms of the arrival of any unacknowledged DATA chunk"
 * (and MUST be within 500 ms). Where something is sent before, the SACK rides on it.
 */
const SACK_DELAY_MS = 200;
/** §6.2: "an acknowledgement SHOULD be generated for at least every second packet". */
const SACK_EVERY_PACKETS = 2;
/**
 * A peer's window grows by one packet per SACK (§7.2.1), so a bulk transfer must not see one SACK per event-loop turn:
 * after this much unacknowledged data one leaves at once, without waiting for the flush. Four full packets keep slow start
 * going at a tenth of the cost that a SACK for each second packet of a burst would have.
 */
const SACK_EVERY_BYTES = 4_500;
/**
 * What a SACK may take beside the datagrams that it answers: bytes for each byte of user data, and for each packet. Where small
 * messages come between hundreds of gaps, each would be answered with a kilobyte of blocks that the peer knows already. So a SACK
 * that is larger waits for more packets, or for its delay to be over. One of 60 blocks never does.
 */
const SACK_SHARE = 4;
const SACK_PACKET_BYTES = 256;

/** The window is closed below this: a packet would not fit. */
const LEAST_WINDOW_BYTES = 1_500;
/** A window that has grown to so many times what the peer knows of is told at once. */
const UPDATE_FACTOR = 2;

/** With more open gaps than this, old ones are no longer waited for, where {@link Receiver.skipsOldGaps} allows it. */
const MAX_OPEN_GAPS = 32;
/**
 * A gap is old once something behind it came this long ago or longer (up to twice as long: it is looked at so often). By
 * then a browser would have sent a reliable message again at least twice: after three SACKs, and 0.5 s and 1.5 s later.
 */
const OLD_GAP_MS = 2_000;

/** The receiving half of an association: what has come, what is delivered, and when that must be acknowledged. */
export class Receiver implements Prefetchable {
  readonly #tsns: ReceivedTsns;
  readonly #reassembly: Reassembly;
  readonly #limits: AssociationLimits;
  readonly #drops: DropCounters;
  readonly #window: ReceiveWindow;
  #unreadBytes = 0;
  /** The window in the last SACK. */
  #advertised: number;

  #packets = 0;
  #bytes = 0;
  /** Data has come that no SACK has acknowledged yet. */
  #pending = false;
  /** The next flush must carry a SACK. */
  #due = false;
  #sawData = false;
  #isFirst = true;
  /** A SACK has waited for as long as it may. */
  #isLate = false;
  /** The last TSN that had come at the last two looks, {@link OLD_GAP_MS} apart while gaps are open: those before the older one are old. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  #recent: Tsn;
  #old: Tsn;
  /**
   * Nothing the peer sends is ever sent again: all channels are unordered, with maxRetransmits 0. Then old gaps may be
   * skipped without its FORWARD TSN.
   *
   * Chromium and Firefox skip one gap per FORWARD TSN and send one per round trip. Where gaps come faster, as at 20 % loss
   * with 60 messages a second and 200 ms, their cumulative point falls behind without end: after a minute the gaps fill more
   * than a SACK holds, what is beyond it looks unacknowledged, and their congestion window closes for good. So here, and
   * only here, our Cumulative TSN Ack (RFC 9260 §3.3.4) passes what is still missing: it will not come.
   */
  skipsOldGaps = false;
  /** Streams of which the peer's reset is not performed yet: nothing of the time behind it is taken before. */
  heldStreams: HeldStreams | undefined;
  /** When a SACK is due if nothing is sent before, ms. */
  sackDeadline = Number.POSITIVE_INFINITY;
  /** The one type of chunk that brings user data, and the one that skips some (RFC 8260 §2.2.1, §2.3.1). */
  readonly dataType: number;
  readonly forwardType: number;

  constructor(
    initialTsn: Tsn,
    limits: AssociationLimits,
    sink: ReassemblySink,
    drops: DropCounters,
    memory: MemoryAccount = unlimitedAccount(),
    interleaving = false,
  ) {
    this.#tsns = new ReceivedTsns(initialTsn);
    this.#recent = this.#tsns.cumulative;
    this.#old = this.#recent;
    this.#limits = limits;
    this.#window = new ReceiveWindow(limits.receiveWindowBytes, limits.maxReceiveWindowBytes, memory);
    this.#advertised = limits.receiveWindowBytes;
    this.#reassembly = new Reassembly(limits, sink, memory, interleaving);
    this.dataType = interleaving ? I_DATA : DATA;
    this.forwardType = interleaving ? I_FORWARD_TSN : FORWARD_TSN;
    this.#drops = drops;
  }

  /** See `Prefetchable`. */
  prefetch(): number {
    return this.#packets + this.#tsns.blockCount + this.#reassembly.heldBytes + (this.sackDeadline > 0 ? 1 : 0);
  }

  get cumulativeTsn(): Tsn {
    return this.#tsns.cumulative;
  }

  /** A packet must leave for the SACK alone if there is no other. */
  get sackDue(): boolean {
    return this.#due && this.sackBytes > 0;
  }

  /** So much came since the last SACK that it should not wait for the flush. */
  get sackOverdue(): boolean {
    return this.#bytes >= SACK_EVERY_BYTES;
  }

  /** Bytes of the SACK that would be written now; 0 for none. */
  get sackBytes(): number {
    if (!this.#pending) return 0;
    const bytes = SACK_HEADER_BYTES + 4 * (this.#tsns.blockCount + this.#tsns.duplicateCount);
    const isEarned =
      bytes <= SACK_PACKET_BYTES || bytes <= SACK_SHARE * this.#bytes + SACK_PACKET_BYTES * this.#packets;
    return isEarned || this.#isLate ? bytes : 0;
  }

  /**
   * Delivered messages that the application has not taken yet, bytes: they narrow the advertised window. Where it takes them, and the
   * peer knows of little room or none, a SACK tells it without delay: it waits.
   */
  set unreadBytes(bytes: number) {
    const isLess = bytes < this.#unreadBytes;
    this.#unreadBytes = bytes;
    if (!isLess) return;
    const { window } = this;
    if (window === 0 || window < UPDATE_FACTOR * this.#advertised) return;
    this.#pending = true;
    this.#due = true;
  }

  /**
   * What the peer may send beyond what is held (§6.2: "SHOULD reflect the current receive buffer space"), bytes. Room for less
   * than a packet is none: to fill it in small pieces costs more than to wait (silly window syndrome, RFC 1122 §4.2.3.3).
   */
  get window(): number {
    const { receiveWindowBytes } = this.#limits;
    const window = this.#reassembly.windowBytes - this.#unreadBytes;
    return window < Math.min(LEAST_WINDOW_BYTES, receiveWindowBytes / 2) ? 0 : window;
  }

  /** The association must end, and why. */
  get fault(): ReassemblyFault | undefined {
    return this.#reassembly.fault;
  }

  /** One DATA or I-DATA chunk, its user data at `memory[offset …]`; see {@link Reassembly.add}. */
  data(
    flags: number,
    chunkTsn: Tsn,
    streamId: number,
    sequence: number,
    ppid: number,
    memory: Uint8Array,
    offset: number,
    length: number,
  ): void {
    this.#sawData = true;
    this.#pending = true;
    this.#bytes += length;
    // §5.1: "After the reception of the first DATA chunk in an association, the endpoint MUST immediately respond with a SACK".
    if (this.#isFirst) this.#due = true;
    this.#isFirst = false;
    // RFC 9260 §6.2, the I bit of §3.3.1: "the receiver … SHOULD NOT delay the sending of the SACK".
    if ((flags & FLAG_IMMEDIATE) !== 0) this.#due = true;
    const next = tsnAdd(this.#tsns.cumulative, 1);
    // As for a gap that opens, a SACK without delay for one that closes: the sender waits for what it sent again.
    if (this.#tsns.blockCount > 0) this.#due = true;
    if (chunkTsn !== next && this.#tsns.has(chunkTsn)) {
      // §6.2: "When a packet arrives with duplicate DATA chunk(s) and with no new DATA chunk(s), the endpoint MUST
      // immediately send a SACK chunk with no delay."
      this.#tsns.addDuplicate(chunkTsn);
      this.#due = true;
      this.#drops.count("sctp-duplicate");
      return;
    }
    // Beyond the window a peer may probe it, or send what it had sent before it knew: dropped and not acknowledged, it comes again.
    const isFull = this.#unreadBytes >= this.#window.bytes;
    if (isFull || !this.#tsns.hasRoomFor(chunkTsn)) {
      this.#due = true;
      this.#drops.count("sctp-receive-window");
      return;
    }
    if (this.heldStreams?.holds(chunkTsn, streamId) === true) {
      // RFC 6525 §5.2.2 E2 has it queued. Nobody sends it: a sender waits for the answer (§5.1.2), so it may as well come again.
      this.#due = true;
      this.#drops.count("sctp-unexpected");
      return;
    }
    const isNext = chunkTsn === next;
    if (!this.#reassembly.add(flags, chunkTsn, streamId, sequence, ppid, memory, offset, length, isNext)) {
      // §6.2: "if no space is available, … the receiver drops the data and sends a SACK".
      this.#due = true;
      this.#drops.count("sctp-reassembly-limit");
      return;
    }
    this.#tsns.add(chunkTsn);
    this.#window.count(length);
  }

  /** A DATA chunk that is acknowledged and thrown away: its stream does not exist (§6.5). */
  discard(chunkTsn: Tsn): void {
    this.#sawData = true;
    this.#pending = true;
    if (this.#tsns.has(chunkTsn) || !this.#tsns.hasRoomFor(chunkTsn)) return;
    this.#tsns.add(chunkTsn);
  }

  /** FORWARD TSN or I-FORWARD-TSN with its stream entries at `view[offset …]` (RFC 3758 §3.6, RFC 8260 §2.3.1). */
  forward(newCumulative: Tsn, view: DataView, offset: number, length: number): void {
    this.#sawData = true;
    this.#pending = true;
    if (this.#tsns.blockCount > 0) this.#due = true;
    const oldCumulative = this.#tsns.cumulative;
    if (!this.#tsns.forward(newCumulative)) {
      // "treat this FORWARD TSN as out-of-date …. The receiver SHOULD send a SACK": the previous one may be lost.
      this.#due = true;
      return;
    }
    if (this.forwardType === I_FORWARD_TSN) {
      this.#skipMessages(view, offset, length);
      return;
    }
    this.#reassembly.forward(oldCumulative, newCumulative);
    // A peer names each stream once at most; more entries than streams are there to cost time.
    const end = offset + Math.min(length, 4 * this.#limits.maxStreams);
    for (let at = offset; at + 4 <= end; at += 4) {
      const streamId = view.getUint16(at);
      if (streamId < this.#limits.maxStreams) this.#reassembly.skip(streamId, view.getUint16(at + 2));
    }
  }

  /** The entries of I-FORWARD-TSN, 8 bytes each: a stream may be named twice, for its ordered and its unordered messages. */
  #skipMessages(view: DataView, offset: number, length: number): void {
    const end = offset + Math.min(length, 2 * I_FORWARD_TSN_ENTRY_BYTES * this.#limits.maxStreams);
    for (let at = offset; at + I_FORWARD_TSN_ENTRY_BYTES <= end; at += I_FORWARD_TSN_ENTRY_BYTES) {
      const streamId = view.getUint16(at);
      if (streamId >= this.#limits.maxStreams) continue;
      const isUnordered = (view.getUint16(at + 2) & FLAG_SKIPS_UNORDERED) !== 0;
      const number = view.getUint32(at + 4);
      if (isUnordered) this.#reassembly.skipUnordered(streamId, number);
      else this.#reassembly.skip(streamId, number);
    }
  }

  /** The peer's streams start over (RFC 6525 §5.2.2). Empty: all of them. */
  resetStreams(streamIds: readonly number[]): void {
    this.#reassembly.reset(streamIds);
  }

  /** The association has ended: gives back what is held. */
  release(): void {
    this.#reassembly.release();
  }

  /** True once everything up to `lastTsn` has come. */
  hasAllUpTo(lastTsn: Tsn): boolean {
    return !tsnAfter(lastTsn, this.#tsns.cumulative);
  }

  /** Call after the last chunk of each packet: decides when to acknowledge (§6.2). */
  packetDone(now: number, roundTripMs: number): void {
    if (!this.#sawData) return;
    this.#sawData = false;
    this.#growWindow(now, roundTripMs);
    if (++this.#packets >= SACK_EVERY_PACKETS) this.#due = true;
    if (this.#tsns.blockCount > 0) {
      // §6.7: "if … a gap in the TSN sequence … the data receiver SHOULD send a SACK … immediately".
      this.#due = true;
      this.#skipOldGaps(now);
    }
    if (!this.sackDue && this.sackDeadline === Number.POSITIVE_INFINITY) this.sackDeadline = now + SACK_DELAY_MS;
  }

  #growWindow(now: number, roundTripMs: number): void {
    const before = this.#window.bytes;
    this.#window.update(now, roundTripMs, this.#reassembly.heldBytes + this.#unreadBytes);
    if (this.#window.bytes > before) this.#reassembly.growTo(this.#window.bytes);
  }

  #skipOldGaps(now: number): void {
    if (now - this.#lookedAt >= OLD_GAP_MS) {
      this.#lookedAt = now;
      this.#old = this.#recent;
      this.#recent = this.#tsns.highest;
    }
    if (!this.skipsOldGaps || this.#tsns.blockCount <= MAX_OPEN_GAPS) return;
    const { cumulative } = this.#tsns;
    if (this.#tsns.forward(this.#old)) this.#reassembly.forsake(cumulative, this.#old);
  }

  /** The SACK should leave with the next flush: a DCEP message wants its answer. */
  sackNow(): void {
    if (this.#pending) this.#due = true;
  }

  /** The delay is over: the SACK must leave with the next flush. */
  timeout(): void {
    this.#isLate = this.#pending;
    this.sackNow();
    this.sackDeadline = Number.POSITIVE_INFINITY;
  }

  /** Writes the SACK in at most `room` bytes (16 or more) and returns its length. */
  writeSack(view: DataView, offset: number, room: number): number {
    let entries = Math.floor((room - SACK_HEADER_BYTES) / 4);
    const blocks = Math.min(this.#tsns.blockCount, entries);
    entries -= blocks;
    const duplicates = Math.min(this.#tsns.duplicateCount, entries);
    const length = SACK_HEADER_BYTES + 4 * (blocks + duplicates);
    view.setUint32(offset, (SACK << 24) | length);
    view.setUint32(offset + 4, this.#tsns.cumulative);
    this.#advertised = this.window;
    view.setUint32(offset + 8, this.#advertised);
    view.setUint16(offset + 12, blocks);
    view.setUint16(offset + 14, duplicates);
    this.#tsns.write(view, offset + SACK_HEADER_BYTES, blocks, duplicates);
    this.#packets = 0;
    this.#bytes = 0;
    this.#pending = false;
    this.#due = false;
    this.#isLate = false;
    this.sackDeadline = Number.POSITIVE_INFINITY;
    return length;
  }
}
