import type { Channel } from "../../channel/channel.ts";
import type { ChannelOptions as CoreChannelOptions } from "../../channel/channels.ts";
import { channelOf, type SendOptions } from "../../server/connection.ts";
import type { ConnectionStats } from "../../core/stats.ts";
import { type CloseReason, SendError, type SendErrorCode } from "../../errors.ts";
import { callUserCode } from "../../application/user-code.ts";
import { NamedEmitter } from "../../shell/named-emitter.ts";
import { checkNames, type Names } from "../../application/names.ts";
import { checkMessageLength, type MessageData, messageBytes } from "../../shell/message-data.ts";
import { KeptBacklog } from "../../shell/kept-backlog.ts";
import { RECEIVE_OPTIONS, type ReceiveOptions, ReceiveQueue } from "../../shell/receive-queue.ts";
import { checkTraceSink, type TraceSink } from "../../trace/sink.ts";
import type { SocketAddress } from "../../wire/address.ts";
import { dial, type NativeOptions, type Plan, planConnect } from "./dial.ts";
import type { Link, LinkEvents } from "./link.ts";
import type { ConnectOptions, Reconnecting } from "../options.ts";
import { redial } from "../redial.ts";

/** One received message. */
export interface ClientMessage {
  readonly connection: ClientConnection;
  /** The data channel it came by. */
  readonly channel: Channel;
  /** Text as a string, everything else as bytes that are yours to keep. */
  readonly data: Uint8Array | string;
  /** True for bytes, false for text. */
  readonly binary: boolean;
}

export interface ClientEvents {
  /** A message. While somebody listens, nothing waits for `recv`. */
  message: [message: ClientMessage];
  /** The server opened a further data channel, or answered the opening of ours. */
  channel: [channel: Channel];
  /** A further data channel closed, or one of this side's could not be had; the connection stays. */
  channelclose: [channel: Channel];
  /** The connection was lost and is open again; only with the option `reconnect`. */
  open: [];
  /** The connection is lost, and an attempt to open it again is due; only with the option `reconnect`. */
  reconnecting: [attempt: Reconnecting];
  /** The connection ended; nothing follows. */
  close: [reason: CloseReason];
}

export interface ClientStats extends Omit<ConnectionStats, "state"> {
  readonly state: ClientConnection["state"];
}

const CLIENT_EVENTS: Names<ClientEvents> = {
  message: true,
  channel: true,
  channelclose: true,
  open: true,
  reconnecting: true,
  close: true,
};

/** Options of the native client: those of a page, and its own. */
export interface ClientOptions extends ConnectOptions, NativeOptions {
  /** Called for each message instead of `message` listeners and the queue behind `recv`: the cheapest way to receive. */
  onMessage?: (message: ClientMessage) => void;
}

/** Unreliable messages that wait for `recv`; beyond it the oldest is dropped. Reliable ones narrow the server's window. */
const MAX_WAITING_MESSAGES = 4_096;
const MAX_WAITING_BYTES = 4_194_304;

/** A connection to a server, over a UDP socket of its own. Opened by `connect`. */
export class ClientConnection extends NamedEmitter<ClientEvents> {
  readonly #inside: LinkEvents;
  readonly #plan: Plan;
  readonly #onMessage: ((message: ClientMessage) => void) | undefined;
  /** Of the last time it was open. */
  #link!: Link;
  #isOpen = false;
  #closed = false;
  readonly #stop = new AbortController();
  readonly #received = new ReceiveQueue<ClientMessage>(
    "the connection",
    new KeptBacklog({
      messages: MAX_WAITING_MESSAGES,
      bytes: MAX_WAITING_BYTES,
      dropped: () => this.#link.hub.endpoint.drops.count("receive-queue-full"),
      isKept: ({ channel }) => channel.isReliable,
      unreadChanged: ({ unreadBytes }) => {
        const { core, hub } = this.#link;
        if (core.setUnread(unreadBytes)) hub.shell.settleLater();
      },
    }),
  );

  private constructor(plan: Plan, onMessage: ((message: ClientMessage) => void) | undefined) {
    super();
    if (plan === undefined) throw new TypeError("new ClientConnection() is not for use: await connect(url)");
    this.#inside = new ClientConnection.#Inside(this);
    this.#plan = plan;
    this.#onMessage = onMessage;
  }

  /** @internal */
  static async open(url: string | URL, options: ClientOptions): Promise<ClientConnection> {
    const connection = new ClientConnection(planConnect(url, options), options.onMessage);
    await dial(connection.#plan, options.signal, connection.#inside);
    return connection;
  }

  /** The same as the server's `connection.id`; another one after a reconnection. Empty where the server's answer has none. */
  get id(): string {
    return this.#link.core.server.id ?? "";
  }

  protected get eventNames(): Names<ClientEvents> {
    return CLIENT_EVENTS;
  }

  get state(): "open" | "reconnecting" | "closed" {
    return this.#closed ? "closed" : this.#isOpen ? "open" : "reconnecting";
  }

  /** The server's address, of those in its answer the one that is used. */
  get remoteAddress(): SocketAddress {
    return this.#link.core.remote;
  }

  /**
   * The longest message that can be sent to this server, in bytes of UTF-8 or binary: `limits.maxMessageBytes`, or less where the
   * server takes less.
   */
  get maxMessageBytes(): number {
    return this.#link.core.maxMessageBytes;
  }

  /** The open data channels, first opened first. */
  get channels(): readonly Channel[] {
    return this.#link.core.channels?.open ?? [];
  }

  /**
   * Sends one message; resolves when its datagram is with the operating system, or when it is queued behind the server's
   * congestion window. Unreliable messages are not waited for: they may be lost. Nobody needs to look at the promise: a
   * rejection that is not handled is not reported.
   *
   * @throws TypeError for data of another kind, RangeError over `limits.maxMessageBytes`; both at the call
   * @returns rejects with a `SendError`: `closed` (also while reconnecting), `queue-full`, `too-large` (for this server)
   */
  send(data: MessageData, options?: SendOptions): Promise<void> {
    const refused = this.#send(data, options);
    if (refused === undefined) return this.#link.hub.shell.flushed();
    const rejection = Promise.reject(new SendError(refused));
    rejection.catch(() => {});
    return rejection;
  }

  /**
   * The same without a promise: false where the message was not taken.
   *
   * @throws TypeError for data of another kind, RangeError over `limits.maxMessageBytes`
   */
  trySend(data: MessageData, options?: SendOptions): boolean {
    return this.#send(data, options) === undefined;
  }

  /**
   * The next message.
   *
   * @throws ClosedError when the connection is closed and nothing waits; the signal's reason when it aborts
   */
  recv(options: ReceiveOptions = {}): Promise<ClientMessage> {
    checkNames("options", options, RECEIVE_OPTIONS, "an option of recv");
    return this.#received.pop(options.signal);
  }

  /** The messages, until the connection is closed. */
  [Symbol.asyncIterator](): AsyncGenerator<ClientMessage, void, void> {
    return this.#received[Symbol.asyncIterator]();
  }

  /**
   * Opens a further data channel; its `channel` event follows when the server has answered, but messages may be sent on it at
   * once. It does not come back with a reconnection.
   *
   * Where it cannot be had, its `state` is `closed` from the start and what is sent on it is refused as `closed`: no stream is
   * free, the server takes fewer streams, it has taken the `id`, or the connection is not open. `channelclose` follows while the
   * connection is open. All events follow after the call has returned.
   *
   * @throws TypeError or RangeError for options that contradict each other or are out of range (`id`: of `limits.maxStreams`)
   */
  createChannel(label: string, options?: CoreChannelOptions): Channel {
    const { core, hub } = this.#link;
    const channel = core.createChannel(hub.shell.now(), label, options);
    hub.shell.settleLater();
    return channel;
  }

  /** Closes a further data channel; the connection stays. Closing its own channel ends it. */
  closeChannel(channel: Channel): void {
    const { core, hub } = this.#link;
    core.closeChannel(hub.shell.now(), channel);
    hub.shell.settle();
  }

  /** Traces the connection from now on; see `Server.trace`. It ends with the connection, and does not come back with another. */
  trace(sink: TraceSink | undefined): void {
    if (sink !== undefined) checkTraceSink(sink);
    this.#link.trace(sink);
  }

  /** Ends the connection now, and any attempt to open it again; the server is told. `close` is emitted with `local`. */
  close(): void {
    this.#end("local");
  }

  stats(): ClientStats {
    return { ...this.#link.core.stats(this.#link.hub.shell.now()), state: this.state };
  }

  #send(data: MessageData, options: SendOptions | undefined): SendErrorCode | undefined {
    const message = messageBytes(data);
    const { core, hub } = this.#link;
    const channel = channelOf(options);
    const result = this.#isOpen ? core.send(hub.shell.now(), message, channel ?? core.channel) : "closed";
    if (result !== "sent" && result !== "queued") {
      checkMessageLength(message, core.ownMaxMessageBytes);
      return result;
    }
    hub.shell.settle();
    return undefined;
  }

  async #reconnect(reason: CloseReason): Promise<void> {
    const { signal } = this.#stop;
    const announce = (next: Reconnecting) => this.emit("reconnecting", next);
    if (await redial(this.#plan.options.reconnect, signal, announce, () => dial(this.#plan, signal, this.#inside)))
      this.emit("open");
    else this.#end(reason);
  }

  #end(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#isOpen = false;
    this.#stop.abort();
    this.#link.close();
    this.#received.close();
    this.emit("close", reason);
  }

  /** The connection as its link sees it: one object for all that it calls, and none of it public. */
  static readonly #Inside = class implements LinkEvents {
    readonly #connection: ClientConnection;

    constructor(connection: ClientConnection) {
      this.#connection = connection;
    }

    opened(link: Link): void {
      this.#connection.#link = link;
      this.#connection.#isOpen = true;
    }

    message(channel: Channel, data: Uint8Array | string): void {
      const connection = this.#connection;
      // The application closed it when it was given what came in the same packet.
      if (!connection.#isOpen) return;
      const message: ClientMessage = { connection, channel, data, binary: typeof data !== "string" };
      if (connection.#onMessage !== undefined) callUserCode(connection.#onMessage, message);
      else if (!connection.emit("message", message)) connection.#received.push(message);
    }

    channelOpened(channel: Channel): void {
      this.#tell("channel", channel);
    }

    channelClosed(channel: Channel): void {
      this.#tell("channelclose", channel);
    }

    closed(reason: CloseReason): void {
      const connection = this.#connection;
      if (!connection.#isOpen) return;
      connection.#isOpen = false;
      if (connection.#plan.options.reconnect) connection.#reconnect(reason);
      else connection.#end(reason);
    }

    /** The connection's own channel opens and closes with it. */
    #tell(event: "channel" | "channelclose", channel: Channel): void {
      const connection = this.#connection;
      if (connection.#isOpen && channel !== connection.#link.core.channel) connection.emit(event, channel);
    }
  };
}
