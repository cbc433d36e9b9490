import type { SocketAddress } from "../../../src/wire/address.ts";
import type { SimNode } from "../network.ts";
import type { Random } from "../random.ts";
import { type ChannelOptions, DataChannels, type PeerChannel } from "./data-channels.ts";
import { IceAgent, type IceCredentials } from "./ice-agent.ts";
import type { BrowserProfile } from "./profile.ts";
import { SctpSocket } from "./sctp-socket.ts";
import type { SecureTransport, SecureTransportFactory } from "./secure-transport.ts";

export interface BrowserPeerOptions {
  profile: BrowserProfile;
  random: Random;
  transport: SecureTransportFactory;
  /** Without ICE the transport starts at once: for tests of SCTP alone. Default true. */
  ice?: boolean;
  /** Puts a datagram on the network. */
  send(datagram: Uint8Array): void;
}

/** What a page could see of its `RTCPeerConnection` and channels. */
export interface BrowserPeerEvents {
  opened?(now: number, channel: PeerChannel): void;
  message?(now: number, channel: PeerChannel, data: string | Uint8Array): void;
  channelClosed?(now: number, channel: PeerChannel): void;
  /** The whole connection ended. */
  closed?(now: number, reason: string): void;
}

/** STUN messages start with 0 … 3 (RFC 7983 §7); DTLS records and bare SCTP packets do not. */
const STUN_LAST = 3;

/**
 * A browser with one peer connection: ICE controlling agent, DTLS client, SCTP and data channels, behaving as Chromium and
 * Firefox were measured to.
 */
export class BrowserPeer implements SimNode {
  readonly profile: BrowserProfile;
  readonly ice: IceAgent;
  readonly sctp: SctpSocket;
  readonly channels: DataChannels;
  events: BrowserPeerEvents = {};
  state: "new" | "connecting" | "connected" | "closed" = "new";
  /** When the DTLS handshake was complete. */
  securedAt = Number.NaN;

  readonly #transport: SecureTransport;
  readonly #withIce: boolean;
  #now = 0;

  constructor({ profile, random, transport, ice = true, send }: BrowserPeerOptions) {
    this.profile = profile;
    this.#withIce = ice;
    this.ice = new IceAgent(profile.ice, random.fork("ice"), {
      send,
      connected: (now) => this.#transport.start(now),
      failed: (now) => this.#end(now, "ice failed"),
    });
    this.#transport = transport({
      transmit: send,
      connected: (now) => {
        this.securedAt = now;
        this.sctp.connect(now);
      },
      packet: (now, packet) => this.sctp.handlePacket(now, packet),
      closed: (now) => this.#end(now, "transport closed"),
    });
    this.sctp = new SctpSocket(profile.sctp, random.fork("sctp"), {
      sendPacket: (packet) => this.#transport.send(this.#now, packet),
      established: (now) => {
        this.state = "connected";
        this.channels.handleEstablished(now);
      },
      message: (now, streamId, ppid, data) => this.channels.handleMessage(now, streamId, ppid, data),
      incomingStreamsReset: (now, streamIds) => this.channels.handleIncomingReset(now, streamIds),
      outgoingStreamsReset: () => {},
      closed: (now, reason) => this.#end(now, `sctp ${reason}`),
    });
    this.channels = new DataChannels(profile, this.sctp, {
      opened: (now, channel) => this.events.opened?.(now, channel),
      message: (now, channel, data) => this.events.message?.(now, channel, data),
      closed: (now, channel) => this.events.channelClosed?.(now, channel),
    });
  }

  get nextDeadline(): number {
    if (this.state === "closed") return Number.POSITIVE_INFINITY;
    return Math.min(this.ice.nextDeadline, this.#transport.nextDeadline, this.sctp.nextDeadline);
  }

  /** The answer has arrived: connectivity checks begin. */
  start(now: number, remote: IceCredentials = { ufrag: "", pwd: "" }): void {
    this.#now = now;
    this.state = "connecting";
    if (this.#withIce) this.ice.start(now, remote);
    else this.#transport.start(now);
  }

  createChannel(now: number, label: string, options?: ChannelOptions): PeerChannel {
    this.#now = now;
    return this.channels.create(now, label, options);
  }

  send(now: number, channel: PeerChannel, message: string | Uint8Array): void {
    this.#now = now;
    this.channels.send(now, channel, message);
  }

  closeChannel(now: number, channel: PeerChannel): void {
    this.#now = now;
    this.channels.close(now, channel);
  }

  /** `pc.close()`, and what a reload does: ABORT and close_notify. */
  close(now: number): void {
    this.#now = now;
    this.sctp.abort(now);
    this.#end(now, "closed by the page");
  }

  /** A closed tab: nothing is sent any more. */
  vanish(): void {
    this.ice.stop();
    this.state = "closed";
  }

  handleDatagram(now: number, _source: SocketAddress, datagram: Uint8Array): void {
    if (this.state === "closed" || datagram.length === 0) return;
    this.#now = now;
    if (this.#withIce && datagram[0] <= STUN_LAST) this.ice.handleDatagram(now, datagram);
    else this.#transport.handleDatagram(now, datagram);
  }

  handleTimeout(now: number): void {
    if (this.state === "closed") return;
    this.#now = now;
    this.ice.handleTimeout(now);
    this.#transport.handleTimeout(now);
    this.sctp.handleTimeout(now);
  }

  #end(now: number, reason: string): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.ice.stop();
    this.#transport.close(now);
    this.channels.handleClosed(now);
    this.events.closed?.(now, reason);
  }
}
