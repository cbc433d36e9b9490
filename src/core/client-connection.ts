import type { Channel } from "../channel/channel.ts";
import type { ChannelOptions } from "../channel/channels.ts";
import type { CloseReason } from "../errors.ts";
import { ControllingAgent } from "../ice/controlling.ts";
import type { IceCredentials } from "../ice/credentials.ts";
import type { SignalledInit } from "../sctp/snap.ts";
import { isSameAddress, type SocketAddress } from "../wire/address.ts";
import type { MemoryAccount, MemoryLedger } from "../wire/memory-ledger.ts";
import { Peer, type PeerHost } from "./peer.ts";
import type { PeerDescription, PeerSettings } from "./settings.ts";
import { blocksOf } from "./shares.ts";

/** What the server's answer says of it. */
export interface ServerDescription extends PeerDescription {
  /** How the server calls this connection, where it says so. */
  readonly id?: string;
  readonly ufrag: string;
  readonly pwd: string;
  /** Ours in DTLS: that of a server where the answer says `a=setup:active`. Default `client`. */
  readonly dtlsRole?: "client" | "server";
  /** Where it is reached, the preferred first; at least one. */
  readonly candidates: readonly SocketAddress[];
}

export interface ClientOptions {
  readonly settings: PeerSettings;
  /** As our offer had them. */
  readonly credentials: IceCredentials;
  /** Our SCTP INIT, if the offer had it; used where the answer has the server's. */
  readonly signalledInit?: SignalledInit | undefined;
  readonly server: ServerDescription;
  /** The channel that the connection is opened for. */
  readonly channel: { readonly label: string; readonly options: ChannelOptions };
}

/** What one connection gives rise to. Called synchronously from within it: the shell queues, and calls user code later. */
export interface ClientEvents {
  /** One UDP datagram; borrowed until the call returns. */
  transmit(datagram: Uint8Array, destination: SocketAddress): void;
  /** The server has answered from there: everything goes to it from now on, and nothing from elsewhere is believed. */
  selected?(destination: SocketAddress): void;
  /** A check went unanswered: the way there may be another one now. */
  doubted?(): void;
  /** SCTP is up and our channel's OPEN on its way: messages may be sent. */
  opened(): void;
  message(channel: Channel, data: Uint8Array | string): void;
  /** A channel opened: our own when the server has answered its OPEN, or a further one of either side. */
  channelOpened?(channel: Channel): void;
  channelClosed?(channel: Channel): void;
  closed(reason: CloseReason): void;
}

/** Whoever owns connections to servers. */
export interface ClientHost extends PeerHost {
  readonly memory: MemoryLedger<ClientConnection>;
  /** A datagram was handled. */
  settle(connection: ClientConnection): void;
  /** The connection has ended. */
  connectionClosed(connection: ClientConnection): void;
}

/** RFC 7983 §7: what a datagram is, by its first byte. */
const STUN_LAST = 3;
const DTLS_FIRST = 20;
const DTLS_LAST = 63;

/**
 * Datagrams of DTLS that are kept until a check is answered: those of the ClientHello's flight, which may have to go elsewhere, and as
 * many of what came.
 */
const MAX_EARLY_DATAGRAMS = 4;

/** RFC 7675 §5.1: consent to send expires 30 s after the last check that was answered, whatever else the server sends. */
const CONSENT_MS = 30_000;

/**
 * A connection to a server: it checks the path (ICE, controlling) and opens the data channel; the rest is common to both ends.
 *
 * The ClientHello does not wait for the check's answer: it follows in the next datagram, and a server that takes DTLS from
 * an address once a check from it verified has both in one flight. So it takes three round trips to the first message over
 * DTLS 1.2, and two over 1.3, where the server's Finished and INIT come with its first answer:
 *
 *     check, ClientHello          →
 *                                 ←  answer, ServerHello … ServerHelloDone
 *     Certificate … Finished      →
 *                                 ←  ChangeCipherSpec, Finished, INIT
 *     INIT ACK, INIT              →
 *                                 ←  COOKIE ECHO (or INIT ACK)
 *     COOKIE ACK, OPEN, messages  →
 */
export class ClientConnection extends Peer {
  readonly events: ClientEvents;
  readonly server: ServerDescription;
  /** The channel that the connection was opened for; `undefined` until DTLS is up. */
  channel: Channel | undefined;
  readonly memory: MemoryAccount;
  readonly #host: ClientHost;
  readonly #wanted: ClientOptions["channel"];
  readonly #agent: ControllingAgent;
  readonly #early: Uint8Array[] = [];
  /** DTLS that came from candidates before a check was answered: it is believed only if its sender turns out to be the server. */
  readonly #unproven: { readonly source: SocketAddress; readonly datagram: Uint8Array }[] = [];
  /** The server's address in the system's spelling. */
  #source: SocketAddress | undefined;

  constructor(now: number, host: ClientHost, options: ClientOptions, events: ClientEvents) {
    const { settings, credentials, server, channel } = options;
    super(now, server.dtlsRole ?? "client", host, settings, server, options.signalledInit);
    // Until something is heard the time to open counts, not that of a silence.
    this.lastCheck = now + settings.limits.handshakeTimeoutMs;
    this.#host = host;
    this.memory = host.memory.open(blocksOf(server.candidates[0].address), this);
    this.events = events;
    this.server = server;
    this.#wanted = channel;
    this.#agent = new ControllingAgent(
      { local: credentials, remote: server, candidates: server.candidates, random: settings.random },
      {
        transmit: (datagram, destination) => this.#send(datagram, destination),
        selected: (destination) => this.#handleSelected(destination),
        doubted: () => events.doubted?.(),
      },
    );
  }

  /** Where datagrams are sent. */
  get remote(): SocketAddress {
    return this.#agent.destination;
  }

  /** Whether the server has answered a check: UDP works. */
  get isReached(): boolean {
    return this.#agent.isSelected;
  }

  start(now: number): void {
    this.now = now;
    this.#agent.start(now);
    // A server waits for the hello.
    if (this.server.dtlsRole !== "server") this.useDtls().start(now);
    this.#host.touch(this);
  }

  /** Our own address has changed, or may have: the path is checked at once, so that the server hears of it. */
  checkPath(now: number): void {
    if (this.isClosed) return;
    this.now = now;
    this.#agent.check(now);
    this.#host.touch(this);
  }

  /** @param datagram borrowed until the call returns */
  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void {
    if (this.isClosed || datagram.length === 0) return;
    const { trace } = this;
    trace?.datagramReceived(source, datagram);
    this.prefetch();
    this.now = now;
    const first = datagram[0];
    if (first >= DTLS_FIRST && first <= DTLS_LAST) this.#handleDtls(now, source, datagram);
    else if (first <= STUN_LAST) this.#handleStun(now, source, datagram);
    else this.#host.drops.count("unknown-protocol");
    this.#host.settle(this);
    trace?.handled();
  }

  transmit(datagram: Uint8Array): void {
    if (!this.#agent.isSelected && this.#early.length < MAX_EARLY_DATAGRAMS) this.#early.push(datagram.slice());
    this.#send(datagram, this.#agent.destination);
  }

  protected get pathDeadline(): number {
    return Math.min(this.#agent.nextDeadline, this.lastCheck + CONSENT_MS);
  }

  protected handlePathTimeout(now: number): void {
    if (now >= this.lastCheck + CONSENT_MS) this.close(now, "idle");
    else this.#agent.handleTimeout(now);
  }

  protected secured(): void {
    this.channel = this.channels!.create(this.now, this.#wanted.label, this.#wanted.options);
  }

  protected ended(reason: CloseReason): void {
    this.#host.connectionClosed(this);
    this.events.closed(reason);
  }

  override associationEstablished(): void {
    super.associationEstablished();
    // As in Chromium: what is sent now follows the OPEN on its stream, and needs not wait for the answer to it.
    this.open();
  }

  override channelClosed(channel: Channel): void {
    super.channelClosed(channel);
    if (channel === this.channel) this.close(this.now, "remote");
  }

  #handleDtls(now: number, source: SocketAddress, datagram: Uint8Array): void {
    if (this.#isServer(source)) this.useDtls().handleDatagram(now, datagram);
    else if (!this.isReached && this.#agent.isAt(source) && this.#unproven.length < MAX_EARLY_DATAGRAMS) {
      // The server's first flight has overtaken its answer to the check; or somebody else is where a candidate says it is.
      this.#unproven.push({ source, datagram: datagram.slice() });
    } else this.#host.drops.count("unknown-address");
  }

  #handleStun(now: number, source: SocketAddress, datagram: Uint8Array): void {
    const dropped = this.#agent.handleDatagram(now, source, datagram);
    if (dropped !== undefined) this.#host.drops.count(dropped);
    if (this.#agent.lastAnswer !== now) return;
    this.lastCheck = now;
  }

  /** The ClientHello went to the candidate that was tried first: if another one answered, it is sent there, too. */
  #handleSelected(destination: SocketAddress): void {
    if (!isSameAddress(destination, this.server.candidates[0])) {
      for (const datagram of this.#early) this.#send(datagram, destination);
    }
    this.#early.length = 0;
    this.events.selected?.(destination);
    for (const { source, datagram } of this.#unproven.splice(0)) this.#handleDtls(this.now, source, datagram);
  }

  #send(datagram: Uint8Array, to: SocketAddress): void {
    this.trace?.datagramSent(to, datagram);
    this.events.transmit(datagram, to);
  }

  #isServer(source: SocketAddress): boolean {
    if (this.#source !== undefined && isSameAddress(source, this.#source)) return true;
    if (!this.isReached || !this.#agent.isAt(source)) return false;
    this.#source = source;
    return true;
  }
}
