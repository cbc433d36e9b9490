import { Backlog } from "../../shell/backlog.ts";
import type { ConnectOptions, Reconnecting } from "../options.ts";
import { redial } from "../redial.ts";
import { type CloseReason, SendError, type SendErrorCode } from "../../errors.ts";
import { Emitter } from "../../shell/emitter.ts";
import type { MessageData } from "../../shell/message-data.ts";
import { ReceiveQueue } from "../../shell/receive-queue.ts";
import { dial, type Link, negotiate } from "./dial.ts";
import { restarter } from "./restart.ts";
import { watch } from "./watch.ts";

/** One received message. */
export interface ClientMessage {
  readonly connection: ClientConnection;
  /** Text as a string, everything else as bytes that are yours to keep. */
  readonly data: Uint8Array | string;
  /** True for bytes, false for text. */
  readonly binary: boolean;
}

export interface ClientStats {
  readonly state: "open" | "reconnecting" | "closed";
  /** Milliseconds since it opened; 0 while it is not open. */
  readonly ageMs: number;
  readonly messagesReceived: number;
  readonly messagesSent: number;
  /** User data; for received text, UTF-16 code units. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
}

export interface ClientEvents {
  /** A message. While somebody listens, nothing waits for `recv`. */
  message: [message: ClientMessage];
  /** The connection was lost and is open again; only with the option `reconnect`. */
  open: [];
  /** The connection is lost, and an attempt to open it again is due; only with the option `reconnect`. */
  reconnecting: [attempt: Reconnecting];
  /** The connection ended; nothing follows. */
  close: [reason: CloseReason];
}

/** Messages that wait for `recv`; beyond it the oldest is dropped. */
const MAX_WAITING_MESSAGES = 4_096;
const MAX_WAITING_BYTES = 4_194_304;
/** Browsers call ICE disconnected after 6 to 10 s without an answer and failed 10 to 20 s later; servers do not wait so long. */
const DISCONNECTED_MS = 4_000;
/** The same where ICE can be restarted: as long as servers wait. */
const RESTART_MS = 10_000;

/** A connection to a server. Opened by `connect`. */
export class ClientConnection extends Emitter<ClientEvents> {
  readonly #url: string;
  readonly #options: ConnectOptions;
  /** Set while open. */
  #link: Link | undefined;
  #id = "";
  #opened = 0;
  #closed = false;
  readonly #stop = new AbortController();
  /** Gives up the link. */
  #leave = (): void => {};
  readonly #received = new ReceiveQueue<ClientMessage>(
    "the connection",
    new Backlog({ messages: MAX_WAITING_MESSAGES, bytes: MAX_WAITING_BYTES, dropped() {} }),
  );
  readonly #counts = { messagesReceived: 0, messagesSent: 0, bytesReceived: 0, bytesSent: 0 };

  private constructor(url: string, options: ConnectOptions) {
    super();
    this.#url = url;
    this.#options = options;
  }

  /** @internal */
  static async open(url: string, options: ConnectOptions): Promise<ClientConnection> {
    const connection = new ClientConnection(url, options);
    connection.#attach(await dial(url, options, options.signal ?? connection.#stop.signal));
    return connection;
  }

  /** The same as the server's `connection.id`; another one after a reconnection. Empty where the server's answer has none. */
  get id(): string {
    return this.#id;
  }

  get state(): ClientStats["state"] {
    return this.#closed ? "closed" : this.#link ? "open" : "reconnecting";
  }

  /** The longest message that the browser sends to this server, in bytes of UTF-8 or binary; the server may have named little. */
  get maxMessageBytes(): number {
    return this.#link?.peer.sctp?.maxMessageSize ?? 65_536;
  }

  /** The browser's own object, for its statistics; `undefined` while not open. */
  get peerConnection(): RTCPeerConnection | undefined {
    return this.#link?.peer;
  }

  /**
   * Sends one message; resolves when the browser has it. Unreliable messages are not waited for: they may be lost. Nobody
   * needs to look at the promise: a rejection that is not handled is not reported.
   *
   * @throws TypeError for data of another kind, at the call
   * @returns rejects with a `SendError`: `closed` (also while reconnecting), `queue-full`, `too-large` (over `maxMessageBytes`)
   */
  send(data: MessageData): Promise<void> {
    const refused = this.#send(data);
    const sent = refused ? Promise.reject(new SendError(refused)) : Promise.resolve();
    sent.catch(() => {});
    return sent;
  }

  /**
   * The same without a promise: false where the message was not taken.
   *
   * @throws TypeError for data of another kind
   */
  trySend(data: MessageData): boolean {
    return !this.#send(data);
  }

  /**
   * The next message.
   *
   * @throws ClosedError when the connection is closed and nothing waits; the signal's reason when it aborts
   */
  recv({ signal }: { signal?: AbortSignal } = {}): Promise<ClientMessage> {
    return this.#received.pop(signal);
  }

  /** The messages, until the connection is closed. */
  [Symbol.asyncIterator](): AsyncGenerator<ClientMessage, void, void> {
    return this.#received[Symbol.asyncIterator]();
  }

  /** Ends the connection now, and any attempt to open it again; the server is told. `close` is emitted with `local`. */
  close(): void {
    this.#end("local");
  }

  stats(): ClientStats {
    return { state: this.state, ageMs: this.#link ? performance.now() - this.#opened : 0, ...this.#counts };
  }

  // Functions in fields: Chromium 80 has private fields, but no private methods.

  readonly #send = (data: MessageData): SendErrorCode | undefined => {
    const bytes = byteLength(data);
    const { maxQueuedBytes = 262_144 } = this.#options;
    const channel = this.#link?.channel;
    if (channel?.readyState !== "open") return "closed";
    if (bytes > this.maxMessageBytes) return "too-large";
    if (channel.bufferedAmount > 0 && channel.bufferedAmount + bytes > maxQueuedBytes) return "queue-full";
    try {
      channel.send(data as string);
    } catch {
      return "queue-full"; // The browser's own buffer, which is as full as the server makes it.
    }
    this.#counts.messagesSent++;
    this.#counts.bytesSent += bytes;
    return undefined;
  };

  readonly #attach = (link: Link): void => {
    const { peer, channel } = link;
    this.#link = link;
    this.#id = link.id;
    this.#opened = performance.now();
    let silent: ReturnType<typeof setTimeout> | undefined;
    const gone = new AbortController();
    const leave = () => lose("local");
    const lose = (reason: CloseReason) => {
      if (this.#link !== link) return;
      this.#leave();
      if (this.#options.reconnect) this.#reconnect(reason);
      else this.#end(reason);
    };
    const again = restarter(
      (attempt) => negotiate(link, this.#url, this.#options, attempt),
      gone.signal,
      () => lose("idle"),
    );
    const restart = (news?: unknown) => link.session && again(news);
    const listen = (method: "addEventListener" | "removeEventListener") => {
      // A tab that is closed would go without a word, and the server would wait for its silence to be long enough.
      globalThis[method]("pagehide", leave);
      // A path may be gone long before its silence tells.
      globalThis[method]("online", restart);
      (globalThis.navigator as { connection?: EventTarget })?.connection?.[method]("change", restart);
    };
    listen("addEventListener");
    this.#leave = () => {
      clearTimeout(silent);
      gone.abort();
      listen("removeEventListener");
      this.#link = undefined;
      peer.close();
    };
    if (link.session) watch(peer, gone.signal, restart).catch(() => {});
    // Firefox closes the channel when ICE has failed.
    channel.onclose = () => lose(peer.connectionState === "failed" ? "idle" : "remote");
    channel.onmessage = ({ data: received }: MessageEvent<ArrayBuffer | string>) => {
      const binary = typeof received !== "string";
      const data = binary ? new Uint8Array(received) : received;
      this.#counts.messagesReceived++;
      this.#counts.bytesReceived += data.length;
      const message = { connection: this, data, binary };
      if (!this.emit("message", message)) this.#received.push(message);
    };
    peer.onconnectionstatechange = () => {
      const { connectionState } = peer;
      if (connectionState === "connected") {
        clearTimeout(silent);
        silent = undefined;
      } else if (connectionState === "failed" && !link.session) lose("idle");
      else if (/^(dis|f)/.test(connectionState)) {
        if (silent === undefined) silent = setTimeout(lose, link.session ? RESTART_MS : DISCONNECTED_MS, "idle");
        restart(true);
      }
    };
  };

  readonly #reconnect = async (reason: CloseReason): Promise<void> => {
    const { signal } = this.#stop;
    const announce = (next: Reconnecting) => this.emit("reconnecting", next);
    const again = async () => this.#attach(await dial(this.#url, this.#options, signal));
    if (await redial(this.#options.reconnect, signal, announce, again)) this.emit("open");
    else this.#end(reason);
  };

  readonly #end = (reason: CloseReason): void => {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop.abort();
    this.#leave();
    this.#received.close();
    this.emit("close", reason);
  };
}

function byteLength(data: MessageData): number {
  if (typeof data === "string") return new TextEncoder().encode(data).length;
  if (data?.byteLength === undefined) throw new TypeError("data must be a string, an ArrayBuffer or a view of one");
  return data.byteLength;
}
