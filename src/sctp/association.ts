import type { RandomSource } from "../crypto/platform.ts";
import { type AssociationLimits, DEFAULT_ASSOCIATION_LIMITS } from "../options.ts";
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
import { type Tsn, tsn, tsnAdd } from "../wire/serial.ts";
import { PacketAssembler, type PacketTransport } from "./assembler.ts";
import {
  causeCodes,
  invalidStream,
  noUserData,
  unrecognizedChunk,
  userAbort,
  writeAbort,
  writeError,
} from "./causes.ts";
import { Handshake, type PeerParameters, randomTag } from "./handshake.ts";
import { type InitFields, parseInit } from "./init.ts";
import {
  ABORT,
  CAUSE_STALE_COOKIE,
  CHUNK_HEADER_BYTES,
  COOKIE_ACK,
  COOKIE_ECHO,
  DATA,
  ERROR,
  FLAG_TAG_REFLECTED,
  FORWARD_TSN,
  HEARTBEAT,
  HEARTBEAT_ACK,
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
import { Heartbeat } from "./heartbeat.ts";
import { Receiver } from "./receive.ts";
import { StreamReset } from "./reset.ts";
import { DEFAULT_RTO, RetransmissionTimeout, type RtoTimes } from "./rto.ts";
import { PeerShutdown } from "./shutdown.ts";
import { type OutgoingMessage, type SendResult, Transmitter } from "./transmit.ts";

export type { PacketTransport } from "./assembler.ts";
export type { OutgoingMessage, SendResult } from "./transmit.ts";

/**
 * Why an association ended:
 *
 * - `local-abort`: {@link Association.abort} was called.
 * - `peer-abort`, `peer-shutdown`: the peer's ABORT, or its orderly SHUTDOWN.
 * - `timeout`: the peer has acknowledged nothing for `maxRetransmissions` time-outs in a row.
 * - `handshake-timeout`: INIT or COOKIE ECHO stayed unanswered.
 * - `restarted`: the peer lost its state and began again; see {@link Handshake}.
 * - `protocol-violation`: the peer sent what must be answered with an ABORT.
 */
export type AssociationCloseReason =
  | "local-abort"
  | "peer-abort"
  | "peer-shutdown"
  | "timeout"
  | "handshake-timeout"
  | "restarted"
  | "protocol-violation";

/** What comes out of an association. Called synchronously, after the packet or timer that caused it has been handled. */
export interface AssociationEvents {
  established(): void;
  /** `data` is an own copy. */
  message(streamId: number, ppid: number, data: Uint8Array): void;
  /** The peer closed these of its streams (RFC 6525). Empty: all. */
  incomingStreamsReset(streamIds: readonly number[]): void;
  /** Our request to reset these streams is done. */
  outgoingStreamsReset(streamIds: readonly number[]): void;
  closed(reason: AssociationCloseReason): void;
}

export interface AssociationOptions {
  random: RandomSource;
  drops: DropCounters;
  /** Default {@link DEFAULT_ASSOCIATION_LIMITS}. */
  limits?: AssociationLimits;
  /** `a=sctp-port` of each side (RFC 8841). Default 5000. */
  localPort?: number;
  remotePort?: number;
  /** `a=max-message-size` of the peer, bytes; 0 for no limit (RFC 8841 §6). Default 65,536. */
  remoteMaxMessageBytes?: number;
  /** How old a COOKIE ECHO may be, ms. Default 60,000 (Valid.Cookie.Life, RFC 9260 §16). */
  cookieLifetimeMs?: number;
  /** Default {@link DEFAULT_RTO}. */
  rto?: RtoTimes;
  /** HEARTBEAT after this long without a message from the peer, ms. Default 0: none, ICE consent does it. */
  heartbeatIntervalMs?: number;
  /** Time-outs in a row that end the association (Association.Max.Retrans). Default 10. */
  maxRetransmissions?: number;
  /** Repetitions of INIT or COOKIE ECHO (Max.Init.Retransmits). Default 8. */
  maxInitRetransmissions?: number;
  /** Our tag and first TSN. Default: random. For tests, and for SNAP where signalling has named them already. */
  initiateTag?: number;
  initialTsn?: number;
}

const DEFAULT_PORT = 5000;
const DEFAULT_PEER_MESSAGE_BYTES = 65_536;

const HANDSHAKE_CHUNKS: ReadonlySet<number> = new Set([INIT, INIT_ACK, COOKIE_ECHO, ABORT]);

type Event =
  | { readonly kind: "established" }
  | { readonly kind: "message"; readonly streamId: number; readonly ppid: number; readonly data: Uint8Array }
  | { readonly kind: "incoming-reset"; readonly streamIds: readonly number[] }
  | { readonly kind: "outgoing-reset"; readonly streamIds: readonly number[] }
  | { readonly kind: "closed"; readonly reason: AssociationCloseReason };

/**
 * One SCTP association over one DTLS connection (RFC 9260, 3758, 6525, 8261), sans-IO.
 *
 * Packets go in through `handlePacket`, messages through `send`; nothing leaves before `flush`, except packets that are
 * full. So one SACK answers many DATA chunks, and small messages share a packet.
 *
 * @example
 * association.handlePacket(now, plaintext);           // events are called from here
 * association.send(now, { streamId, ppid, data, maxRetransmits: 0 });
 * association.flush(now);                             // once per turn
 * if (now >= association.nextDeadline) association.handleTimeout(now);
 */
export class Association {
  readonly #datapath: Datapath;
  readonly #events: AssociationEvents;
  readonly #drops: DropCounters;
  readonly #limits: AssociationLimits;
  readonly #local: InitFields;
  readonly #ports: number;
  readonly #maxRetransmissions: number;
  readonly #assembler: PacketAssembler;
  readonly #rto: RetransmissionTimeout;
  readonly #handshake: Handshake;
  readonly #transmitter: Transmitter;
  readonly #heartbeat: Heartbeat;
  readonly #shutdown: PeerShutdown;
  #receiver: Receiver | undefined;
  #reset: StreamReset | undefined;
  #outboundStreams: number;
  #unreadBytes = 0;
  #errors = 0;
  #closed = false;
  readonly #pendingEvents: Event[] = [];
  #dispatching = false;
  #now = 0;

  constructor(options: AssociationOptions, datapath: Datapath, transport: PacketTransport, events: AssociationEvents) {
    const { random, drops, limits = DEFAULT_ASSOCIATION_LIMITS, rto = DEFAULT_RTO } = options;
    const { localPort = DEFAULT_PORT, remotePort = DEFAULT_PORT } = options;
    this.#datapath = datapath;
    this.#events = events;
    this.#drops = drops;
    this.#limits = limits;
    this.#ports = ((remotePort << 16) | localPort) >>> 0;
    this.#maxRetransmissions = options.maxRetransmissions ?? 10;
    this.#local = {
      initiateTag: options.initiateTag ?? randomTag(random),
      receiveWindow: limits.receiveWindowBytes,
      outboundStreams: limits.maxStreams,
      inboundStreams: limits.maxStreams,
      initialTsn: tsn(options.initialTsn ?? randomTag(random)),
    };
    this.#outboundStreams = limits.maxStreams;
    const { remoteMaxMessageBytes = DEFAULT_PEER_MESSAGE_BYTES } = options;
    this.maxMessageBytes =
      remoteMaxMessageBytes === 0 ? limits.maxMessageBytes : Math.min(limits.maxMessageBytes, remoteMaxMessageBytes);
    this.#assembler = new PacketAssembler(datapath, transport, this.#sackSource(), localPort, remotePort);
    this.#rto = new RetransmissionTimeout(rto);
    this.#transmitter = new Transmitter(
      {
        initialTsn: this.#local.initialTsn,
        maxMessageBytes: this.maxMessageBytes,
        maxQueuedBytes: limits.maxQueuedBytes,
      },
      this.#assembler,
      this.#rto,
    );
    this.#handshake = new Handshake(
      {
        local: this.#local,
        random,
        drops,
        cookieLifetimeMs: options.cookieLifetimeMs ?? 60_000,
        timeoutMs: rto.initialMs,
        maxTimeoutMs: rto.maxMs,
        maxRetransmits: options.maxInitRetransmissions ?? 8,
      },
      {
        sendAlone: (now, chunk, tag) => this.#assembler.alone(now, chunk, tag),
        sendControl: (chunk) => this.#assembler.control(chunk),
        peerKnown: (peer) => this.#learnPeer(peer),
        established: (now) => this.#establish(now),
        failed: (reason) => this.#close(reason),
      },
    );
    this.#heartbeat = new Heartbeat(options.heartbeatIntervalMs ?? 0, random);
    this.#shutdown = new PeerShutdown();
  }

  /** Largest message that both sides take, bytes. */
  readonly maxMessageBytes: number;

  get state(): "idle" | "cookie-wait" | "cookie-echoed" | "established" | "shutting-down" | "closed" {
    if (this.#closed) return "closed";
    return this.#shutdown.isActive ? "shutting-down" : this.#handshake.state;
  }

  /** `now` of the call that is under way, for listeners that call back; else of the last one. */
  get now(): number {
    return this.#now;
  }

  /** Streams we may send on: 0 … n − 1. */
  get outboundStreams(): number {
    return this.#outboundStreams;
  }

  /** Earliest time at which `handleTimeout` has something to do, ms; Infinity for none. */
  get nextDeadline(): number {
    if (this.#closed) return Number.POSITIVE_INFINITY;
    return Math.min(
      this.#transmitter.deadline,
      this.#receiver === undefined ? Number.POSITIVE_INFINITY : this.#receiver.sackDeadline,
      this.#reset === undefined ? Number.POSITIVE_INFINITY : this.#reset.deadline,
      this.#handshake.deadline,
      this.#heartbeat.deadline,
      this.#shutdown.deadline,
    );
  }

  /** Something waits for the flush. */
  get needsFlush(): boolean {
    return (
      this.#assembler.hasData ||
      this.#assembler.hasControl ||
      this.#transmitter.forwardDue ||
      this.#receiver?.sackDue === true
    );
  }

  /** Numbers for `stats()`. */
  get stats(): AssociationStats {
    const transmitter = this.#transmitter;
    return {
      roundTripMs: this.#rto.smoothedMs,
      congestionWindowBytes: transmitter.congestionWindowBytes,
      flightBytes: transmitter.flightBytes,
      queuedBytes: transmitter.queuedBytes,
      retransmissions: transmitter.retransmissions,
      abandonedMessages: transmitter.abandoned,
      droppedMessages: transmitter.droppedMessages,
    };
  }

  /** Sends our INIT at once. Optional: a peer's INIT is answered without. */
  connect(now: number): void {
    if (!this.#closed) this.#handshake.connect(now);
  }

  /** Our INIT chunk, header included, for `a=sctp-init` (base64 is the caller's). */
  localInitChunk(): Uint8Array {
    return this.#handshake.initChunk();
  }

  /**
   * Establishes the association from INIT chunks exchanged by signalling, without a handshake.
   *
   * @param remoteInit the peer's INIT chunk, header included
   * @returns false where it is malformed, or the handshake has begun already
   */
  establishFromInit(now: number, remoteInit: Uint8Array): boolean {
    const length = remoteInit.length >= CHUNK_HEADER_BYTES ? (remoteInit[2] << 8) | remoteInit[3] : 0;
    if (this.#closed || remoteInit[0] !== INIT || length < CHUNK_HEADER_BYTES || length > remoteInit.length)
      return false;
    this.#now = now;
    const init = parseInit(remoteInit.subarray(CHUNK_HEADER_BYTES, length));
    if (init === undefined || !this.#handshake.establish(now, init)) return false;
    this.#dispatch();
    return true;
  }

  /**
   * Sends a message, or queues it. The data is copied.
   *
   * @throws RangeError where `data` is empty (SCTP has no empty message) or the stream does not exist
   */
  send(now: number, message: OutgoingMessage): SendResult {
    const { streamId, data } = message;
    if (data.length === 0) throw new RangeError("data must have 1 byte or more");
    if (this.#closed || this.#shutdown.isActive || this.#reset?.isResetting(streamId) === true) return "closed";
    if (!(streamId >= 0 && streamId < this.#outboundStreams)) {
      throw new RangeError(`streamId must be from 0 to ${this.#outboundStreams - 1}, not ${streamId}`);
    }
    return this.#transmitter.send(now, message);
  }

  /** One decrypted SCTP packet; borrowed. Parsed in place where it lies in the datapath's memory already. */
  handlePacket(now: number, packet: Uint8Array): void {
    this.#now = now;
    const drop = this.#handle(now, packet);
    if (drop !== undefined) this.#drops.count(drop);
    this.#dispatch();
  }

  /** The SACK for what has come leaves with the next flush, without delay. */
  acknowledgeNow(): void {
    this.#receiver?.sackNow();
  }

  /** Delivered bytes that the application has not taken yet; they narrow the window that the peer sees. */
  set unreadBytes(bytes: number) {
    this.#unreadBytes = bytes;
    if (this.#receiver !== undefined) this.#receiver.unreadBytes = bytes;
  }

  /** Closes our direction of these streams (RFC 6525) once what was sent on them before is on its way. */
  resetStreams(now: number, streamIds: readonly number[]): void {
    this.#now = now;
    if (this.#closed || this.#reset === undefined) return;
    if (this.#handshake.peer?.reconfig === true) {
      this.#reset.request(streamIds);
      this.#reset.advance(now);
    } else {
      // A peer without RFC 6525 can not be told; to us the streams are closed.
      this.#pendingEvents.push({ kind: "outgoing-reset", streamIds });
      this.#dispatch();
    }
  }

  /** Sends what has gathered. Call once per event-loop turn. */
  flush(now: number): void {
    if (this.#closed) return;
    this.#reset?.advance(now);
    this.#shutdown.advance(now, this.#transmitter.isIdle, this.#rto.ms, (chunk) => this.#assembler.control(chunk));
    if (this.#transmitter.forwardDue) {
      for (const chunk of this.#transmitter.forwardTsns(now)) this.#assembler.control(chunk);
    }
    this.#assembler.flush(now, this.#receiver?.sackDue === true);
  }

  /** Ends the association with an ABORT, at once. */
  abort(now: number, reason = "closed"): void {
    if (this.#closed) return;
    this.#now = now;
    this.#abortWith(now, userAbort(reason));
    this.#close("local-abort");
    this.#dispatch();
  }

  /** Does what is due at `now`, and flushes. */
  handleTimeout(now: number): void {
    if (this.#closed) return;
    this.#now = now;
    if (this.#handshake.deadline <= now) this.#handshake.timeout(now);
    if (this.#receiver !== undefined && this.#receiver.sackDeadline <= now) this.#receiver.sackNow();
    if (this.#transmitter.deadline <= now && this.#countError()) this.#transmitter.timeout(now);
    if (this.#reset !== undefined && this.#reset.deadline <= now && this.#countError()) this.#reset.timeout(now);
    if (this.#heartbeat.deadline <= now) {
      const unanswered = this.#heartbeat.isUnanswered;
      if (!unanswered || this.#countError()) this.#assembler.control(this.#heartbeat.timeout(now, this.#rto.ms));
    }
    if (this.#shutdown.deadline <= now && this.#countError()) this.#shutdown.timeout(now, this.#rto.ms);
    this.flush(now);
    this.#dispatch();
  }

  #handle(now: number, packet: Uint8Array): DropReason | undefined {
    const { view } = this.#datapath;
    if (this.#closed) return "sctp-unexpected";
    const offset = this.#place(packet);
    const count = offset < 0 ? offset : this.#datapath.parsePacket(offset, packet.length);
    if (count < 0) return count === BAD_CHECKSUM ? "sctp-bad-checksum" : "sctp-malformed";
    if (view.getUint32(offset) !== this.#ports) return "sctp-bad-ports";
    const tag = view.getUint32(offset + 4);
    if (!this.#isTagGood(tag, count)) return "sctp-bad-tag";
    for (let i = 0; i < count && !this.#closed; i++) if (!this.#handleChunk(now, i, count, tag)) break;
    this.#receiver?.packetDone(now);
    if (this.#receiver?.sackOverdue === true && !this.#closed) this.#assembler.flush(now, true);
    return undefined;
  }

  #place(packet: Uint8Array): number {
    const { memory, rxOffset, rxBytes } = this.#datapath;
    if (packet.buffer === memory.buffer) return packet.byteOffset;
    if (packet.length > rxBytes) return -1;
    memory.set(packet, rxOffset);
    return rxOffset;
  }

  /** RFC 9260 §8.5, §8.5.1: which verification tag a packet must carry, by its first chunk. */
  #isTagGood(tag: number, count: number): boolean {
    if (count === 0) return false;
    const head = this.#datapath.words[this.#datapath.chunkTable + CHUNK_HEAD];
    const type = head & 0xff;
    // A: "The receiver … MUST verify that … the value of the Verification Tag is 0", and INIT comes alone (§6.10).
    if (type === INIT) return tag === 0 && count === 1;
    // B, C: with the T bit the peer gives its own tag back, because it had none of ours.
    if ((type === ABORT || type === SHUTDOWN_COMPLETE) && ((head >>> 8) & FLAG_TAG_REFLECTED) !== 0) {
      return tag === this.#handshake.peer?.tag;
    }
    // D: the cookie says which tag is right.
    return tag === this.#local.initiateTag || type === COOKIE_ECHO;
  }

  /** One chunk of the table; false where the rest of the packet must not be handled. */
  #handleChunk(now: number, index: number, count: number, tag: number): boolean {
    const { words, view } = this.#datapath;
    const entry = this.#datapath.chunkTable + index * CHUNK_WORDS;
    const type = words[entry + CHUNK_HEAD] & 0xff;
    if (type === DATA) return this.#handleData(now, entry);
    const body = words[entry + CHUNK_BODY];
    if (type === SACK) {
      if (this.#receiver === undefined) return this.#unexpected();
      const cumulative = tsn(words[entry + CHUNK_TSN]);
      const { [entry + CHUNK_WINDOW]: window, [entry + CHUNK_GAPS]: gaps } = words;
      if (this.#transmitter.sack(now, cumulative, window, view, body, gaps)) this.#errors = 0;
      return true;
    }
    if (type === FORWARD_TSN) {
      if (this.#receiver === undefined) return this.#unexpected();
      this.#receiver.forward(tsn(words[entry + CHUNK_TSN]), view, body, words[entry + CHUNK_BODY_LENGTH]);
      return true;
    }
    return this.#handleControl(now, type, entry, index, count, tag);
  }

  #handleData(now: number, entry: number): boolean {
    const { words, memory } = this.#datapath;
    const receiver = this.#receiver;
    if (receiver === undefined) return this.#unexpected();
    this.#handshake.handleCookieAck(now);
    const chunkTsn = tsn(words[entry + CHUNK_TSN]);
    const length = words[entry + CHUNK_BODY_LENGTH];
    const streamId = words[entry + CHUNK_STREAM];
    if (length === 0) {
      // RFC 9260 §6.2: "it MUST respond with an ABORT chunk … 'No User Data'".
      this.#violate(now, noUserData(chunkTsn));
      return false;
    }
    if (streamId >= this.#limits.maxStreams) {
      // §6.5: "MUST acknowledge the reception of the DATA chunk …, SHOULD immediately send an ERROR …, MUST discard".
      this.#drops.count("sctp-unexpected");
      this.#assembler.control(writeError(invalidStream(streamId)));
      receiver.discard(chunkTsn);
      return true;
    }
    const flags = (words[entry + CHUNK_HEAD] >>> 8) & 0xff;
    const { [entry + CHUNK_SSN]: sequence, [entry + CHUNK_PPID]: ppid } = words;
    receiver.data(flags, chunkTsn, streamId, sequence, ppid, memory, words[entry + CHUNK_BODY], length);
    return true;
  }

  #handleControl(now: number, type: number, entry: number, index: number, count: number, tag: number): boolean {
    const { words, memory } = this.#datapath;
    // Before the peer's tag is known there is nobody to answer but the handshake.
    if (this.#receiver === undefined && !HANDSHAKE_CHUNKS.has(type)) return this.#unexpected();
    const offset = words[entry + CHUNK_BODY];
    const body = memory.subarray(offset, offset + words[entry + CHUNK_BODY_LENGTH]);
    switch (type) {
      case INIT:
        if (index !== 0) return this.#unexpected();
        if (this.#shutdown.isActive) this.#shutdown.repeat();
        else this.#handshake.handleInit(now, body);
        return true;
      case INIT_ACK:
        // §6.10: INIT ACK comes alone.
        if (count !== 1) return this.#unexpected();
        this.#handshake.handleInitAck(now, body);
        // §5.1 C: DATA may follow the COOKIE ECHO in its packet, and in no other until the COOKIE ACK.
        if (this.#handshake.state === "cookie-echoed") this.#transmitter.fillPacket(now);
        return true;
      case COOKIE_ECHO:
        return index === 0 ? this.#handshake.handleCookieEcho(now, body, tag) : this.#unexpected();
      case COOKIE_ACK:
        this.#handshake.handleCookieAck(now);
        return true;
      case HEARTBEAT:
        // §8.3: "the receiver … SHOULD immediately respond with a HEARTBEAT ACK chunk that contains the … information".
        this.#assembler.control(writeChunk(HEARTBEAT_ACK, 0, body));
        return true;
      case HEARTBEAT_ACK: {
        const roundTripMs = this.#heartbeat.acknowledged(now, body);
        if (roundTripMs === undefined) return this.#unexpected();
        this.#errors = 0;
        this.#rto.measure(roundTripMs);
        return true;
      }
      case ABORT:
        this.#close("peer-abort");
        return false;
      case ERROR:
        if (causeCodes(body).includes(CAUSE_STALE_COOKIE)) this.#handshake.handleStaleCookie(now);
        return true;
      case RE_CONFIG:
        if (this.#reset === undefined) return this.#unexpected();
        if (!this.#reset.handle(now, body)) this.#drops.count("sctp-malformed");
        return true;
      case SHUTDOWN:
      case SHUTDOWN_ACK:
      case SHUTDOWN_COMPLETE:
        return this.#handleShutdown(now, type, offset, body.length);
      default:
        return this.#handleUnknown(type, entry);
    }
  }

  #handleShutdown(now: number, type: number, offset: number, length: number): boolean {
    if (type === SHUTDOWN && this.#receiver !== undefined && length >= 4) {
      // §9.2: its cumulative TSN ack counts like a SACK's.
      const { view } = this.#datapath;
      this.#transmitter.sack(now, tsn(view.getUint32(offset)), this.#limits.receiveWindowBytes, view, offset, 0);
      this.#shutdown.begin();
      return true;
    }
    if (type === SHUTDOWN_COMPLETE && this.#shutdown.isActive) {
      this.#close("peer-shutdown");
      return false;
    }
    return this.#unexpected();
  }

  /** RFC 9260 §3.2: an unknown chunk, by the two highest bits of its type. */
  #handleUnknown(type: number, entry: number): boolean {
    const { words, memory } = this.#datapath;
    this.#drops.count("sctp-unexpected");
    if ((type & UNKNOWN_CHUNK_REPORT) !== 0) {
      const start = words[entry + CHUNK_OFFSET];
      const chunk = memory.slice(start, start + (words[entry + CHUNK_HEAD] >>> 16));
      this.#assembler.control(writeError(unrecognizedChunk(chunk)));
    }
    return (type & UNKNOWN_CHUNK_SKIP) !== 0;
  }

  #unexpected(): boolean {
    this.#drops.count("sctp-unexpected");
    return true;
  }

  #learnPeer(peer: PeerParameters): void {
    this.#assembler.peerTag = peer.tag;
    this.#outboundStreams = Math.min(this.#limits.maxStreams, peer.inboundStreams);
    this.#receiver = new Receiver(peer.initialTsn, this.#limits, this.#messageSink(), this.#drops);
    this.#receiver.unreadBytes = this.#unreadBytes;
    this.#reset = new StreamReset(this.#local.initialTsn, peer.initialTsn, {
      sendControl: (chunk) => this.#assembler.control(chunk),
      lastSentTsn: () => tsnAdd(this.#transmitter.nextTsn, -1),
      hasQueued: (streamId) => this.#transmitter.hasQueued(streamId),
      hasReceivedAllUpTo: (last: Tsn) => this.#receiver?.hasAllUpTo(last) === true,
      incomingReset: (streamIds) => {
        this.#receiver?.resetStreams(streamIds);
        this.#pendingEvents.push({ kind: "incoming-reset", streamIds });
      },
      outgoingReset: (streamIds, performed) => {
        if (performed) this.#transmitter.resetStreams(streamIds);
        this.#errors = 0;
        this.#pendingEvents.push({ kind: "outgoing-reset", streamIds });
      },
      retransmitMs: () => this.#rto.ms,
    });
    this.#transmitter.learnPeer(peer.receiveWindow, peer.forwardTsn);
  }

  #establish(now: number): void {
    this.#errors = 0;
    this.#heartbeat.start(now);
    this.#pendingEvents.push({ kind: "established" });
    this.#transmitter.open(now);
  }

  #violate(now: number, cause: Uint8Array): void {
    this.#abortWith(now, cause);
    this.#close("protocol-violation");
  }

  #abortWith(now: number, cause: Uint8Array): void {
    const peer = this.#handshake.peer;
    if (peer !== undefined) this.#assembler.alone(now, writeAbort(0, cause), peer.tag);
  }

  /** §8.1: a time-out; false where there were too many in a row, and the association has ended. */
  #countError(): boolean {
    if (++this.#errors <= this.#maxRetransmissions) return true;
    this.#close("timeout");
    return false;
  }

  #close(reason: AssociationCloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#assembler.discard();
    this.#pendingEvents.push({ kind: "closed", reason });
  }

  #messageSink(): { message(streamId: number, ppid: number, data: Uint8Array): void; tooLarge(): void } {
    return {
      message: (streamId, ppid, data) => {
        this.#pendingEvents.push({ kind: "message", streamId, ppid, data });
      },
      tooLarge: () => this.#drops.count("sctp-message-too-large"),
    };
  }

  #sackSource(): { readonly sackBytes: number; writeSack(view: DataView, offset: number, room: number): number } {
    const receiver = () => this.#receiver;
    return {
      get sackBytes() {
        return receiver()?.sackBytes ?? 0;
      },
      writeSack: (view, offset, room) => this.#receiver?.writeSack(view, offset, room) ?? 0,
    };
  }

  /** Events go out when the packet or timer is done with, so that a listener may call back into the association. */
  #dispatch(): void {
    if (this.#dispatching) return;
    this.#dispatching = true;
    const events = this.#pendingEvents;
    for (let i = 0; i < events.length; i++) {
      const event = events[i];
      if (event.kind === "message") this.#events.message(event.streamId, event.ppid, event.data);
      else if (event.kind === "established") this.#events.established();
      else if (event.kind === "incoming-reset") this.#events.incomingStreamsReset(event.streamIds);
      else if (event.kind === "outgoing-reset") this.#events.outgoingStreamsReset(event.streamIds);
      else this.#events.closed(event.reason);
    }
    events.length = 0;
    this.#dispatching = false;
  }
}

/** Numbers of one association. Bytes are user data. */
export interface AssociationStats {
  /** Smoothed round trip, ms; 0 before the first measurement. */
  readonly roundTripMs: number;
  readonly congestionWindowBytes: number;
  readonly flightBytes: number;
  readonly queuedBytes: number;
  /** DATA chunks sent again. */
  readonly retransmissions: number;
  /** Messages given up after they were sent. */
  readonly abandonedMessages: number;
  /** Messages given up before: pushed out of the queue, or their lifetime over. */
  readonly droppedMessages: number;
}
