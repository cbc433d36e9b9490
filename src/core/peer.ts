import type { Channel } from "../channel/channel.ts";
import { type ChannelEvents, type ChannelOptions, Channels, refusedChannel } from "../channel/channels.ts";
import { sha256 } from "../crypto/platform.ts";
import { type DtlsCloseReason, DtlsConnection, type DtlsEvents, type DtlsVersion } from "../dtls/connection.ts";
import { groupName } from "../dtls/groups.ts";
import type { HelloVerify } from "../dtls/retry-cookie.ts";
import type { CloseReason } from "../errors.ts";
import {
  Association,
  type AssociationCloseReason,
  type PacketTransport,
  type SendResult,
} from "../sctp/association.ts";
import type { SignalledInit } from "../sctp/snap.ts";
import type { Datapath } from "../wasm/datapath.ts";
import { equalBytes } from "../wire/bytes.ts";
import type { DropCounters } from "../wire/drops.ts";
import type { MemoryAccount } from "../wire/memory-ledger.ts";
import type { HeapItem } from "./deadlines.ts";
import { silenceDeadline } from "./liveness.ts";
import { type PeerTrace, TracedLayers } from "./peer-trace.ts";
import type { PeerDescription, PeerSettings } from "./settings.ts";
import type { ConnectionState, ConnectionStats } from "./stats.ts";

/** Both browsers offer 1.3 first. */
const DTLS_VERSIONS: readonly DtlsVersion[] = ["1.3", "1.2"];

/** Events of a connection, for whoever owns it. Called synchronously from within it. */
export interface PeerEvents {
  /** The connection's first data channel is open: it can send. */
  opened(peer: Peer): void;
  message(peer: Peer, channel: Channel, data: Uint8Array | string): void;
  /** A further data channel opened. */
  channelOpened?(peer: Peer, channel: Channel): void;
  channelClosed?(peer: Peer, channel: Channel): void;
}

/** The endpoint of many connections: what they share. */
export interface PeerHost {
  /**
   * The time of the call that is under way, for the callbacks it leads to; written by the connections. One for all of them, so
   * that none touches memory of its own for it with each message.
   */
  now: number;
  /** What was read in advance, see `Prefetchable`: written, and never read. */
  prefetched: number;
  readonly events: PeerEvents;
  readonly datapath: Datapath;
  readonly drops: DropCounters;
  /** For the cookies of all associations. Default: each has its own. */
  readonly cookieKey?: Uint8Array;
  /** Marks a connection for the next flush. */
  touch(peer: Peer): void;
}

/**
 * One remote peer above the path to it: DTLS → SCTP → data channels, in either role. Each layer hands its events to the next
 * one up; what comes out at the top goes to the endpoint's events. How datagrams find their way is for those who extend it.
 */
export abstract class Peer implements HeapItem, DtlsEvents, ChannelEvents {
  // What a message needs comes first, so that it stands in as few cache lines as may be.
  state: ConnectionState = "handshaking";
  /** In the endpoint's list for the next flush; kept by the endpoint. */
  touched = false;
  /** Who looks inside; see {@link startTrace}. */
  trace: PeerTrace | undefined;
  heapIndex = -1;
  readonly #host: PeerHost;
  #dtls: DtlsConnection | undefined;
  #association: Association | undefined;
  #channels: Channels | undefined;
  #verified = false;
  /** When a record came last, rounded up to whole ms: a small integer needs no memory besides the field. `undefined` before the first. */
  #lastRecord: number | undefined;
  #messagesReceived = 0;
  #messagesSent = 0;
  #bytesReceived = 0;
  #bytesSent = 0;
  /** The longest message that both ends accept, in bytes: the peer has a say in it. */
  readonly maxMessageBytes: number;

  protected readonly settings: PeerSettings;
  /** The last check that was authentic. */
  protected lastCheck: number;
  readonly #role: "client" | "server";
  /** Until SCTP is started. */
  #description: PeerDescription | undefined;
  /** Our INIT, where both came by signalling: then SCTP needs no handshake. Until SCTP is started. */
  #signalledInit: SignalledInit | undefined;
  readonly #startedAt: number;
  readonly #openDeadline: number;

  constructor(
    now: number,
    role: "client" | "server",
    host: PeerHost,
    settings: PeerSettings,
    description: PeerDescription,
    signalledInit: SignalledInit | undefined,
  ) {
    this.#host = host;
    this.settings = settings;
    this.now = now;
    this.lastCheck = now;
    this.#role = role;
    this.#description = description;
    this.#signalledInit = description.sctpInit === undefined ? undefined : signalledInit;
    const own = settings.limits.maxMessageBytes;
    const theirs = description.maxMessageBytes;
    this.maxMessageBytes = theirs === 0 ? own : Math.min(own, theirs);
    this.#startedAt = now;
    this.#openDeadline = now + settings.limits.handshakeTimeoutMs;
  }

  /** Whether the DTLS handshake is complete: the peer holds the key that its fingerprint names. */
  get established(): boolean {
    return this.#verified;
  }

  /** The longest message that this end accepts, whatever the peer says. */
  get ownMaxMessageBytes(): number {
    return this.settings.limits.maxMessageBytes;
  }

  get dtls(): DtlsConnection | undefined {
    return this.#dtls;
  }

  get association(): Association | undefined {
    return this.#association;
  }

  get channels(): Channels | undefined {
    return this.#channels;
  }

  get nextDeadline(): number {
    return Math.min(
      this.#idleDeadline(),
      this.pathDeadline,
      this.state === "open" ? Number.POSITIVE_INFINITY : this.#openDeadline,
      this.#dtls?.nextDeadline ?? Number.POSITIVE_INFINITY,
      this.#association?.nextDeadline ?? Number.POSITIVE_INFINITY,
    );
  }

  handleTimeout(now: number): void {
    this.now = now;
    if (now >= this.#silenceDeadline(1)) {
      this.close(now, "idle");
    } else if (this.state !== "open" && now >= this.#openDeadline) {
      this.close(now, "handshake-timeout");
    } else {
      this.trace?.timersExpired(this.#timersDue(now));
      if (now >= this.pathDeadline) this.handlePathTimeout(now);
      if (this.isClosed) return;
      this.#dtls?.handleTimeout(now);
      this.#association?.handleTimeout(now);
      if (now >= this.#idleDeadline()) this.#association?.probe(now);
      this.#host.touch(this);
    }
  }

  /**
   * Sends a message on a channel, or where none is named on the first one. It leaves with the next flush.
   *
   * @returns `closed` too while no channel is open
   */
  send(now: number, data: Uint8Array | string, channel: Channel | undefined = this.#channels?.first): SendResult {
    if (channel === undefined || this.#channels === undefined || this.state === "closed") return "closed";
    const result = this.#channels.send(now, channel, data);
    if (result === "sent" || result === "queued") {
      this.#messagesSent++;
      this.#bytesSent += data.length;
      this.#host.touch(this);
    }
    return result;
  }

  /**
   * What the application has not taken yet of what this peer has sent reliably, in bytes: it narrows the peer's window.
   *
   * @returns whether the peer must be told with the next flush: there is room again
   */
  setUnread(bytes: number): boolean {
    const association = this.#association;
    if (association === undefined) return false;
    association.unreadBytes = bytes;
    if (!association.needsFlush) return false;
    this.#host.touch(this);
    return true;
  }

  /**
   * Opens a data channel from this side. Where that cannot be, the channel is `closed` from the start: before the connection is
   * established, after its end, or because of what {@link Channels.create} says.
   *
   * @throws what `Channels.create` throws: for the caller's mistakes alone
   */
  createChannel(now: number, label: string, options?: ChannelOptions): Channel {
    if (this.state === "closed" || this.#channels === undefined) {
      return refusedChannel(this.settings.limits, label, options);
    }
    this.now = now;
    this.#host.touch(this);
    return this.#channels.create(now, label, options);
  }

  closeChannel(now: number, channel: Channel): void {
    this.now = now;
    this.#channels?.close(now, channel);
    this.#host.touch(this);
  }

  stats(now: number): ConnectionStats {
    return {
      state: this.state,
      ageMs: now - this.#startedAt,
      dtls: {
        version: this.#dtls?.version,
        cipherSuite: this.#dtls?.cipherSuite,
        group: this.#dtls?.group,
        groupName: groupName(this.#dtls?.group),
      },
      sctp: this.#association?.stats,
      messagesReceived: this.#messagesReceived,
      messagesSent: this.#messagesSent,
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
    };
  }

  flush(now: number): void {
    this.now = now;
    this.#association?.flush(now);
  }

  /** Ends the connection and tells the peer: ABORT and close_notify (never SHUTDOWN: Chromium keeps a zombie). */
  close(now: number, reason: CloseReason): void {
    if (this.state === "closed") return;
    this.now = now;
    this.state = "closed";
    this.#association?.abort(now);
    this.#dtls?.close(now);
    this.trace?.ended(reason);
    this.ended(reason);
  }

  /** Tells somebody from now on what passes here, in place of whom it told before; nobody where `trace` is `undefined`. */
  startTrace(trace: PeerTrace | undefined): void {
    this.trace = trace;
    this.#dtls?.handOverTo(this.#dtlsEvents());
    this.#association?.useTransport(this.#transport());
  }

  // ——— for those who extend it ———

  protected get now(): number {
    return this.#host.now;
  }

  protected set now(now: number) {
    this.#host.now = now;
  }

  /** See `Prefetchable`. */
  protected prefetch(): void {
    const dtls = this.#dtls === undefined ? 0 : this.#dtls.prefetch();
    const association = this.#association === undefined ? 0 : this.#association.prefetch();
    const channels = this.#channels === undefined ? 0 : this.#channels.prefetch();
    this.#host.prefetched = (dtls + association + channels + this.#bytesSent) | 0;
  }

  /** What is held on the peer's word. */
  abstract readonly memory: MemoryAccount;

  /** When the path wants to be looked after, ms. */
  protected abstract readonly pathDeadline: number;

  protected abstract handlePathTimeout(now: number): void;

  /** From DTLS: one datagram for the peer. */
  abstract transmit(datagram: Uint8Array): void;

  /** The peer has proven who it is; SCTP is about to start. */
  protected abstract secured(): void;

  /** The end; called once. */
  protected abstract ended(reason: CloseReason): void;

  /** Largest datagram of our DTLS flights. */
  protected get handshakeMtuBytes(): number {
    return this.settings.limits.mtuBytes;
  }

  /** Server: how a client has to show that it receives at its address before the handshake begins. Default: not at all. */
  protected get helloVerify(): HelloVerify | undefined {
    return undefined;
  }

  protected get isClosed(): boolean {
    return this.state === "closed";
  }

  /** DTLS over this peer's path, made when it is first asked for. */
  protected useDtls(): DtlsConnection {
    this.#dtls ??= this.#createDtls();
    return this.#dtls;
  }

  /** A datagram before the handshake is complete. Returns the group, where this datagram is the one by which it was agreed on. */
  protected shakeHands(now: number, datagram: Uint8Array): number | undefined {
    const dtls = this.useDtls();
    const before = dtls.group;
    dtls.handleDatagram(now, datagram);
    return before === undefined ? dtls.group : undefined;
  }

  /** Whether this is the fingerprint of the peer's certificate. */
  protected acceptsFingerprint(fingerprint: Uint8Array): boolean {
    return equalBytes(fingerprint, this.#description!.fingerprint);
  }

  /** The handshake turns out to be another connection's: that goes on with it, and this one may begin another. */
  protected handOverTo(other: Peer): void {
    const dtls = this.#dtls!;
    this.#forgetHandshake();
    other.abandonHandshake();
    other.#dtls = dtls;
    dtls.handOverTo(other.#dtlsEvents());
  }

  /** Flights are repeated on demand only. */
  holdBack(): void {
    this.#dtls?.repeatOnDemand();
  }

  /** The handshake is over, and nobody is told; another one may begin. */
  protected abandonHandshake(): void {
    this.#dtls?.abandon();
    this.#forgetHandshake();
  }

  /** The connection can send. */
  protected open(): void {
    if (this.state !== "connected") return;
    this.state = "open";
    this.#host.events.opened(this);
  }

  // ——— from DTLS ———

  /**
   * A server of DTLS 1.3 may send before it has seen the peer's certificate: the INIT, which tells nothing to whoever reads it,
   * leaves with the first flight. What comes is not handed on before `connected`, and user data waits for it as well.
   */
  writable(): void {
    if (this.#signalledInit === undefined) this.#startSctp(this.#createSctp());
  }

  connected(): void {
    this.#verified = true;
    const association = this.#createSctp();
    this.secured();
    this.#startSctp(association);
    this.#description = undefined;
    this.#signalledInit = undefined;
  }

  applicationData(plaintext: Uint8Array): void {
    this.#lastRecord = Math.ceil(this.now);
    this.#association?.handlePacket(this.now, plaintext);
  }

  applicationDataAt(offset: number, length: number): void {
    this.#lastRecord = Math.ceil(this.now);
    this.#association?.handlePacketAt(this.now, offset, length);
  }

  /** DTLS has ended. The peer's close_notify is its goodbye; anything else before the handshake's end is a refusal. */
  closed({ cause }: DtlsCloseReason): void {
    if (cause === "peer") this.close(this.now, "remote");
    else if (!this.established) this.close(this.now, cause === "timeout" ? "handshake-timeout" : "handshake-failed");
    else this.close(this.now, "protocol-error");
  }

  // ——— from the data channels ———

  associationEstablished(): void {
    this.state = "connected";
    for (const { label, ...options } of this.settings.negotiatedChannels ?? []) {
      // A peer may have announced fewer streams than these channels need.
      if (options.id < this.#association!.outboundStreams) {
        this.#channels!.create(this.now, label, { ...options, negotiated: true });
      } else this.#host.drops.count("channel-limit");
    }
  }

  associationClosed(reason: AssociationCloseReason): void {
    const remote = reason === "peer-abort" || reason === "peer-shutdown" || reason === "restarted";
    this.close(this.now, remote ? "remote" : "protocol-error");
  }

  channelOpened(channel: Channel): void {
    this.trace?.channelOpened(channel);
    if (this.state === "connected") this.open();
    else this.#host.events.channelOpened?.(this, channel);
  }

  channelMessage(channel: Channel, data: Uint8Array | string): void {
    this.#messagesReceived++;
    this.#bytesReceived += data.length;
    this.#host.events.message(this, channel, data);
  }

  channelClosed(channel: Channel): void {
    this.trace?.channelClosed(channel);
    this.#host.events.channelClosed?.(this, channel);
  }

  // ——— internals ———

  #createSctp(): Association {
    if (this.#association !== undefined) return this.#association;
    const { limits, random } = this.settings;
    const { datapath, drops, cookieKey } = this.#host;
    const { sctpPort: remotePort, maxMessageBytes: remoteMaxMessageBytes } = this.#description!;
    this.#channels = new Channels({ role: this.#role, limits, drops, memory: this.memory }, this);
    this.#association = new Association(
      {
        limits,
        random,
        drops,
        memory: this.memory,
        cookieKey,
        remotePort,
        remoteMaxMessageBytes,
        ...this.#signalledInit,
      },
      datapath,
      this.#transport(),
      this.#channels,
    );
    this.#channels.attach(this.#association);
    return this.#association;
  }

  #forgetHandshake(): void {
    this.#dtls = undefined;
    // It was made early, for the first flight.
    this.#association = undefined;
    this.#channels = undefined;
  }

  /** A server's INIT leaves in the datagram of its Finished: one round trip less in both browsers (measured). */
  #startSctp(association: Association): void {
    const { sctpInit } = this.#description!;
    if (this.#signalledInit === undefined || sctpInit === undefined) association.connect(this.now);
    else association.establishFromInit(this.now, sctpInit);
    association.flush(this.now);
  }

  #createDtls(): DtlsConnection {
    const { certificate, limits, random, dtlsVersions = DTLS_VERSIONS } = this.settings;
    const { datapath, drops } = this.#host;
    const { helloVerify } = this;
    return new DtlsConnection(
      {
        role: this.#role,
        certificate,
        datapath,
        drops,
        memory: this.memory,
        random,
        versions: dtlsVersions,
        mtuBytes: limits.mtuBytes,
        handshakeMtuBytes: this.handshakeMtuBytes,
        initialTimeoutMs: limits.dtlsRetransmitMs,
        handshakeTimeoutMs: limits.handshakeTimeoutMs,
        // RFC 8827 §6.5: the fingerprint that came by signalling is who the peer is.
        verifyPeerCertificate: (der) => this.acceptsFingerprint(sha256(der)),
        ...this.#keyLog(),
        ...(helloVerify && { helloVerify }),
        compact: true,
      },
      this.#dtlsEvents(),
    );
  }

  #keyLog(): { keyLog?: (line: string) => void } {
    const { trace } = this;
    const { keyLog } = this.settings;
    if (trace === undefined) return keyLog === undefined ? {} : { keyLog };
    return {
      keyLog: (line) => {
        trace.secret(line);
        keyLog?.(line);
      },
    };
  }

  #dtlsEvents(): DtlsEvents {
    return this.trace === undefined ? this : new TracedLayers(this, this.trace, this.#host.datapath.memory);
  }

  #transport(): PacketTransport {
    const dtls = this.#dtls!;
    return this.trace === undefined ? dtls : new TracedLayers(this, this.trace, this.#host.datapath.memory);
  }

  /** For the trace. */
  #timersDue(now: number): string[] {
    const dtls = this.#dtls !== undefined && now >= this.#dtls.nextDeadline ? ["dtls-flight"] : [];
    return [...dtls, ...(this.#association?.timersDue(now) ?? [])];
  }

  /** When silence wants something done: a question to the peer, or the end. */
  #idleDeadline(): number {
    const canAsk = this.#association?.state === "established" && !this.#association.isProbing;
    return this.#silenceDeadline(canAsk ? 1 / 2 : 1);
  }

  #silenceDeadline(share: number): number {
    return silenceDeadline(this.lastCheck, this.#lastRecord, this.settings.limits.idleTimeoutMs, share);
  }
}
