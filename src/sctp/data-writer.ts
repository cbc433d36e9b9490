import { type MessageNumber, MID, SSN, tsnDistance } from "../wire/serial.ts";
import type { PacketAssembler } from "./assembler.ts";
import type { CongestionWindow } from "./congestion.ts";
import type { Flight } from "./flight.ts";
import { MessageNumbers } from "./message-numbers.ts";
import type { OutgoingMessage } from "./outgoing-message.ts";
import type { SentChunk } from "./outstanding.ts";
import { FLAG_BEGIN, FLAG_END, FLAG_IMMEDIATE, FLAG_UNORDERED } from "./packet.ts";
import type { QueuedMessage } from "./queued-message.ts";
import type { RetransmissionTimeout } from "./rto.ts";

/** A fragment smaller than this waits for a packet of its own. */
const LEAST_FRAGMENT_BYTES = 200;
/**
 * With as many packets in flight SACKs come by themselves, for each second one. A transfer fills its window with each packet,
 * so otherwise each would be answered: twice the SACKs, and a window that grows faster than others'.
 */
const SMALL_WINDOW = 4;
/** A receiver delays the SACK for a lone packet as long (RFC 9260 §6.2). So a message after such a silence has it to itself anyway. */
const QUIET_MS = 200;

/**
 * Writes DATA chunks (RFC 9260 §6.9), or I-DATA (RFC 8260 §2.1): cuts messages into fragments, numbers them, and puts each
 * chunk into the packet under construction and into the flight. Whether a chunk may leave is the transmitter's to say.
 */
export class DataWriter {
  readonly #assembler: PacketAssembler;
  readonly #flight: Flight;
  readonly #congestion: CongestionWindow;
  readonly #rto: RetransmissionTimeout;
  readonly #numbers = new MessageNumbers();
  #messages = 0;
  /** When a chunk left last, ms. */
  lastSentAt = Number.NEGATIVE_INFINITY;
  /** It asked for a SACK at once. */
  lastIsUrgent = false;

  constructor(assembler: PacketAssembler, flight: Flight, congestion: CongestionWindow, rto: RetransmissionTimeout) {
    this.#assembler = assembler;
    this.#flight = flight;
    this.#congestion = congestion;
    this.#rto = rto;
  }

  /** Messages leave in I-DATA (RFC 8260), not in DATA. Not to be changed while a chunk may have to be sent again. */
  set interleaves(interleaves: boolean) {
    this.#assembler.interleaves = interleaves;
    this.#numbers.kind = interleaves ? MID : SSN;
  }

  get interleaves(): boolean {
    return this.#assembler.interleaves;
  }

  /** A message in one chunk. @param kept its data as long as it may be sent again; `undefined`: it never will be */
  writeWhole(now: number, message: OutgoingMessage, kept: Uint8Array | undefined): void {
    const { streamId, data, ordered, lifetimeMs = Number.POSITIVE_INFINITY } = message;
    const flags = FLAG_BEGIN | FLAG_END | (ordered === true ? 0 : FLAG_UNORDERED);
    const number = this.#numbers.take(streamId, ordered === true);
    const chunk = this.#newChunk(now, flags, streamId, number, message.ppid, data.length, ++this.#messages);
    chunk.maxRetransmits = message.maxRetransmits ?? Number.POSITIVE_INFINITY;
    // Most have no end: a sum would be one more number on the heap.
    chunk.expiresAt = lifetimeMs === Number.POSITIVE_INFINITY ? lifetimeMs : now + lifetimeMs;
    chunk.data = kept;
    this.#write(now, chunk, data, 0);
  }

  /** The next `length` bytes of a message that has waited. The caller counts them as sent. */
  writeFragment(now: number, message: QueuedMessage, length: number): void {
    let flags = message.ordered ? 0 : FLAG_UNORDERED;
    if (message.sent === 0) {
      flags |= FLAG_BEGIN;
      message.message = ++this.#messages;
      message.number = this.#numbers.take(message.streamId, message.ordered);
    }
    if (message.sent + length === message.data.length) flags |= FLAG_END;
    const { streamId, number } = message;
    // RFC 8260 §2.1: the PPID is in the first fragment alone, and elsewhere the FSN in its place.
    const ppid = message.isBegun && this.#numbers.kind === MID ? message.fragments : message.ppid;
    const chunk = this.#newChunk(now, flags, streamId, number, ppid, length, message.message);
    this.#link(chunk, message);
    chunk.maxRetransmits = message.maxRetransmits;
    chunk.expiresAt = message.expiresAt;
    chunk.data = message.data;
    chunk.start = message.sent;
    this.#write(now, chunk, message.data, chunk.start);
  }

  /** A chunk once more: a lost one, or one whose answer is overdue. */
  writeAgain(now: number, chunk: SentChunk, data: Uint8Array): void {
    this.#write(now, chunk, data, chunk.start);
  }

  /**
   * Bytes of the next fragment of a message.
   *
   * @param onePacket whole messages only, and only what fits into the packet under construction; 0 where it does not
   */
  fragmentBytes(message: QueuedMessage, onePacket: boolean): number {
    const left = message.data.length - message.sent;
    const { maxPayloadBytes, room } = this.#assembler;
    if (onePacket) return left <= room ? left : 0;
    // A message that fits into one packet is not cut, and a fragment fills what is left of the open packet.
    if (message.sent === 0 && left <= maxPayloadBytes) return left;
    const space = room >= LEAST_FRAGMENT_BYTES || room >= left ? room : maxPayloadBytes;
    return Math.min(left, space);
  }

  /** Outgoing streams start over. Empty: all of them. */
  resetStreams(streamIds: readonly number[]): void {
    this.#numbers.reset(streamIds);
  }

  /** The fragments of a message know each other, wherever they are in the flight: it is given up as a whole. */
  #link(chunk: SentChunk, message: QueuedMessage): void {
    const { chunks } = this.#flight;
    chunk.previous = tsnDistance(chunk.tsn, message.lastTsn);
    chunk.following = 0;
    const before = chunks.indexOf(message.lastTsn);
    if (message.isBegun && before >= 0) chunks.at(before).following = chunk.previous;
    message.lastTsn = chunk.tsn;
    message.fragments++;
  }

  #newChunk(
    now: number,
    flags: number,
    streamId: number,
    number: MessageNumber,
    ppid: number,
    length: number,
    message: number,
  ): SentChunk {
    if (this.#flight.bytes === 0) this.#congestion.idle((now - this.lastSentAt) / this.#rto.ms);
    const chunk = this.#flight.chunks.push();
    chunk.flags = flags;
    chunk.streamId = streamId;
    chunk.number = number;
    chunk.ppid = ppid;
    chunk.length = length;
    chunk.start = 0;
    chunk.message = message;
    return chunk;
  }

  #write(now: number, chunk: SentChunk, data: Uint8Array, start: number): void {
    const flight = this.#flight;
    const assembler = this.#assembler;
    const wasQuiet = flight.bytes === 0 && now - this.lastSentAt >= QUIET_MS;
    flight.launch(now, chunk);
    this.lastSentAt = now;
    // RFC 9260 §6.1 E, RFC 7053: the window is full, or this is a second attempt, so the sender waits for the SACK. One that
    // nothing follows is acknowledged at once as well: its SACK would be delayed, and its loss noticed later.
    const isReliable = chunk.reliableBytes > 0;
    const urgent = chunk.transmissions > 1 || (wasQuiet && isReliable) || this.#isWaiting(isReliable);
    this.lastIsUrgent = urgent;
    const flags = urgent ? chunk.flags | FLAG_IMMEDIATE : chunk.flags;
    assembler.data(now, flags, chunk.tsn, chunk.streamId, chunk.number, chunk.ppid, data, start, chunk.length);
    chunk.packet = assembler.packets;
  }

  /** The window is full, and too small for a second packet to release the SACK of the first (see {@link SMALL_WINDOW}). */
  #isWaiting(isReliable: boolean): boolean {
    const flight = this.#flight;
    if (!this.#congestion.isFull(flight, isReliable)) return false;
    return flight.bytes < SMALL_WINDOW * this.#assembler.maxPayloadBytes;
  }
}
