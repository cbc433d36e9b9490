import type { Channel } from "../channel/channel.ts";
import { type ChannelEvents, type ChannelOptions, Channels } from "../channel/channels.ts";
import { sha256 } from "../crypto/platform.ts";
import { type DtlsCloseReason, DtlsConnection, type DtlsEvents } from "../dtls/connection.ts";
import type { CloseReason } from "../errors.ts";
import {
  Association,
  type AssociationCloseReason,
  type AssociationStats,
  type SendResult,
} from "../sctp/association.ts";
import { isSameAddress, type SocketAddress } from "../wire/address.ts";
import { equalBytes } from "../wire/bytes.ts";
import type { Route } from "./address-table.ts";
import type { HeapItem } from "./deadlines.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Session } from "./session.ts";

/**
 * - `handshaking`: a check has verified; DTLS and SCTP are on their way
 * - `connected`: SCTP is up, no data channel yet
 * - `open`: a data channel is open
 */
export type ConnectionState = "handshaking" | "connected" | "open" | "closed";

/** A check of some 100 bytes has come from a new address: what may be sent there at once, the HEARTBEAT first of all. */
const CHECK_CREDIT_BYTES = 200;

/** RFC 7675 §5.1: consent to send expires 30 s after the last check that verified, whatever else the peer sends. */
const CONSENT_MS = 30_000;

/** What a connection can tell of itself. */
export interface ConnectionStats {
  readonly state: ConnectionState;
  /** Milliseconds since the first verified check. */
  readonly ageMs: number;
  readonly dtls: {
    readonly version: string | undefined;
    /** IANA numbers of the cipher suite and of the key exchange's group. */
    readonly cipherSuite: number | undefined;
    readonly group: number | undefined;
  };
  /** `undefined` before the DTLS handshake is complete. */
  readonly sctp: AssociationStats | undefined;
  readonly messagesReceived: number;
  readonly messagesSent: number;
  /** User data; for text, UTF-16 code units. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
}

/**
 * One remote peer: ICE → DTLS → SCTP → data channels. Each layer hands its events to the next one up; what comes out at
 * the top goes to the endpoint's events.
 */
export class Connection implements HeapItem, DtlsEvents, ChannelEvents {
  readonly session: Session;
  /** Where datagrams are sent: the address the peer nominated, or came from last before it nominated one. */
  remote: SocketAddress;
  state: ConnectionState = "handshaking";
  /** The addresses this connection has claimed; kept by `Routes`. */
  readonly routes: Route<Connection>[] = [];
  /** The IP address under which this connection counts in `maxConnectionsPerAddress`. */
  readonly countedAddress: string;
  /** In the endpoint's list for the next flush; kept by the endpoint. */
  touched = false;
  heapIndex = -1;
  heapDeadline = 0;

  readonly #endpoint: Endpoint;
  readonly #openDeadline: number;
  #lastCheck: number;
  /** The last check or record that was authentic. */
  #lastHeard: number;
  /** The last check chose the path in use by USE-CANDIDATE. */
  #confirmed = false;
  readonly #startedAt: number;
  #messagesReceived = 0;
  #messagesSent = 0;
  #bytesReceived = 0;
  #bytesSent = 0;
  /** The one address that our handshake flights went to; `undefined` once there were two. */
  #flightsTo: SocketAddress | undefined;
  #dtls: DtlsConnection | undefined;
  #association: Association | undefined;
  #channels: Channels | undefined;
  /**
   * Bytes that may still be sent to an address the connection moved to, until the peer has shown that it receives there:
   * a source address can be spoofed, and nobody must be flooded on the word of a session's holder.
   */
  #credit = Number.POSITIVE_INFINITY;
  /** The `now` of the call that is under way, for the callbacks it leads to. */
  #now = 0;

  constructor(now: number, endpoint: Endpoint, session: Session, source: SocketAddress) {
    const { limits } = endpoint.options;
    this.#endpoint = endpoint;
    this.session = session;
    this.remote = source;
    this.#flightsTo = source;
    this.countedAddress = source.address;
    this.#lastCheck = now;
    this.#lastHeard = now;
    this.#startedAt = now;
    this.#openDeadline = now + limits.handshakeTimeoutMs;
  }

  /** Whether the DTLS handshake is complete: the peer holds the key that its fingerprint names. */
  get established(): boolean {
    return this.#association !== undefined;
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

  /** The longest message that both ends accept, in bytes. */
  get maxMessageBytes(): number {
    const own = this.#endpoint.options.limits.maxMessageBytes;
    const theirs = this.session.remote.maxMessageBytes;
    return theirs === 0 ? own : Math.min(own, theirs);
  }

  get nextDeadline(): number {
    return Math.min(
      this.#idleDeadline(),
      this.#lastCheck + CONSENT_MS,
      this.state === "handshaking" ? this.#openDeadline : Number.POSITIVE_INFINITY,
      this.#dtls?.nextDeadline ?? Number.POSITIVE_INFINITY,
      this.#association?.nextDeadline ?? Number.POSITIVE_INFINITY,
    );
  }

  /** A check from `source` verified. Consent to send is fresh (RFC 7675 §5.1), and the peer may have moved. */
  handleCheck(now: number, source: SocketAddress, nominated: boolean): void {
    this.#now = now;
    this.#lastCheck = now;
    this.#lastHeard = now;
    const isCurrent = isSameAddress(source, this.remote);
    // Chromium sets USE-CANDIDATE in each check of the path it has chosen, and checks others without it; Firefox sets it once
    // and checks nothing but its path. So a check without it moves the connection unless the path in use has been
    // confirmed since the last such check.
    if (!isCurrent && (nominated || !this.#confirmed)) this.#sendTo(source);
    this.#confirmed = nominated;
    this.#endpoint.touch(this);
  }

  /** @param datagram borrowed until the call returns */
  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void {
    this.#now = now;
    // A browser may start DTLS on one of several paths before it nominates one (BROWSERS.md).
    if (!this.#confirmed && !this.established) this.#sendTo(source);
    this.#dtls ??= this.#createDtls();
    this.#dtls.handleDatagram(now, datagram);
    if (this.#credit !== Number.POSITIVE_INFINITY) this.#earnCredit(source, datagram.length);
    this.#endpoint.touch(this);
  }

  handleTimeout(now: number): void {
    this.#now = now;
    const { idleTimeoutMs } = this.#endpoint.options.limits;
    if (now >= this.#lastHeard + idleTimeoutMs || now >= this.#lastCheck + CONSENT_MS) {
      this.close(now, "idle");
    } else if (this.state === "handshaking" && now >= this.#openDeadline) {
      this.close(now, "handshake-timeout");
    } else {
      this.#dtls?.handleTimeout(now);
      this.#association?.handleTimeout(now);
      if (now >= this.#idleDeadline()) this.#association?.probe(now);
      this.#endpoint.touch(this);
    }
  }

  /**
   * Sends a message on a channel, or where none is named on the first one. It leaves with the next flush.
   *
   * @returns `closed` too while no channel is open
   */
  send(now: number, data: Uint8Array | string, channel = this.#channels?.first): SendResult {
    if (channel === undefined || this.#channels === undefined || this.state === "closed") return "closed";
    const result = this.#channels.send(now, channel, data);
    if (result === "sent" || result === "queued") {
      this.#messagesSent++;
      this.#bytesSent += data.length;
      this.#endpoint.touch(this);
    }
    return result;
  }

  /** Opens a data channel from this side. `undefined` before the connection is established, or after its end. */
  createChannel(now: number, label: string, options?: ChannelOptions): Channel | undefined {
    this.#now = now;
    this.#endpoint.touch(this);
    return this.state === "closed" ? undefined : this.#channels?.create(now, label, options);
  }

  closeChannel(now: number, channel: Channel): void {
    this.#now = now;
    this.#channels?.close(now, channel);
    this.#endpoint.touch(this);
  }

  stats(now: number): ConnectionStats {
    return {
      state: this.state,
      ageMs: now - this.#startedAt,
      dtls: { version: this.#dtls?.version, cipherSuite: this.#dtls?.cipherSuite, group: this.#dtls?.group },
      sctp: this.#association?.stats,
      messagesReceived: this.#messagesReceived,
      messagesSent: this.#messagesSent,
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
    };
  }

  flush(now: number): void {
    this.#now = now;
    this.#association?.flush(now);
  }

  /** Ends the connection and tells the peer: ABORT and close_notify (never SHUTDOWN: Chromium keeps a zombie). */
  close(now: number, reason: CloseReason): void {
    if (this.state === "closed") return;
    this.#now = now;
    const wasEstablished = this.established;
    this.state = "closed";
    this.#association?.abort(now);
    this.#dtls?.close(now);
    this.#endpoint.connectionClosed(this, reason, wasEstablished);
  }

  // ——— from DTLS ———

  transmit(datagram: Uint8Array): void {
    if (datagram.length > this.#credit) {
      this.#endpoint.drops.count("address-unproven");
      return;
    }
    this.#credit -= datagram.length;
    this.#endpoint.events.transmit(datagram, this.remote);
  }

  connected(): void {
    const { limits, random } = this.#endpoint.options;
    const { datapath, drops } = this.#endpoint;
    const { sctpPort: remotePort, maxMessageBytes: remoteMaxMessageBytes } = this.session.remote;
    this.#channels = new Channels({ role: "server", limits, drops }, this);
    this.#association = new Association(
      { limits, random, drops, remotePort, remoteMaxMessageBytes },
      datapath,
      this.#dtls!,
      this.#channels,
    );
    this.#channels.attach(this.#association);
    this.#endpoint.connectionEstablished(this.#now, this, this.#flightsTo);
    // Our INIT leaves in the datagram of our Finished: one round trip less in both browsers (BROWSERS.md).
    this.#association.connect(this.#now);
    this.#association.flush(this.#now);
  }

  applicationData(plaintext: Uint8Array): void {
    this.#lastHeard = this.#now;
    this.#association?.handlePacket(this.#now, plaintext);
  }

  /** DTLS has ended. The peer's close_notify is its goodbye; anything else before the handshake's end is a refusal. */
  closed({ cause }: DtlsCloseReason): void {
    if (cause === "peer") this.close(this.#now, "remote");
    else if (!this.established) this.close(this.#now, cause === "timeout" ? "handshake-timeout" : "handshake-failed");
    else this.close(this.#now, "protocol-error");
  }

  // ——— from the data channels ———

  associationEstablished(): void {
    this.state = "connected";
    for (const { label, ...options } of this.#endpoint.options.negotiatedChannels ?? []) {
      this.#channels!.create(this.#now, label, { ...options, negotiated: true });
    }
  }

  associationClosed(reason: AssociationCloseReason): void {
    const remote = reason === "peer-abort" || reason === "peer-shutdown" || reason === "restarted";
    this.close(this.#now, remote ? "remote" : "protocol-error");
  }

  channelOpened(channel: Channel): void {
    if (this.state === "connected") {
      this.state = "open";
      this.#endpoint.events.opened(this);
    }
    this.#endpoint.events.channelOpened?.(this, channel);
  }

  channelMessage(channel: Channel, data: Uint8Array | string): void {
    this.#messagesReceived++;
    this.#bytesReceived += data.length;
    this.#endpoint.events.message(this, channel, data);
  }

  channelClosed(channel: Channel): void {
    this.#endpoint.events.channelClosed?.(this, channel);
  }

  // ——— internals ———

  #createDtls(): DtlsConnection {
    const { certificate, limits, random, keyLog } = this.#endpoint.options;
    const { datapath, drops } = this.#endpoint;
    const { fingerprint } = this.session.remote;
    return new DtlsConnection(
      {
        role: "server",
        certificate,
        datapath,
        drops,
        random,
        mtuBytes: limits.mtuBytes,
        initialTimeoutMs: limits.dtlsRetransmitMs,
        handshakeTimeoutMs: limits.handshakeTimeoutMs,
        // RFC 8827 §6.5: the fingerprint that came by signalling is who the peer is.
        verifyPeerCertificate: (der) => equalBytes(sha256(der), fingerprint),
        ...(keyLog && { keyLog }),
      },
      this,
    );
  }

  /**
   * When silence wants something done: half of `idleTimeoutMs` after the last sign of life a HEARTBEAT asks for one, because a
   * browser's checks are 3 to 6 s apart and one or two may be lost; at the whole of it the connection is closed.
   */
  #idleDeadline(): number {
    const { idleTimeoutMs } = this.#endpoint.options.limits;
    const canAsk = this.#association?.state === "established" && !this.#association.isProbing;
    return this.#lastHeard + (canAsk ? idleTimeoutMs / 2 : idleTimeoutMs);
  }

  #sendTo(source: SocketAddress): void {
    if (isSameAddress(source, this.remote)) return;
    this.remote = source;
    if (this.established) {
      this.#credit = CHECK_CREDIT_BYTES;
      this.#association?.probe(this.#now);
    } else {
      this.#flightsTo = this.#dtls === undefined ? source : undefined;
    }
  }

  /** Three bytes out for one in (RFC 9000 §8.1 has the same figure), and no limit once our HEARTBEAT is answered. */
  #earnCredit(source: SocketAddress, bytes: number): void {
    if (this.#association?.isProbing !== true) this.#credit = Number.POSITIVE_INFINITY;
    else if (isSameAddress(source, this.remote)) this.#credit += 3 * bytes;
  }
}
