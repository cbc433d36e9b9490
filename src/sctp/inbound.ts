import type { AssociationLimits } from "../limits.ts";
import {
  BAD_CHECKSUM,
  CHUNK_BODY,
  CHUNK_BODY_LENGTH,
  CHUNK_GAPS,
  CHUNK_HEAD,
  CHUNK_OFFSET,
  CHUNK_PPID,
  CHUNK_SSN,
  CHUNK_STREAM,
  CHUNK_TSN,
  CHUNK_WINDOW,
  CHUNK_WORDS,
  type Datapath,
} from "../wasm/datapath.ts";
import type { DropCounters, DropReason } from "../wire/drops.ts";
import { tsn } from "../wire/serial.ts";
import type { PacketAssembler } from "./assembler.ts";
import {
  causeCodes,
  invalidStream,
  noUserData,
  outOfResource,
  protocolViolation,
  unrecognizedChunk,
  writeError,
} from "./causes.ts";
import type { AssociationCloseReason } from "./events.ts";
import type { Handshake } from "./handshake.ts";
import type { Heartbeat } from "./heartbeat.ts";
import {
  ABORT,
  CAUSE_STALE_COOKIE,
  COOKIE_ACK,
  COOKIE_ECHO,
  DATA,
  ERROR,
  FLAG_TAG_REFLECTED,
  FORWARD_TSN,
  HEARTBEAT,
  HEARTBEAT_ACK,
  I_DATA,
  I_FORWARD_TSN,
  INIT,
  INIT_ACK,
  RE_CONFIG,
  SACK,
  SHUTDOWN,
  SHUTDOWN_ACK,
  SHUTDOWN_COMPLETE,
  UNKNOWN_CHUNK_REPORT,
  UNKNOWN_CHUNK_SKIP,
  writeChunk,
} from "./packet.ts";
import type { ReassemblyFault } from "./reassembly.ts";
import type { Receiver } from "./receive.ts";
import type { StreamReset } from "./reset.ts";
import type { RetransmissionTimeout } from "./rto.ts";
import type { PeerShutdown } from "./shutdown.ts";
import type { Transmitter } from "./transmit.ts";

/** The parts of an association that packets are handed to. */
export interface InboundParts {
  readonly datapath: Datapath;
  readonly drops: DropCounters;
  readonly limits: AssociationLimits;
  /** Source and destination port as they must stand in the peer's packets. */
  readonly ports: number;
  readonly localTag: number;
  readonly assembler: PacketAssembler;
  readonly rto: RetransmissionTimeout;
  readonly handshake: Handshake;
  readonly transmitter: Transmitter;
  readonly host: InboundHost;
}

/** What packets do to the association around it. */
export interface InboundHost {
  /** The peer is alive: error counters start over (RFC 9260 §8.1). */
  peerAnswered(): void;
  close(reason: AssociationCloseReason): void;
  /** Ends the association with an ABORT. */
  violated(now: number, cause: Uint8Array): void;
  /** Made when it is first asked for. The peer's parameters must be known. */
  streamReset(): StreamReset;
  /** Our HEARTBEATs, if there was one. */
  readonly heartbeat: Heartbeat | undefined;
  /** The peer's SHUTDOWN, if there was one. */
  readonly shutdown: PeerShutdown | undefined;
  beginShutdown(): void;
}

// Before the peer's tag is known there is nobody to answer but the handshake.
const HANDSHAKE_CHUNKS: ReadonlySet<number> = new Set([INIT, INIT_ACK, COOKIE_ECHO, ABORT]);

/**
 * FORWARD TSN chunks of one packet that are looked at. Each costs time in proportion to what waits for reassembly; a sender has
 * one, or with ordered streams a few (of ours at most 8).
 */
const MAX_FORWARD_TSNS = 16;

/**
 * Work that the other control chunks of one packet may ask for, in units of some 0.2 µs. A packet has room for 290 chunks; that of
 * an honest peer has five or so. What asks for more is dropped, and counted as `sctp-work-limit`.
 */
const MAX_PACKET_WORK = 32;
/** To look at a chunk. */
const CHUNK_WORK = 1;
/** To read parameters, or to answer: there is something to be made. */
const ANSWER_WORK = 4;
/** To answer a request to reset streams. */
const RECONFIG_WORK = 8;

/** Packets from the peer: verified, and their chunks handed to the part that each concerns. */
export class Inbound {
  /** Undefined until the peer's parameters are known. */
  receiver: Receiver | undefined;
  /** The handshake is over: DATA says nothing to it any more. */
  isEstablished = false;
  isClosed = false;
  readonly #datapath: Datapath;
  readonly #drops: DropCounters;
  readonly #limits: AssociationLimits;
  readonly #ports: number;
  /** In 32 bits with a sign, as all tags here: V8 keeps such a number in the field itself. */
  readonly #localTag: number;
  readonly #assembler: PacketAssembler;
  readonly #rto: RetransmissionTimeout;
  readonly #handshake: Handshake;
  readonly #transmitter: Transmitter;
  readonly #host: InboundHost;
  /** The packet under way had a SACK. */
  #sawSack = false;
  /** FORWARD TSN chunks of the packet under way. */
  #forwardTsns = 0;
  /** What the packet under way has asked for, of {@link MAX_PACKET_WORK}. */
  #work = 0;

  constructor(parts: InboundParts) {
    this.#datapath = parts.datapath;
    this.#drops = parts.drops;
    this.#limits = parts.limits;
    this.#ports = parts.ports;
    this.#localTag = parts.localTag | 0;
    this.#assembler = parts.assembler;
    this.#rto = parts.rto;
    this.#handshake = parts.handshake;
    this.#transmitter = parts.transmitter;
    this.#host = parts.host;
  }

  /** One packet, in place in the datapath's memory; returns why it was dropped, if it was. */
  handle(now: number, offset: number, length: number): DropReason | undefined {
    const datapath = this.#datapath;
    const assembler = this.#assembler;
    const ports = this.#ports;
    const { view } = datapath;
    const count = datapath.parsePacket(offset, length);
    if (count < 0) return count === BAD_CHECKSUM ? "sctp-bad-checksum" : "sctp-malformed";
    if (view.getUint32(offset) !== ports) return "sctp-bad-ports";
    const tag = view.getInt32(offset + 4);
    if (!this.#isTagGood(tag, count)) return "sctp-bad-tag";
    this.#sawSack = false;
    this.#forwardTsns = 0;
    this.#work = 0;
    for (let i = 0; i < count && !this.isClosed; i++) if (!this.#handleChunk(now, i, count, tag)) break;
    const { receiver } = this;
    if (receiver !== undefined && !this.isClosed) {
      receiver.packetDone(now, this.#rto.smoothedMs);
      if (receiver.sackOverdue) assembler.flush(now, true);
    }
    return undefined;
  }

  /** RFC 9260 §8.5, §8.5.1: which verification tag a packet must carry, by its first chunk. */
  #isTagGood(tag: number, count: number): boolean {
    const datapath = this.#datapath;
    const handshake = this.#handshake;
    const localTag = this.#localTag;
    if (count === 0) return false;
    const head = datapath.words[datapath.chunkTable + CHUNK_HEAD];
    const type = head & 0xff;
    // A: the tag of a packet with an INIT is 0, and INIT comes alone (§6.10). The general rule holds as well: a peer that
    // answered our INIT before it sends its own may put our tag on it (werift does).
    if (type === INIT) return (tag === 0 || tag === localTag) && count === 1;
    // B, C: with the T bit the peer gives its own tag back, because it had none of ours.
    if ((type === ABORT || type === SHUTDOWN_COMPLETE) && ((head >>> 8) & FLAG_TAG_REFLECTED) !== 0) {
      return tag >>> 0 === handshake.peer?.tag;
    }
    // D: the cookie says which tag is right.
    return tag === localTag || type === COOKIE_ECHO;
  }

  /** One chunk of the table; false where the rest of the packet must not be handled. */
  #handleChunk(now: number, index: number, count: number, tag: number): boolean {
    const { receiver } = this;
    const datapath = this.#datapath;
    const { words, view } = datapath;
    const entry = datapath.chunkTable + index * CHUNK_WORDS;
    const type = words[entry + CHUNK_HEAD] & 0xff;
    if (receiver === undefined) {
      return HANDSHAKE_CHUNKS.has(type) ? this.#handleControl(now, type, entry, index, count, tag) : this.#unexpected();
    }
    if (type === DATA || type === I_DATA) return this.#handleData(now, type, entry, receiver);
    const body = words[entry + CHUNK_BODY];
    if (type === SACK) {
      // One costs time in proportion to what is outstanding. Nobody has a second to send, but a packet has room for hundreds.
      if (this.#sawSack) return this.#unexpected();
      this.#sawSack = true;
      const cumulative = tsn(words[entry + CHUNK_TSN]);
      const window = words[entry + CHUNK_WINDOW];
      const gaps = words[entry + CHUNK_GAPS];
      const duplicates = view.getUint16(body - 2);
      if (this.#transmitter.sack(now, cumulative, window, view, body, gaps, duplicates)) this.#host.peerAnswered();
      return true;
    }
    if (type === FORWARD_TSN || type === I_FORWARD_TSN) {
      if (type !== receiver.forwardType) return this.#violated(now, type);
      if (++this.#forwardTsns > MAX_FORWARD_TSNS) return this.#unexpected();
      receiver.forward(tsn(words[entry + CHUNK_TSN]), view, body, words[entry + CHUNK_BODY_LENGTH]);
      return true;
    }
    return this.#handleControl(now, type, entry, index, count, tag);
  }

  #handleData(now: number, type: number, entry: number, receiver: Receiver): boolean {
    if (type !== receiver.dataType) return this.#violated(now, type);
    const datapath = this.#datapath;
    const limits = this.#limits;
    const assembler = this.#assembler;
    const drops = this.#drops;
    const { words, memory } = datapath;
    if (!this.isEstablished) this.#handshake.handleCookieAck(now);
    const chunkTsn = tsn(words[entry + CHUNK_TSN]);
    const length = words[entry + CHUNK_BODY_LENGTH];
    const streamId = words[entry + CHUNK_STREAM];
    if (length === 0) {
      // RFC 9260 §6.2, and I-DATA like it: a DATA chunk without user data is answered with an ABORT, cause "No User Data".
      this.#host.violated(now, noUserData(chunkTsn));
      return false;
    }
    if (streamId >= limits.maxStreams) {
      // §6.5: "MUST acknowledge the reception of the DATA chunk …, SHOULD immediately send an ERROR …, MUST discard".
      drops.count("sctp-unexpected");
      if (this.#affords(ANSWER_WORK)) assembler.control(writeError(invalidStream(streamId)));
      receiver.discard(chunkTsn);
      return true;
    }
    const flags = (words[entry + CHUNK_HEAD] >>> 8) & 0xff;
    const sequence = words[entry + CHUNK_SSN];
    const ppid = words[entry + CHUNK_PPID];
    receiver.data(flags, chunkTsn, streamId, sequence, ppid, memory, words[entry + CHUNK_BODY], length);
    if (receiver.fault === undefined) return true;
    this.#host.violated(now, faultCause(receiver.fault));
    return false;
  }

  /**
   * RFC 8260 §2.2.3, §2.3.1: a chunk of the kind that was not agreed on is a violation, "and therefore the receiver … MUST abort the
   * association by sending an ABORT chunk".
   */
  #violated(now: number, type: number): false {
    const agreed = type === DATA || type === FORWARD_TSN ? "interleaving was" : "interleaving was not";
    this.#host.violated(now, protocolViolation(`chunk type ${type} though ${agreed} agreed on`));
    return false;
  }

  #handleControl(now: number, type: number, entry: number, index: number, count: number, tag: number): boolean {
    if (type !== ABORT && !this.#affords(workOf(type))) return true;
    const datapath = this.#datapath;
    const drops = this.#drops;
    const assembler = this.#assembler;
    const handshake = this.#handshake;
    const { words, memory } = datapath;
    const offset = words[entry + CHUNK_BODY];
    const body = memory.subarray(offset, offset + words[entry + CHUNK_BODY_LENGTH]);
    switch (type) {
      case INIT:
      case INIT_ACK:
      case COOKIE_ECHO:
        return this.#handleHandshake(now, type, body, index, count, tag);
      case COOKIE_ACK:
        handshake.handleCookieAck(now);
        return true;
      case HEARTBEAT:
        // §8.3: answered at once, with the information it came with.
        assembler.control(writeChunk(HEARTBEAT_ACK, 0, body));
        return true;
      case HEARTBEAT_ACK:
        return this.#handleHeartbeatAck(now, body);
      case ABORT:
        this.#host.close("peer-abort");
        return false;
      case ERROR:
        // The only one that says something new, and that only then.
        if (handshake.state === "cookie-echoed" && causeCodes(body).includes(CAUSE_STALE_COOKIE)) {
          handshake.handleStaleCookie(now);
        }
        return true;
      case RE_CONFIG:
        if (!this.#host.streamReset().handle(now, body)) drops.count("sctp-malformed");
        return true;
      case SHUTDOWN:
      case SHUTDOWN_ACK:
      case SHUTDOWN_COMPLETE:
        return this.#handleShutdown(now, type, offset, body.length);
      default:
        return this.#handleUnknown(type, entry);
    }
  }

  #handleHandshake(now: number, type: number, body: Uint8Array, index: number, count: number, tag: number): boolean {
    const handshake = this.#handshake;
    const { shutdown } = this.#host;
    const transmitter = this.#transmitter;
    // §5.1, §6.10: INIT and INIT ACK come alone, COOKIE ECHO comes first.
    if (index !== 0 || (type === INIT_ACK && count !== 1)) return this.#unexpected();
    if (type === COOKIE_ECHO) return handshake.handleCookieEcho(now, body, tag >>> 0);
    if (type === INIT) {
      // §9.2: in SHUTDOWN-ACK-SENT an INIT is discarded and the SHUTDOWN ACK sent again.
      if (shutdown !== undefined) shutdown.repeat();
      else handshake.handleInit(now, body);
      return true;
    }
    handshake.handleInitAck(now, body);
    // §5.1 C: DATA may follow the COOKIE ECHO in its packet, and in no other until the COOKIE ACK.
    if (handshake.state === "cookie-echoed") transmitter.fillPacket(now);
    return true;
  }

  #handleHeartbeatAck(now: number, body: Uint8Array): boolean {
    const roundTripMs = this.#host.heartbeat?.acknowledged(now, body);
    if (roundTripMs === undefined) return this.#unexpected();
    this.#host.peerAnswered();
    this.#rto.measure(roundTripMs);
    return true;
  }

  #handleShutdown(now: number, type: number, offset: number, length: number): boolean {
    const datapath = this.#datapath;
    const { shutdown } = this.#host;
    const transmitter = this.#transmitter;
    if (type === SHUTDOWN && length >= 4) {
      // §9.2: its cumulative TSN ack counts like a SACK's.
      transmitter.acknowledgeUpTo(now, tsn(datapath.view.getUint32(offset)));
      this.#host.beginShutdown();
      return true;
    }
    if (type === SHUTDOWN_COMPLETE && shutdown !== undefined) {
      this.#host.close("peer-shutdown");
      return false;
    }
    return this.#unexpected();
  }

  /** RFC 9260 §3.2: an unknown chunk, by the two highest bits of its type. */
  #handleUnknown(type: number, entry: number): boolean {
    const datapath = this.#datapath;
    const assembler = this.#assembler;
    const { words, memory } = datapath;
    if ((type & UNKNOWN_CHUNK_REPORT) !== 0) {
      const start = words[entry + CHUNK_OFFSET];
      const chunk = memory.slice(start, start + (words[entry + CHUNK_HEAD] >>> 16));
      assembler.control(writeError(unrecognizedChunk(chunk)));
    }
    this.#unexpected();
    return (type & UNKNOWN_CHUNK_SKIP) !== 0;
  }

  /** Spends some of the packet's work; false where it has asked for too much. */
  #affords(units: number): boolean {
    if (this.#work > MAX_PACKET_WORK) return false;
    this.#work += units;
    if (this.#work <= MAX_PACKET_WORK) return true;
    this.#drops.count("sctp-work-limit");
    return false;
  }

  #unexpected(): true {
    this.#drops.count("sctp-unexpected");
    return true;
  }
}

function faultCause(fault: ReassemblyFault): Uint8Array {
  return fault === "exhausted" ? outOfResource() : protocolViolation("fragments contradict each other");
}

/** What a control chunk asks for. */
function workOf(type: number): number {
  switch (type) {
    case COOKIE_ACK:
    case SHUTDOWN_ACK:
    case SHUTDOWN_COMPLETE:
      return CHUNK_WORK;
    case RE_CONFIG:
      return RECONFIG_WORK;
    default:
      return (type & UNKNOWN_CHUNK_SKIP) !== 0 && (type & UNKNOWN_CHUNK_REPORT) === 0 ? CHUNK_WORK : ANSWER_WORK;
  }
}
