import type { Channel } from "../channel/channel.ts";
import { announcedAddresses, openSocket } from "./addresses.ts";
import { type Connection, inside, type Message, Signalled } from "./connection.ts";
import type { Connection as CoreConnection } from "../core/server-connection.ts";
import { Endpoint, type EndpointEvents } from "../core/server-endpoint.ts";
import { type RemoteDescription, remoteDescription, type Session } from "../core/session.ts";
import { randomBytes } from "../crypto/platform.ts";
import { Certificate } from "../dtls/certificate.ts";
import type { CloseReason } from "../errors.ts";
import { guarded } from "../application/user-code.ts";
import { FairBacklog } from "../shell/fair-backlog.ts";
import type { LiteSession } from "../ice/lite.ts";
import { SPED_OPTIONS } from "../ice/sped.ts";
import { NamedEmitter } from "../shell/named-emitter.ts";
import { checkNames, type Names } from "../application/names.ts";
import { RECEIVE_OPTIONS, type ReceiveOptions, ReceiveQueue } from "../shell/receive-queue.ts";
import { sslKeyLog } from "../runtime/index.ts";
import type { UdpSocket } from "../runtime/udp.ts";
import {
  checkListenOptions,
  checkNegotiatedChannels,
  type Limits,
  type ListenOptions,
  resolveLimits,
} from "./options.ts";
import { writeSignalledInit } from "../sctp/snap.ts";
import { Shell } from "../shell/shell.ts";
import type { AnswerParts } from "../signalling/answer.ts";
import {
  type Answerer,
  type Negotiated,
  negotiate,
  type Refusal,
  type SessionRequestContext,
} from "../signalling/negotiate.ts";
import type { Offer } from "../signalling/offer.ts";
import { REQUEST_CONTEXT, SessionEndpoint } from "../signalling/session-endpoint.ts";
import type { SocketAddress } from "../wire/address.ts";
import { toBase64 } from "../wire/bytes.ts";
import type { DropReason } from "../wire/drops.ts";
import { type ChooseTrace, checkTraceSink, chooseTrace, type TraceSink } from "../trace/sink.ts";
import { Tracer } from "../trace/tracer.ts";

export interface ServerEvents {
  /** A browser has connected: its first data channel is open. */
  open: [connection: Connection];
  /** A connection for which `open` was emitted has ended. */
  close: [connection: Connection, reason: CloseReason];
}

/** Why a further offer is refused. */
const NOT_RENEWED = {
  gone: "There is no such session, or no longer: connect anew.",
  forbidden: "The session is not that of a client with this certificate.",
  "too-often": "Offers for this session come too often.",
};

const SERVER_EVENTS: Names<ServerEvents> = { open: true, close: true };

export interface ServerStats {
  /** Connections with an open data channel. */
  readonly connections: number;
  /** Connections on their way there. */
  readonly handshakes: number;
  /** Sessions agreed by signalling, without a datagram yet. */
  readonly pendingSessions: number;
  /** Messages that wait for `recv`. */
  readonly receiveQueue: number;
  /** What all connections hold on their peers' word, in bytes: see `limits.maxMemoryBytes`. */
  readonly memoryBytes: number;
  /** User data in them; for text, UTF-16 code units. */
  readonly receiveQueueBytes: number;
  readonly datagramsReceived: number;
  readonly datagramsSent: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Datagrams the operating system refused to send. */
  readonly sendErrors: number;
  readonly receiveErrors: number;
  /** Input that was dropped, by reason; only reasons that occurred. */
  readonly drops: Partial<Record<DropReason, number>>;
  /** Connections that ended, by reason, those included that never opened; only reasons that occurred. */
  readonly closed: Partial<Record<CloseReason, number>>;
}

/** What the server's socket and its endpoint call. */
interface Inside extends EndpointEvents {
  handleDatagram(datagram: Uint8Array, source: SocketAddress): void;
  /** What was sent last must not be overwritten yet. */
  keepSent(): void;
}

/**
 * Exchanges messages with browsers over one UDP port.
 *
 * @example
 * const server = await Server.listen({ port: 42424, publicAddresses: ["203.0.113.7"] });
 * app.post("/new_rtc_session", (request) => server.sessionEndpoint.handleRequest(request));
 * for await (const { connection, data } of server) connection.send(data);
 */
export class Server extends NamedEmitter<ServerEvents> {
  /** Answers offers that come by HTTP: a web-standard `Request` in, a `Response` out. */
  readonly sessionEndpoint: SessionEndpoint;
  readonly certificate: Certificate;
  readonly limits: Readonly<Limits>;
  /** Where the UDP socket is bound. */
  readonly localAddress: SocketAddress;
  /** What answers announce as candidates. */
  readonly publicAddresses: readonly SocketAddress[];
  readonly #inside: Inside;
  readonly #endpoint: Endpoint;
  readonly #shell: Shell;
  readonly #socket: UdpSocket;
  readonly #waiting: FairBacklog<Message>;
  readonly #queue: ReceiveQueue<Message>;
  readonly #onMessage: ((message: Message) => void) | undefined;
  readonly #chooseTrace: ChooseTrace | undefined;
  /** Open connections, oldest first. Each is its core's `attachment`. */
  readonly #connections = new Set<Connection>();
  readonly #answerer: Answerer = { createSession: (offer, context) => this.#createSession(offer, context) };
  readonly #closedByReason: Partial<Record<CloseReason, number>> = {};
  #datagramsReceived = 0;
  #datagramsSent = 0;
  #bytesReceived = 0;
  #bytesSent = 0;
  #closed: Promise<void> | undefined;

  /**
   * Binds the port.
   *
   * @throws TypeError or RangeError for wrong options (as a rejection); the system's error where the port cannot be bound
   */
  static async listen(options: ListenOptions = {}): Promise<Server> {
    checkListenOptions(options);
    const limits = resolveLimits(options.limits);
    checkNegotiatedChannels(options.negotiatedChannels, limits);
    const certificate = options.certificate ?? Certificate.generate();
    let server: Server | undefined;
    const hand = (datagram: Uint8Array, source: SocketAddress) => {
      if (server !== undefined) server.#inside.handleDatagram(datagram, source);
    };
    const keep = () => {
      if (server !== undefined) server.#inside.keepSent();
    };
    const socket = await openSocket(options, limits, hand, { isHeld: false, keep });
    try {
      server = new Server(options, limits, certificate, socket);
    } catch (error) {
      await socket.close();
      throw error;
    }
    return server;
  }

  private constructor(options: ListenOptions, limits: Limits, certificate: Certificate, socket: UdpSocket) {
    super();
    if (socket === undefined) throw new TypeError("new Server() is not for use: await Server.listen(options)");
    this.#inside = new Server.#Inside(this);
    this.limits = limits;
    this.certificate = certificate;
    this.localAddress = socket.localAddress;
    this.publicAddresses = announcedAddresses(options.publicAddresses, socket.localAddress);
    const keyLog = guarded(options.keyLog) ?? sslKeyLog();
    const { negotiatedChannels, dtlsVersions } = options;
    this.#endpoint = new Endpoint(
      { certificate, limits, random: randomBytes, keyLog, negotiatedChannels, dtlsVersions },
      this.#inside,
    );
    this.#socket = socket;
    this.#shell = new Shell(this.#endpoint, socket);
    this.#waiting = new FairBacklog(limits, (message) => this.#endpoint.drops.count(droppedAs(message)));
    this.#queue = new ReceiveQueue("the server", this.#waiting);
    this.#onMessage = guarded(options.onMessage);
    this.#chooseTrace = options.trace;
    this.sessionEndpoint = new SessionEndpoint(this.#answerer, {
      maxOfferBytes: limits.maxOfferBytes,
      drops: this.#endpoint.drops,
      ...(options.allowOrigin !== undefined && { allowOrigin: options.allowOrigin }),
    });
  }

  /**
   * Answers an SDP offer that came by other means than HTTP. An offer is the peer's word, so it never throws: `kind` says what became
   * of it.
   *
   * - `answered`: `session` is for the peer, `{ answer, candidate }`
   * - `malformed`: it is no offer, or has no data channel; `error` is one sentence
   * - `refused`: `error` says in one sentence why, and `why` in a word: the server is closed, or `context.session` is of no use
   *
   * @param context `remoteAddress` is the IP address that the offer came from, where you know it: an address that signals
   * without end then takes no places from others. `session` is that of an earlier answer, for a further offer of its connection
   *
   * @example
   * const answered = server.answer(message.sdp, { userData: player });
   * webSocket.send(JSON.stringify(answered.kind === "answered" ? answered.session : { error: answered.error }));
   */
  answer(offerSdp: string, context: SessionRequestContext = {}): Negotiated {
    checkNames("options", context, REQUEST_CONTEXT, "an option of answer");
    const negotiated = negotiate(offerSdp, this.#answerer, context);
    if (negotiated.kind === "malformed") this.#endpoint.drops.count("offer-malformed");
    return negotiated;
  }

  /**
   * The next message. Connections that have messages waiting are served in turn, one message each.
   *
   * @throws ClosedError when the server is closed and nothing waits; the signal's reason when it aborts
   */
  recv(options: ReceiveOptions = {}): Promise<Message> {
    checkNames("options", options, RECEIVE_OPTIONS, "an option of recv");
    if (this.#onMessage !== undefined) throw new TypeError("messages go to onMessage: recv has nothing to give");
    return this.#queue.pop(options.signal);
  }

  /** Messages of all connections in the same turn, until the server is closed. */
  [Symbol.asyncIterator](): AsyncGenerator<Message, void, void> {
    if (this.#onMessage !== undefined) throw new TypeError("messages go to onMessage: there is nothing to iterate");
    return this.#queue[Symbol.asyncIterator]();
  }

  /**
   * Traces one connection from now on; `undefined` ends its trace. It then has no keys of the handshake that is over, so that Wireshark
   * shows its SCTP packets, but cannot decrypt its DTLS records: the option `trace` of `listen` begins earlier.
   *
   * @returns false where there is no such connection
   * @throws TypeError for a sink that is none
   *
   * @example
   * server.trace(connection.id, traceToFiles("connection"));
   */
  trace(id: string, sink: TraceSink | undefined): boolean {
    if (sink !== undefined) checkTraceSink(sink);
    const core = [...this.#endpoint.connections()].find((connection) => signalledOf(connection).id === id);
    if (core === undefined) return false;
    if (sink === undefined) core.trace?.stop();
    else this.#trace(core, sink);
    this.#shell.settleLater();
    return true;
  }

  /** The open connections, oldest first. */
  connections(): Connection[] {
    return [...this.#connections];
  }

  protected get eventNames(): Names<ServerEvents> {
    return SERVER_EVENTS;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  stats(): ServerStats {
    return {
      connections: this.#connections.size,
      handshakes: this.#endpoint.connectionCount - this.#connections.size,
      pendingSessions: this.#endpoint.pendingSessionCount,
      memoryBytes: this.#endpoint.memory.bytes,
      receiveQueue: this.#waiting.length,
      receiveQueueBytes: this.#waiting.bytes,
      datagramsReceived: this.#datagramsReceived,
      datagramsSent: this.#datagramsSent,
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
      sendErrors: this.#socket.sendErrors,
      receiveErrors: this.#socket.receiveErrors,
      drops: this.#endpoint.drops.snapshot(),
      closed: { ...this.#closedByReason },
    };
  }

  /** Closes every connection properly, then the socket. What waits for `recv` can still be received. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #createSession(offer: Offer, context: SessionRequestContext): AnswerParts | Refusal {
    const { userData, remoteAddress, session: token } = context;
    const remote = remoteDescription(offer);
    const now = this.#shell.now();
    if (token !== undefined && token !== null) return this.#renewSession(now, token, offer, remote);
    const signalled = new Signalled(userData);
    const session = this.#endpoint.createSession(now, remote, signalled, remoteAddress);
    if (session === undefined) return { refused: "The server is closed." };
    const { id } = signalled;
    signalled.sink = chooseTrace(this.#chooseTrace, { id, userData, remoteAddress: remoteAddress ?? undefined });
    this.#shell.settle();
    return this.#answerParts(offer, remote, session, session);
  }

  /** An offer of a session that is there: the connection is kept. */
  #renewSession(now: number, token: string, offer: Offer, remote: RemoteDescription): AnswerParts | Refusal {
    const renewal = this.#endpoint.offeredAgain(now, token, remote);
    if (typeof renewal === "string") return { refused: NOT_RENEWED[renewal], why: renewal };
    const { session, credentials, version } = renewal;
    return { ...this.#answerParts(offer, remote, session, credentials), version, firstUfrag: session.localUfrag };
  }

  #answerParts(offer: Offer, remote: RemoteDescription, session: Session, credentials: LiteSession): AnswerParts {
    const { signalledInit } = session;
    return {
      id: (session.userData as Signalled).id,
      session: this.#endpoint.tokenOf(session, remote),
      ufrag: credentials.localUfrag,
      pwd: credentials.localPwd,
      fingerprint: this.certificate.fingerprintBytes,
      candidates: this.publicAddresses,
      maxMessageBytes: this.limits.maxMessageBytes,
      iceOptions: offer.iceOptions.filter((tag) => SPED_OPTIONS.includes(tag)),
      ...(signalledInit && { sctpInit: toBase64(writeSignalledInit(signalledInit, this.limits)) }),
    };
  }

  #trace(peer: CoreConnection, sink: TraceSink): void {
    new Tracer({
      role: "server",
      id: signalledOf(peer).id,
      peer,
      drops: this.#endpoint.drops,
      local: this.localAddress,
      sink,
      maxBytes: this.limits.maxTraceBytes,
      later: (deliver) => this.#shell.later(deliver),
    });
  }

  async #close(): Promise<void> {
    this.#endpoint.close(this.#shell.now());
    this.#shell.settle();
    this.#shell.stop();
    this.#queue.close();
    await this.#socket.close();
  }

  /** The server as its socket and its endpoint see it: one object for all that they call, and none of it public. */
  static readonly #Inside = class implements Inside {
    readonly #server: Server;

    constructor(server: Server) {
      this.#server = server;
    }

    // From the socket.

    handleDatagram(datagram: Uint8Array, source: SocketAddress): void {
      const server = this.#server;
      server.#datagramsReceived++;
      server.#bytesReceived += datagram.length;
      server.#endpoint.handleDatagram(server.#shell.now(), source, datagram);
      server.#shell.settleDatagram();
    }

    keepSent(): void {
      this.#server.#endpoint.datapath.switchTx();
    }

    // From the endpoint.

    transmit(datagram: Uint8Array, destination: SocketAddress): void {
      const server = this.#server;
      server.#datagramsSent++;
      server.#bytesSent += datagram.length;
      server.#socket.send(datagram, destination);
    }

    begun(core: CoreConnection): void {
      const signalled = signalledOf(core);
      if (signalled.sink === undefined) return;
      this.#server.#trace(core, signalled.sink);
      signalled.sink = undefined;
    }

    opened(core: CoreConnection): void {
      const server = this.#server;
      const connection = inside.create(core, server.#shell);
      core.attachment = connection;
      server.#connections.add(connection);
      server.#shell.later(() => server.emit("open", connection));
    }

    channelOpened(core: CoreConnection, channel: Channel): void {
      this.#tell(core, "channel", channel);
    }

    channelClosed(core: CoreConnection, channel: Channel): void {
      this.#tell(core, "channelclose", channel);
    }

    message(core: CoreConnection, channel: Channel, data: Uint8Array | string): void {
      const connection = attachedTo(core);
      if (connection === undefined) return;
      const server = this.#server;
      const message: Message = { connection, channel, data, binary: typeof data !== "string" };
      if (server.#onMessage === undefined) server.#queue.push(message);
      else server.#shell.later(server.#onMessage, message);
    }

    closed(core: CoreConnection, reason: CloseReason): void {
      const server = this.#server;
      server.#closedByReason[reason] = (server.#closedByReason[reason] ?? 0) + 1;
      const connection = attachedTo(core);
      if (connection === undefined) return; // It never opened: nobody has heard of it.
      server.#connections.delete(connection);
      core.attachment = undefined; // Whatever might still come of it: nothing follows `close`.
      // What waits of others can still be received; this one's is what there was no room for.
      if (reason === "memory-limit") server.#waiting.forget(connection);
      server.#shell.later(() => {
        inside.emit(connection, "close", reason);
        server.emit("close", connection, reason);
      });
    }

    #tell(core: CoreConnection, event: "channel" | "channelclose", channel: Channel): void {
      const connection = attachedTo(core);
      if (connection !== undefined) this.#server.#shell.later(() => inside.emit(connection, event, channel));
    }
  };
}

function droppedAs({ channel }: Message): DropReason {
  return channel.isReliable ? "receive-queue-full-reliable" : "receive-queue-full";
}

function signalledOf({ session }: CoreConnection): Signalled {
  return session.userData as Signalled;
}

/** What the application holds of a connection; `undefined` before it is open. */
function attachedTo(core: CoreConnection): Connection | undefined {
  return core.attachment as Connection | undefined;
}
