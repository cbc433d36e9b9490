import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { type DtlsCloseReason, DtlsConnection, type DtlsOptions } from "../../../src/dtls/connection.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { DropCounters } from "../../../src/wire/drops.ts";
import { EventLog } from "../../support/wait.ts";

/** What happened at our end. */
export type PeerEvent =
  | { readonly type: "connected" }
  | { readonly type: "data"; readonly text: string }
  | { readonly type: "closed"; readonly reason: DtlsCloseReason };

/** Decides whether a datagram is lost, by its direction as we see it. */
export type LossyLink = (direction: "in" | "out", datagram: Uint8Array) => boolean;

/** One of our connections over a real UDP socket on the loopback interface, with a real clock and timer. */
export class UdpPeer {
  readonly events = new EventLog<PeerEvent>();
  readonly drops = new DropCounters();
  readonly certificate = Certificate.generate({ notBefore: Date.now() - 60_000, commonName: "ours" });
  readonly connection: DtlsConnection;
  /** Lengths of the datagrams that we sent. */
  readonly sentLengths: number[] = [];
  peerCertificate: Uint8Array | undefined;
  /** How many of our next datagrams over 400 bytes are lost: those of a flight with a certificate. */
  flightsToLose = 0;
  /** Asked about each datagram of both directions, in the order of their appearance: does the link lose it? */
  loses: LossyLink = () => false;
  readonly #socket: Socket;
  #remotePort: number;
  #timer: NodeJS.Timeout | undefined;

  private constructor(socket: Socket, remotePort: number, options: Partial<DtlsOptions> & Pick<DtlsOptions, "role">) {
    this.#socket = socket;
    this.#remotePort = remotePort;
    this.connection = new DtlsConnection(
      {
        certificate: this.certificate,
        verifyPeerCertificate: (der) => {
          this.peerCertificate = der.slice();
          return true;
        },
        datapath: new Datapath({ keySlots: 8 }),
        drops: this.drops,
        ...options,
      },
      {
        transmit: (datagram) => {
          this.sentLengths.push(datagram.length);
          if (datagram.length > 400 && this.flightsToLose-- > 0) return;
          if (this.loses("out", datagram)) return;
          this.#socket.send(datagram.slice(), this.#remotePort, "127.0.0.1");
        },
        applicationData: (plaintext) => this.events.push({ type: "data", text: new TextDecoder().decode(plaintext) }),
        connected: () => this.events.push({ type: "connected" }),
        closed: (reason) => this.events.push({ type: "closed", reason }),
      },
    );
    socket.on("message", (datagram, { port }) => {
      if (this.#remotePort === 0) this.#remotePort = port;
      if (port !== this.#remotePort || this.loses("in", datagram)) return;
      this.connection.handleDatagram(performance.now(), datagram);
      this.#arm();
    });
  }

  /** A server on a free port, for the first client that speaks to it. */
  static async server(options: Partial<DtlsOptions> = {}): Promise<UdpPeer> {
    return new UdpPeer(await bind(), 0, { role: "server", ...options });
  }

  /** A client of the server on `remotePort`. */
  static async client(remotePort: number, options: Partial<DtlsOptions> = {}): Promise<UdpPeer> {
    return new UdpPeer(await bind(), remotePort, { role: "client", ...options });
  }

  get port(): number {
    return (this.#socket.address() as AddressInfo).port;
  }

  start(): void {
    this.connection.start(performance.now());
    this.#arm();
  }

  send(text: string): void {
    this.connection.send(performance.now(), new TextEncoder().encode(text));
  }

  /** Waits for the end of the handshake; fails at once where the connection ends instead. */
  async connected(timeoutMs = 10_000): Promise<void> {
    const event = await this.events.waitFor(timeoutMs, "the handshake", ({ type }) => type !== "data");
    if (event.type === "closed") throw new Error(`closed instead of connected: ${JSON.stringify(event.reason)}`);
  }

  async data(expected: string): Promise<void> {
    await this.events.waitFor(10_000, expected, (event) => event.type === "data" && event.text.includes(expected));
  }

  async closed(): Promise<DtlsCloseReason> {
    const event = await this.events.waitFor(10_000, "the end", ({ type }) => type === "closed");
    return (event as { reason: DtlsCloseReason }).reason;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.connection.close(performance.now());
    this.#socket.close();
    await once(this.#socket, "close");
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const deadline = this.connection.nextDeadline;
    if (deadline === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => {
        this.connection.handleTimeout(performance.now());
        this.#arm();
      },
      Math.max(0, deadline - performance.now()),
    );
  }
}

/** A port that was free a moment ago, for a program that cannot choose one itself. */
export async function freePort(): Promise<number> {
  const socket = await bind();
  const { port } = socket.address() as AddressInfo;
  socket.close();
  await once(socket, "close");
  return port;
}

async function bind(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}
