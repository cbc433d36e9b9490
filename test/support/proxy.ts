/**
 * A UDP proxy on loopback that stands for the network between browsers and the server: it loses and delays datagrams in
 * each direction and can change the port its clients seem to come from, as a NAT does when it forgets them.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { randomLoss } from "../sim/loss.ts";
import { Random } from "../sim/random.ts";

/** So that bursts wait instead of being lost uncounted; the system may give less. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

export interface ProxyConditions {
  /** Share of datagrams lost, 0 … 1, in each direction. Default 0. */
  loss?: number;
  /** One-way delay in each direction. Default 0. */
  delayMs?: number;
  /** Seeds the losses of both directions. */
  seed?: string;
}

export interface ProxyCounters {
  datagrams: number;
  lost: number;
  /** The messages that those datagrams had room for, by `messageBytes`: one that bears three counts three times. */
  messages: number;
  messagesLost: number;
}

/** Sees every datagram that a proxy passes on: `from` and `to` are ports on 127.0.0.1, as the client sees them. */
export type DatagramTap = (datagram: Uint8Array, from: number, to: number) => void;

/** One per direction: a queue in order of arrival, and one timer for its head. */
class Direction {
  readonly counters: ProxyCounters = { datagrams: 0, lost: 0, messages: 0, messagesLost: 0 };
  readonly #random: Random;
  readonly #queue: { due: number; deliver: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  pass(bytes: number, conditions: Required<ProxyConditions>, messageBytes: number, deliver: () => void): void {
    const lost = randomLoss(conditions.loss, this.#random)();
    this.counters.datagrams++;
    if (lost) this.counters.lost++;
    if (bytes >= messageBytes) {
      // Each message adds a DATA chunk's header of 16 bytes; header and tag of the record are less than one more.
      const messages = Math.max(1, Math.floor(bytes / (messageBytes + 16)));
      this.counters.messages += messages;
      if (lost) this.counters.messagesLost += messages;
    }
    if (lost) return;
    if (conditions.delayMs === 0 && this.#queue.length === 0) {
      deliver();
      return;
    }
    this.#queue.push({ due: performance.now() + conditions.delayMs, deliver });
    if (this.#timer === undefined) this.#arm();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  #arm(): void {
    const head = this.#queue[0];
    this.#timer = head && setTimeout(() => this.#drain(), Math.max(0, head.due - performance.now()));
  }

  #drain(): void {
    // A timer of whole milliseconds may come early by a fraction of one.
    const now = performance.now() + 1;
    while (this.#queue[0] !== undefined && this.#queue[0].due <= now) this.#queue.shift()?.deliver();
    this.#arm();
  }
}

export class UdpProxy {
  readonly port: number;
  /** The server's UDP port on 127.0.0.1; datagrams from clients are lost until it is set. */
  serverPort = 0;
  /** User data of one message of the flow that is measured, see `ProxyCounters`. Default: none is. */
  messageBytes = Number.POSITIVE_INFINITY;
  tap: DatagramTap = () => {};
  readonly #conditions: Required<ProxyConditions>;
  readonly #front: Socket;
  readonly #toServer: Direction;
  readonly #toClient: Direction;
  /** By the client's port: the socket it is seen from by the server. */
  readonly #upstream = new Map<number, Socket>();

  private constructor(front: Socket, conditions: ProxyConditions) {
    this.#conditions = { loss: 0, delayMs: 0, seed: "proxy", ...conditions };
    const random = new Random(this.#conditions.seed);
    this.#toServer = new Direction(random.fork("to server"));
    this.#toClient = new Direction(random.fork("to client"));
    this.#front = front;
    this.port = front.address().port;
    front.on("message", (datagram, from) => this.#fromClient(datagram, from));
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(conditions: ProxyConditions = {}): Promise<UdpProxy> {
    return new UdpProxy(await bind(), conditions);
  }

  get toServer(): Readonly<ProxyCounters> {
    return this.#toServer.counters;
  }

  get toClient(): Readonly<ProxyCounters> {
    return this.#toClient.counters;
  }

  /** From now on. The seeded streams go on. */
  change(conditions: Omit<ProxyConditions, "seed">): void {
    Object.assign(this.#conditions, conditions);
  }

  /** Every client comes from a new port from now on; what the server still sends to the old ones is lost. */
  rebind(): void {
    for (const socket of this.#upstream.values()) socket.close();
    this.#upstream.clear();
  }

  async close(): Promise<void> {
    this.#toServer.clear();
    this.#toClient.clear();
    this.rebind();
    await new Promise<void>((resolve) => this.#front.close(() => resolve()));
  }

  #fromClient(datagram: Buffer, from: RemoteInfo): void {
    this.#toServer.pass(datagram.length, this.#conditions, this.messageBytes, () => {
      const socket = this.#upstreamOf(from.port);
      this.tap(datagram, from.port, this.port);
      if (this.serverPort > 0) socket.send(datagram, this.serverPort, "127.0.0.1");
    });
  }

  #upstreamOf(clientPort: number): Socket {
    const known = this.#upstream.get(clientPort);
    if (known !== undefined) return known;
    // Sending binds it to a free port.
    const socket = createSocket({ type: "udp4", recvBufferSize: RECEIVE_BUFFER_BYTES });
    socket.on("message", (datagram) => {
      this.#toClient.pass(datagram.length, this.#conditions, this.messageBytes, () => {
        this.tap(datagram, this.port, clientPort);
        this.#front.send(datagram, clientPort, "127.0.0.1", () => {});
      });
    });
    socket.on("error", () => {});
    this.#upstream.set(clientPort, socket);
    return socket;
  }
}

async function bind(): Promise<Socket> {
  const socket = createSocket({ type: "udp4", recvBufferSize: RECEIVE_BUFFER_BYTES });
  await new Promise<void>((resolve, reject) => socket.once("error", reject).bind(0, "127.0.0.1", resolve));
  // The browser that went away makes the system report unreachable ports.
  socket.on("error", () => {});
  return socket;
}
