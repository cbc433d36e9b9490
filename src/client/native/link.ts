import type { Channel } from "../../channel/channel.ts";
import type {
  ClientConnection as CoreConnection,
  ClientEvents,
  ClientOptions,
  ServerDescription,
} from "../../core/client-connection.ts";
import type { CloseReason } from "../../errors.ts";
import type { OpenUdp, UdpOptions, UdpSocket } from "../../runtime/index.ts";
import { type ChooseTrace, chooseTrace, type TraceSink } from "../../trace/sink.ts";
import { Tracer } from "../../trace/tracer.ts";
import { isIpv6, type SocketAddress } from "../../wire/address.ts";
import { type ClientHub, reserveHub } from "./hub.ts";

/** What becomes of a link; called when the core has returned, so that code of the application may be called from it. */
export interface LinkEvents {
  opened(link: Link): void;
  message(channel: Channel, data: Uint8Array | string): void;
  channelOpened(channel: Channel): void;
  channelClosed(channel: Channel): void;
  closed(reason: CloseReason): void;
}

/** What may be traced, and how much of it. */
export interface Tracing {
  readonly trace: ChooseTrace | undefined;
  readonly maxTraceBytes: number;
}

/** One core connection with its own UDP socket. */
export class Link implements ClientEvents {
  readonly core: CoreConnection;
  readonly hub: ClientHub;
  readonly #socket: UdpSocket;
  readonly #maxTraceBytes: number;
  /** Who is told; another one from `opened` on. */
  events: LinkEvents;

  /** Binds a socket and sends the first datagrams. Rejects with the system's error where no socket can be had. */
  static async start(
    openUdp: OpenUdp,
    options: ClientOptions,
    bufferBytes: number,
    events: LinkEvents,
    tracing: Tracing,
  ): Promise<Link> {
    const hub = reserveHub();
    let link: Link | undefined;
    try {
      const udp = { port: 0, bufferBytes, memory: hub.memory };
      const { socket, server } = await openSocket(openUdp, options.server, udp, (datagram, source) =>
        link?.handleDatagram(datagram, source),
      );
      link = new Link(hub, socket, { ...options, server }, events, tracing.maxTraceBytes);
      const remoteAddress = server.candidates[0].address;
      const sink = chooseTrace(tracing.trace, { id: link.id, userData: undefined, remoteAddress });
      if (sink !== undefined) link.trace(sink);
      link.core.start(hub.shell.now());
      hub.shell.settle();
      return link;
    } catch (error) {
      hub.release();
      throw error;
    }
  }

  /** One function for all messages, not one for each. */
  readonly #tellMessage = ({ channel, data }: { channel: Channel; data: Uint8Array | string }): void =>
    this.events.message(channel, data);

  private constructor(
    hub: ClientHub,
    socket: UdpSocket,
    options: ClientOptions,
    events: LinkEvents,
    maxTraceBytes: number,
  ) {
    this.hub = hub;
    this.#socket = socket;
    this.#maxTraceBytes = maxTraceBytes;
    this.events = events;
    this.core = hub.endpoint.connect(hub.shell.now(), options, this)!; // There is room: it was reserved.
    socket.onPathLost = () => {
      this.core.checkPath(this.hub.shell.now());
      this.hub.shell.settle();
    };
  }

  handleDatagram(datagram: Uint8Array, source: SocketAddress): void {
    this.core.handleDatagram(this.hub.shell.now(), source, datagram);
    this.hub.shell.settle();
  }

  /** How the server calls the connection. */
  get id(): string {
    return this.core.server.id ?? "";
  }

  /** @param sink `undefined` ends the trace */
  trace(sink: TraceSink | undefined): void {
    if (sink === undefined) this.core.trace?.stop();
    else {
      new Tracer({
        role: "client",
        id: this.id,
        peer: this.core,
        drops: this.hub.endpoint.drops,
        local: this.#socket.localAddress,
        sink,
        maxBytes: this.#maxTraceBytes,
        later: (deliver) => this.hub.shell.later(deliver),
      });
    }
    this.hub.shell.settleLater();
  }

  close(): void {
    this.core.close(this.hub.shell.now(), "local");
    this.hub.shell.settle();
  }

  // ——— from the core ———

  transmit(datagram: Uint8Array, destination: SocketAddress): void {
    this.#socket.send(datagram, destination);
    this.hub.willFlush(this.#socket);
  }

  selected(destination: SocketAddress): void {
    this.#socket.connect?.(destination);
  }

  /** The system chooses the way for each datagram again, and our address with it. */
  doubted(): void {
    this.#socket.disconnect?.();
  }

  opened(): void {
    this.hub.shell.later(() => this.events.opened(this));
  }

  message(channel: Channel, data: Uint8Array | string): void {
    this.hub.shell.later(this.#tellMessage, { channel, data });
  }

  channelOpened(channel: Channel): void {
    this.hub.shell.later(() => this.events.channelOpened(channel));
  }

  channelClosed(channel: Channel): void {
    this.hub.shell.later(() => this.events.channelClosed(channel));
  }

  closed(reason: CloseReason): void {
    this.hub.shell.later(() => {
      this.hub.release();
      this.#socket.close();
      this.events.closed(reason);
    });
  }
}

/** A socket for all families among the candidates; without IPv6 on this machine those of IPv4 remain. */
async function openSocket(
  openUdp: OpenUdp,
  server: ServerDescription,
  udp: Omit<UdpOptions, "address">,
  onDatagram: (datagram: Uint8Array, source: SocketAddress) => void,
): Promise<{ socket: UdpSocket; server: ServerDescription }> {
  const ipv4 = server.candidates.filter(({ address }) => !isIpv6(address));
  if (ipv4.length < server.candidates.length) {
    try {
      return { socket: await openUdp({ address: "::", ...udp }, onDatagram), server };
    } catch (error) {
      if (ipv4.length === 0) throw error;
    }
  }
  const socket = await openUdp({ address: "0.0.0.0", ...udp }, onDatagram);
  return { socket, server: { ...server, candidates: ipv4 } };
}
