import type { RandomSource } from "../crypto/platform.ts";
import { type AssociationLimits, DEFAULT_ASSOCIATION_LIMITS } from "../limits.ts";
import type { Datapath } from "../wasm/datapath.ts";
import type { DropCounters } from "../wire/drops.ts";
import { type MemoryAccount, unlimitedAccount } from "../wire/memory-ledger.ts";
import type { Prefetchable } from "../wire/prefetch.ts";
import { type Tsn, tsn, tsnAdd } from "../wire/serial.ts";
import { PacketAssembler, type PacketTransport } from "./assembler.ts";
import {
  type AssociationOptions,
  COOKIE_LIFETIME_MS,
  DEFAULT_PORT,
  DEFAULT_REMOTE_MESSAGE_BYTES,
  MAX_INIT_RETRANSMISSIONS,
  MAX_RETRANSMISSIONS,
  OFFERS_INTERLEAVING,
} from "./association-options.ts";
import { protocolViolation, userAbort, writeAbort } from "./causes.ts";
import { type AssociationCloseReason, type AssociationEvents, EventQueue } from "./events.ts";
import { Handshake, type HandshakeFailure, type HandshakeHost, type PeerParameters, randomTag } from "./handshake.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Inbound, type InboundHost } from "./inbound.ts";
import type { InitFields } from "./init.ts";
import type { OutgoingMessage, SendResult } from "./outgoing-message.ts";
import type { ReassemblySink } from "./reassembly.ts";
import { Receiver } from "./receive.ts";
import { type HeldStreams, type ResetHost, StreamReset } from "./reset.ts";
import { DEFAULT_RTO, RetransmissionTimeout } from "./rto.ts";
import { PeerShutdown } from "./shutdown.ts";
import { parseSignalledInit } from "./snap.ts";
import { Transmitter } from "./transmit.ts";

export type { PacketTransport } from "./assembler.ts";
export type { AssociationOptions } from "./association-options.ts";
export type { AssociationCloseReason, AssociationEvents } from "./events.ts";
export type { OutgoingMessage, SendResult } from "./outgoing-message.ts";

const NO_STREAMS: readonly number[] = [];

/** What the parts of an association call. */
type Inside = HandshakeHost & InboundHost & ReassemblySink & ResetHost;

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
export class Association implements Prefetchable {
  readonly #events: EventQueue;
  readonly #datapath: Datapath;
  readonly #drops: DropCounters;
  readonly #limits: AssociationLimits;
  readonly #memory: MemoryAccount;
  readonly #local: InitFields;
  readonly #maxRetransmissions: number;
  readonly #assembler: PacketAssembler;
  readonly #rto: RetransmissionTimeout;
  readonly #transmitter: Transmitter;
  readonly #handshake: Handshake;
  /** Made for the first HEARTBEAT: on most connections none is ever sent. */
  #heartbeat: Heartbeat | undefined;
  readonly #heartbeatIntervalMs: number;
  readonly #random: RandomSource;
  /** The handshake is over: it has no deadline, and nothing more to say. */
  #established = false;
  /** The peer's SHUTDOWN has come: no new message is taken. */
  #shutdown: PeerShutdown | undefined;
  readonly #inbound: Inbound;
  readonly #inside: Inside;
  #receiver: Receiver | undefined;
  #reset: StreamReset | undefined;
  #outboundStreams: number;
  #unreadBytes = 0;
  #skipsOldGaps = false;
  #errors = 0;
  #closed = false;
  #now = 0;

  constructor(options: AssociationOptions, datapath: Datapath, transport: PacketTransport, events: AssociationEvents) {
    const { random, drops, limits = DEFAULT_ASSOCIATION_LIMITS, rto = DEFAULT_RTO } = options;
    const { localPort = DEFAULT_PORT, remotePort = DEFAULT_PORT } = options;
    const { remoteMaxMessageBytes = DEFAULT_REMOTE_MESSAGE_BYTES } = options;
    this.#inside = new Association.#Inside(this);
    this.#events = new EventQueue(events);
    this.#datapath = datapath;
    this.#drops = drops;
    this.#limits = limits;
    this.#memory = options.memory ?? unlimitedAccount();
    this.#outboundStreams = limits.maxStreams;
    this.#maxRetransmissions = options.maxRetransmissions ?? MAX_RETRANSMISSIONS;
    this.maxMessageBytes = Math.min(limits.maxMessageBytes, remoteMaxMessageBytes || Number.POSITIVE_INFINITY);
    this.#local = {
      initiateTag: options.initiateTag ?? randomTag(random),
      receiveWindow: limits.receiveWindowBytes,
      outboundStreams: limits.maxStreams,
      inboundStreams: limits.maxStreams,
      initialTsn: tsn(options.initialTsn ?? randomTag(random)),
      interleaving: options.interleaving ?? OFFERS_INTERLEAVING,
    };
    this.#assembler = new PacketAssembler(datapath, transport, localPort, remotePort);
    this.#rto = new RetransmissionTimeout(rto);
    const { initialTsn } = this.#local;
    const { maxQueuedBytes } = limits;
    this.#transmitter = new Transmitter(
      { initialTsn, maxQueuedBytes, maxMessageBytes: this.maxMessageBytes, memory: this.#memory },
      this.#assembler,
      this.#rto,
    );
    this.#handshake = new Handshake(
      {
        local: this.#local,
        random,
        drops,
        cookieKey: options.cookieKey,
        cookieLifetimeMs: options.cookieLifetimeMs ?? COOKIE_LIFETIME_MS,
        timeoutMs: rto.initialMs,
        maxTimeoutMs: rto.maxMs,
        maxRetransmits: options.maxInitRetransmissions ?? MAX_INIT_RETRANSMISSIONS,
      },
      this.#assembler,
      this.#inside,
    );
    this.#heartbeatIntervalMs = options.heartbeatIntervalMs ?? 0;
    this.#random = random;
    this.#inbound = new Inbound({
      datapath,
      ports: ((remotePort << 16) | localPort) >>> 0,
      drops,
      limits,
      localTag: this.#local.initiateTag,
      assembler: this.#assembler,
      rto: this.#rto,
      handshake: this.#handshake,
      transmitter: this.#transmitter,
      host: this.#inside,
    });
  }

  /** Largest message that both sides take, bytes. */
  readonly maxMessageBytes: number;

  /** See `Prefetchable`. */
  prefetch(): number {
    const inbound = this.#inbound.isEstablished ? 1 : 0;
    const receiver = this.#receiver === undefined ? 0 : this.#receiver.prefetch();
    const out = this.#assembler.peerTag + this.#transmitter.prefetch();
    return (inbound + receiver + out + this.#unreadBytes + (this.#events.isEmpty ? 1 : 0)) | 0;
  }

  get state(): "idle" | "cookie-wait" | "cookie-echoed" | "established" | "shutting-down" | "closed" {
    if (this.#closed) return "closed";
    if (this.#shutdown !== undefined) return "shutting-down";
    return this.#established ? "established" : this.#handshake.state;
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
    let next = Math.min(this.#transmitter.deadline, this.#transmitter.detectionDeadline);
    if (this.#receiver !== undefined) next = Math.min(next, this.#receiver.sackDeadline);
    if (!this.#established) next = Math.min(next, this.#handshake.deadline);
    // What most connections never have.
    if (this.#reset !== undefined) next = Math.min(next, this.#reset.deadline);
    if (this.#heartbeat !== undefined) next = Math.min(next, this.#heartbeat.deadline);
    if (this.#shutdown !== undefined) next = Math.min(next, this.#shutdown.deadline);
    return next;
  }

  /** Something waits for the flush. */
  get needsFlush(): boolean {
    if (this.#closed) return false;
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
      abandonedMessages: transmitter.abandonedMessages,
      droppedMessages: transmitter.droppedMessages,
    };
  }

  /** Packets go there from now on, for example by way of somebody who looks at them. */
  useTransport(transport: PacketTransport): void {
    this.#assembler.transport = transport;
  }

  /** The timers that are due, for whoever traces the association. T1 and T3 are those of RFC 9260, T1 that of INIT and COOKIE ECHO. */
  timersDue(now: number): string[] {
    const deadlines: [string, number][] = [
      ["t1", this.#established ? Number.POSITIVE_INFINITY : this.#handshake.deadline],
      ["t3-rtx", this.#transmitter.deadline],
      ["loss-detection", this.#transmitter.detectionDeadline],
      ["sack-delay", this.#receiver?.sackDeadline ?? Number.POSITIVE_INFINITY],
      ["heartbeat", this.#heartbeat?.deadline ?? Number.POSITIVE_INFINITY],
      ["reconfig", this.#reset?.deadline ?? Number.POSITIVE_INFINITY],
      ["shutdown", this.#shutdown?.deadline ?? Number.POSITIVE_INFINITY],
    ];
    return this.#closed ? [] : deadlines.filter(([, deadline]) => deadline <= now).map(([name]) => name);
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
    if (this.#closed) return false;
    this.#now = now;
    const init = parseSignalledInit(remoteInit);
    if (init === undefined || !this.#handshake.establish(now, init)) return false;
    this.#events.drain();
    return true;
  }

  /**
   * Sends a message, or queues it. The data is copied.
   *
   * @returns `closed` too where the peer takes no such stream
   * @throws RangeError where `data` is empty (SCTP has no empty message)
   */
  send(now: number, message: OutgoingMessage): SendResult {
    const { streamId, data } = message;
    if (data.length === 0) throw new RangeError("data must have 1 byte or more");
    if (this.#closed || this.#shutdown !== undefined || this.isResetting(streamId)) return "closed";
    if (!(streamId >= 0 && streamId < this.#outboundStreams)) return "closed";
    return this.#transmitter.send(now, message);
  }

  /**
   * Asks by HEARTBEAT whether the peer receives where we send now (RFC 9260 §8.3); {@link isProbing} until it has answered. Its
   * nonce makes the answer proof. It leaves at once and alone: there may be room for no more on the way to an address that has
   * proven nothing yet. Silence ends nothing here.
   */
  probe(now: number): void {
    if (this.state === "established") this.#sendHeartbeat(now);
  }

  /** What the transport is given now is a HEARTBEAT and nothing else. Its answer proves where it was heard. */
  isSendingHeartbeat = false;

  /** A HEARTBEAT of ours is not answered yet. */
  get isProbing(): boolean {
    return this.#heartbeat?.isUnanswered === true;
  }

  /** One decrypted SCTP packet; borrowed. */
  handlePacket(now: number, packet: Uint8Array): void {
    const { memory, rxOffset, rxBytes } = this.#datapath;
    if (packet.length > rxBytes) {
      this.#drops.count("sctp-malformed");
      return;
    }
    memory.set(packet, rxOffset);
    this.handlePacketAt(now, rxOffset, packet.length);
  }

  /** The same where the packet lies in the datapath's memory already, at `offset`. */
  handlePacketAt(now: number, offset: number, length: number): void {
    this.#now = now;
    const drop = this.#closed ? "sctp-unexpected" : this.#inbound.handle(now, offset, length);
    if (drop !== undefined) this.#drops.count(drop);
    if (this.#transmitter.isStalled) this.#endStalled(now);
    this.#events.drain();
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

  /** Says that nothing the peer sends is ever sent again or waited for; see {@link Receiver.skipsOldGaps}. Default false. */
  set skipsOldGaps(skips: boolean) {
    this.#skipsOldGaps = skips;
    if (this.#receiver !== undefined) this.#receiver.skipsOldGaps = skips;
  }

  /** Closes our direction of these streams (RFC 6525) once what was sent on them before is on its way. */
  resetStreams(now: number, streamIds: readonly number[]): void {
    if (this.#closed) return;
    this.#now = now;
    // A peer without RFC 6525 can not be told; to us the streams are closed.
    if (this.#handshake.peer?.reconfig === false) this.#events.outgoingStreamsReset(streamIds);
    else {
      const reset = this.#useReset();
      reset.request(streamIds);
      reset.advance(now);
    }
    this.#events.drain();
  }

  /** Our direction of this stream is being reset: the peer has not answered yet. */
  isResetting(streamId: number): boolean {
    return this.#reset?.isResetting(streamId) === true;
  }

  /**
   * The peer uses a stream anew. Where we wait for its answer to our reset of it, that has been performed; see
   * {@link StreamReset.confirm}.
   *
   * @returns the streams that are reset by that; undefined where the stream has not been reset, and takes no messages yet
   */
  confirmReset(streamId: number): readonly number[] | undefined {
    if (!this.isResetting(streamId)) return NO_STREAMS;
    const streamIds = this.#reset?.confirm(streamId);
    if (streamIds !== undefined) this.#transmitter.resetStreams(streamIds);
    return streamIds;
  }

  /** Sends what has gathered. Call once per event-loop turn. */
  flush(now: number): void {
    if (this.#closed) return;
    this.#reset?.advance(now);
    // It may have performed one that waited for DATA, and what comes of that leaves with the answer.
    this.#events.drain();
    if (this.#closed) return;
    this.#shutdown?.advance(now, this.#transmitter.isIdle, this.#rto.ms, (chunk) => this.#assembler.control(chunk));
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
    this.#events.drain();
  }

  /** Does what is due at `now`, and flushes. */
  handleTimeout(now: number): void {
    if (this.#closed) return;
    this.#now = now;
    if (this.#handshake.deadline <= now) this.#handshake.timeout(now);
    if (this.#receiver !== undefined && this.#receiver.sackDeadline <= now) this.#receiver.timeout();
    if (this.#transmitter.deadline <= now && this.#transmitter.timeout(now)) this.#countError();
    if (this.#transmitter.detectionDeadline <= now) this.#transmitter.detect(now);
    if (this.#transmitter.isStalled) this.#endStalled(now);
    if (this.#reset !== undefined && this.#reset.deadline <= now && this.#countError()) this.#reset.timeout(now);
    const heartbeat = this.#heartbeat;
    if (heartbeat !== undefined && heartbeat.deadline <= now && (!heartbeat.isMissed || this.#countError()))
      this.#sendHeartbeat(now);
    if (this.#shutdown !== undefined && this.#shutdown.deadline <= now && this.#countError())
      this.#shutdown.timeout(now, this.#rto.ms);
    this.flush(now);
    this.#events.drain();
  }

  #learnPeer(peer: PeerParameters): void {
    this.#assembler.peerTag = peer.tag | 0;
    this.#outboundStreams = Math.min(this.#limits.maxStreams, peer.inboundStreams);
    const { initialTsn, interleaving } = peer;
    this.#receiver = new Receiver(initialTsn, this.#limits, this.#inside, this.#drops, this.#memory, interleaving);
    this.#receiver.unreadBytes = this.#unreadBytes;
    this.#receiver.skipsOldGaps = this.#skipsOldGaps;
    this.#inbound.receiver = this.#receiver;
    this.#assembler.sackSource = this.#receiver;
    this.#transmitter.learnPeer(peer.receiveWindow, peer.forwardTsn, interleaving);
    this.#beginResets(peer);
  }

  /** What was to be reset before the peer was known. */
  #beginResets(peer: PeerParameters): void {
    const reset = this.#reset;
    if (peer.reconfig) reset?.begin(peer.initialTsn);
    else if (reset !== undefined) {
      this.#reset = undefined;
      this.#events.outgoingStreamsReset(reset.resetting);
    }
  }

  #establish(now: number): void {
    this.#errors = 0;
    this.#established = true;
    this.#inbound.isEstablished = true;
    if (this.#heartbeatIntervalMs > 0) this.#useHeartbeat().start(now);
    this.#events.established();
    this.#transmitter.open(now);
  }

  #sendHeartbeat(now: number): void {
    const heartbeat = this.#useHeartbeat();
    const chunk = heartbeat.timeout(now, this.#rto.backedOff(heartbeat.unanswered));
    this.isSendingHeartbeat = true;
    this.#assembler.alone(now, chunk, this.#assembler.peerTag);
    this.isSendingHeartbeat = false;
  }

  #useHeartbeat(): Heartbeat {
    this.#heartbeat ??= new Heartbeat(this.#heartbeatIntervalMs, this.#random);
    return this.#heartbeat;
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

  /** The peer goes on acknowledging, but leaves a chunk out. */
  #endStalled(now: number): void {
    if (this.#closed) return;
    this.#abortWith(now, protocolViolation("a chunk was not acknowledged"));
    this.#close("timeout");
  }

  #close(reason: AssociationCloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inbound.isClosed = true;
    this.#assembler.discard();
    this.#transmitter.release();
    this.#receiver?.release();
    this.#events.closed(reason);
  }

  /** Made for the first stream that either side resets. */
  #useReset(): StreamReset {
    if (this.#reset === undefined) {
      this.#reset = new StreamReset(this.#local.initialTsn, this.#assembler, this.#inside);
      if (this.#handshake.peer !== undefined) this.#reset.begin(this.#handshake.peer.initialTsn);
    }
    return this.#reset;
  }

  /** The association as its parts see it: one object for all that they call, and none of it public. */
  static readonly #Inside = class implements Inside {
    readonly #association: Association;

    constructor(association: Association) {
      this.#association = association;
    }

    // For the handshake.

    peerKnown(peer: PeerParameters): void {
      this.#association.#learnPeer(peer);
    }

    established(now: number): void {
      this.#association.#establish(now);
    }

    failed(reason: HandshakeFailure): void {
      this.#association.#close(reason);
    }

    // For what packets bring.

    peerAnswered(): void {
      this.#association.#errors = 0;
    }

    close(reason: AssociationCloseReason): void {
      this.#association.#close(reason);
    }

    violated(now: number, cause: Uint8Array): void {
      this.#association.#abortWith(now, cause);
      this.#association.#close("protocol-violation");
    }

    streamReset(): StreamReset {
      return this.#association.#useReset();
    }

    get heartbeat(): Heartbeat | undefined {
      return this.#association.#heartbeat;
    }

    get shutdown(): PeerShutdown | undefined {
      return this.#association.#shutdown;
    }

    beginShutdown(): void {
      if (this.#association.#shutdown === undefined) this.#association.#shutdown = new PeerShutdown();
      else this.#association.#shutdown.repeat();
    }

    message(streamId: number, ppid: number, data: Uint8Array): void {
      this.#association.#events.message(streamId, ppid, data);
    }

    tooLarge(): void {
      this.#association.#drops.count("sctp-message-too-large");
    }

    // For stream resets.

    lastSentTsn(): Tsn {
      return tsnAdd(this.#association.#transmitter.nextTsn, -1);
    }

    acknowledgedTsn(): Tsn {
      return this.#association.#transmitter.acknowledgedTsn;
    }

    isIdle(): boolean {
      return this.#association.#transmitter.isIdle;
    }

    hasQueued(streamId: number): boolean {
      return this.#association.#transmitter.hasQueued(streamId);
    }

    hasReceivedAllUpTo(last: Tsn): boolean {
      return this.#association.#receiver?.hasAllUpTo(last) === true;
    }

    incomingReset(streamIds: readonly number[]): void {
      this.#association.#receiver?.resetStreams(streamIds);
      this.#association.#events.incomingStreamsReset(streamIds);
    }

    outgoingReset(streamIds: readonly number[], performed: boolean): void {
      if (performed) this.#association.#transmitter.resetStreams(streamIds);
      this.#association.#events.outgoingStreamsReset(streamIds);
    }

    holdIncoming(held: HeldStreams | undefined): void {
      const receiver = this.#association.#receiver;
      if (receiver !== undefined) receiver.heldStreams = held;
    }

    retransmitMs(attempts: number): number {
      return this.#association.#rto.backedOff(attempts);
    }
  };
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
