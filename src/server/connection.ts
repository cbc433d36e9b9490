import type { Channel } from "../channel/channel.ts";
import type { ChannelOptions } from "../channel/channels.ts";
import type { ConnectionState, ConnectionStats, Connection as CoreConnection } from "../core/server-connection.ts";
import { randomBytes } from "../crypto/platform.ts";
import { type CloseReason, SendError, type SendErrorCode } from "../errors.ts";
import { NamedEmitter } from "../shell/named-emitter.ts";
import { checkNames, type Names } from "../application/names.ts";
import { checkMessageLength, type MessageData, messageBytes } from "../shell/message-data.ts";
import type { SenderBacklog } from "../shell/fair-backlog.ts";
import type { Shell } from "../shell/shell.ts";
import type { TraceSink } from "../trace/sink.ts";
import type { SocketAddress } from "../wire/address.ts";
import { toBase64 } from "../wire/bytes.ts";
import type { MemoryAccount } from "../wire/memory-ledger.ts";

/** One received message. */
export interface Message {
  readonly connection: Connection;
  /** The data channel it came by. */
  readonly channel: Channel;
  /** Text as a string, everything else as bytes that are yours to keep. */
  readonly data: Uint8Array | string;
  /** True for bytes, false for text. */
  readonly binary: boolean;
}

export interface SendOptions {
  /** Which data channel. Default: the connection's first. Its own reliability and order apply. */
  channel?: Channel;
}

export interface ConnectionEvents {
  /** The connection ended; nothing follows. */
  close: [reason: CloseReason];
  /** A further data channel opened, by either side. The first one came with `open`. */
  channel: [channel: Channel];
  /** A data channel closed, or one of this side's could not be had; the connection stays. */
  channelclose: [channel: Channel];
}

const CONNECTION_EVENTS: Names<ConnectionEvents> = { close: true, channel: true, channelclose: true };
const SEND_OPTIONS: Names<SendOptions> = { channel: true };

/**
 * The channel that the options of `send` name. Only options without one are looked at: the others are on the way of each message.
 *
 * @throws TypeError for an option that there is not
 */
export function channelOf(options: SendOptions | undefined): Channel | undefined {
  const channel = options?.channel;
  if (channel === undefined && options !== undefined) checkNames("options", options, SEND_OPTIONS, "an option of send");
  return channel;
}

/** What the server gives a session along: it is all that a connection knows when it opens. */
export class Signalled {
  /** Not the ICE user fragment, with which anybody could address checks to the connection. 72 bits: nobody guesses one. */
  readonly id = toBase64(randomBytes(9)).replaceAll("+", "-").replaceAll("/", "_");
  readonly userData: unknown;
  /** Where its trace goes, until the connection begins. */
  sink: TraceSink | undefined;

  constructor(userData: unknown) {
    this.userData = userData;
  }
}

/** What the server does with its connections and nobody else may: no public member, of the types or of the objects. */
export interface Inside {
  create(core: CoreConnection, shell: Shell): Connection;
  emit<Name extends keyof ConnectionEvents>(connection: Connection, name: Name, ...args: ConnectionEvents[Name]): void;
}

export let inside: Inside;

/**
 * One remote browser, from its first open data channel to its close.
 *
 * @example
 * server.on("open", (connection) => {
 *   connection.send("welcome");
 *   connection.on("close", (reason) => console.log(connection.id, reason));
 * });
 */
export class Connection extends NamedEmitter<ConnectionEvents> {
  /** 12 random characters, of those that URLs have: may be shown to others, and tells nothing of the connection's secrets. */
  readonly id: string;
  /** Whatever the application attached to this peer when it signalled. */
  userData: unknown;
  /** @internal What waits of it for `recv`; kept by `FairBacklog`. */
  backlog: SenderBacklog<Message> | undefined;
  readonly #core: CoreConnection;
  readonly #shell: Shell;

  static {
    inside = {
      create: (core, shell) => new Connection(core, shell),
      emit: (connection, name, ...args) => connection.emit(name, ...args),
    };
  }

  private constructor(core: CoreConnection, shell: Shell) {
    super();
    if (shell === undefined)
      throw new TypeError('new Connection() is not for use: server.on("open", (connection) => …)');
    this.#core = core;
    this.#shell = shell;
    const { id, userData } = core.session.userData as Signalled;
    this.id = id;
    this.userData = userData;
  }

  /** @internal */
  get memory(): MemoryAccount {
    return this.#core.memory;
  }

  /** Where the peer's datagrams come from now; changes when its network does. */
  get remoteAddress(): SocketAddress {
    const { address, port } = this.#core.remote;
    return { address, port };
  }

  protected get eventNames(): Names<ConnectionEvents> {
    return CONNECTION_EVENTS;
  }

  get state(): ConnectionState {
    return this.#core.state;
  }

  /**
   * The longest message that can be sent to this peer, in bytes of UTF-8 or binary: `limits.maxMessageBytes`, or less where the peer
   * takes less. It may be as little as 1: a peer says what it likes.
   */
  get maxMessageBytes(): number {
    return this.#core.maxMessageBytes;
  }

  /** The open data channels, first opened first. */
  get channels(): readonly Channel[] {
    return this.#core.channels?.open ?? [];
  }

  /**
   * Sends one message; resolves when its datagram is with the operating system, or when it is queued behind the peer's
   * congestion window. Unreliable messages are not waited for: they may be lost, and the oldest queued ones make room.
   *
   * Nobody needs to look at the promise: a rejection that is not handled is not reported either, because a peer
   * that leaves is no bug of the application.
   *
   * @throws TypeError for data of another kind, RangeError over `limits.maxMessageBytes`; both at the call
   * @returns rejects with a `SendError`: `closed`, `queue-full`, `too-large` (for this peer)
   */
  send(data: MessageData, options?: SendOptions): Promise<void> {
    const refused = this.#send(data, options);
    if (refused === undefined) return this.#shell.flushed();
    const rejection = Promise.reject(new SendError(refused));
    rejection.catch(() => {});
    return rejection;
  }

  /**
   * The same without a promise, for the hot path: false where the message was not taken (`SendError` says why for `send`).
   *
   * @throws TypeError for data of another kind, RangeError over `limits.maxMessageBytes`
   */
  trySend(data: MessageData, options?: SendOptions): boolean {
    return this.#send(data, options) === undefined;
  }

  /** Ends the connection now: the peer is told (ABORT and close_notify), `close` is emitted with `local`. */
  close(): void {
    this.#core.close(this.#shell.now(), "local");
    this.#shell.settle();
  }

  stats(): ConnectionStats {
    return this.#core.stats(this.#shell.now());
  }

  /**
   * Opens a further data channel from this side; its `channel` event follows when the peer has answered, but messages may be
   * sent on it at once.
   *
   * Where it cannot be had, its `state` is `closed` from the start and what is sent on it is refused as `closed`: no stream is
   * free, the peer takes fewer streams, it has taken the `id`, or the connection has ended. `channelclose` follows, unless the connection
   * has ended. All events follow after the call has returned.
   *
   * @throws TypeError or RangeError for options that contradict each other or are out of range (`id`: of `limits.maxStreams`)
   */
  createChannel(label: string, options?: ChannelOptions): Channel {
    const channel = this.#core.createChannel(this.#shell.now(), label, options);
    this.#shell.settleLater();
    return channel;
  }

  /** Closes one data channel; the connection stays. Does nothing where it is closed already. */
  closeChannel(channel: Channel): void {
    this.#core.closeChannel(this.#shell.now(), channel);
    this.#shell.settle();
  }

  /** @internal For `FairBacklog`. */
  setUnread(bytes: number): void {
    if (this.#core.setUnread(bytes)) this.#shell.settleLater();
  }

  #send(data: MessageData, options: SendOptions | undefined): SendErrorCode | undefined {
    const message = messageBytes(data);
    const result = this.#core.send(this.#shell.now(), message, channelOf(options));
    if (result !== "sent" && result !== "queued") {
      checkMessageLength(message, this.#core.ownMaxMessageBytes);
      return result;
    }
    this.#shell.settle();
    return undefined;
  }
}

export type { ConnectionStats } from "../core/server-connection.ts";
