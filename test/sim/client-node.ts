import type { Channel } from "../../src/channel/channel.ts";
import type { ClientConnection } from "../../src/core/client-connection.ts";
import { ClientEndpoint } from "../../src/core/client-endpoint.ts";
import { Certificate } from "../../src/dtls/certificate.ts";
import type { DtlsVersion } from "../../src/dtls/connection.ts";
import type { CloseReason } from "../../src/errors.ts";
import { generateCredentials } from "../../src/ice/credentials.ts";
import { DEFAULT_ASSOCIATION_LIMITS, DEFAULT_ENDPOINT_LIMITS } from "../../src/limits.ts";
import { createSignalledInit, type SignalledInit, writeSignalledInit } from "../../src/sctp/snap.ts";
import type { SocketAddress } from "../../src/wire/address.ts";
import type { Host, SimNode } from "./network.ts";
import { SERVER_ADDRESS, type World } from "./world.ts";

let certificate: Certificate | undefined;

export interface ClientNodeOptions {
  /** What the answer announces. Default: where the server is. */
  candidates?: SocketAddress[];
  dtlsVersions?: readonly DtlsVersion[];
  /** INITs are exchanged by signalling. Default false. */
  snap?: boolean;
  idleTimeoutMs?: number;
  handshakeTimeoutMs?: number;
}

/** The product's native client as a node of the network, signalled with the world's server. */
export class ClientNode implements SimNode {
  readonly connection: ClientConnection;
  readonly host: Host;
  readonly #endpoint = new ClientEndpoint({ maxConnections: 1 });
  openedAt = Number.NaN;
  closed: { reason: CloseReason; at: number } | undefined;
  onMessage: (channel: Channel, data: Uint8Array | string) => void = () => {};

  constructor(world: World, address: SocketAddress, options: ClientNodeOptions = {}) {
    certificate ??= Certificate.generate();
    const { network, server } = world;
    const { candidates = [SERVER_ADDRESS], dtlsVersions, snap = false, ...limits } = options;
    const random = network.random.fork(`client ${address.address}`).bytes;
    const credentials = generateCredentials(random);
    const signalledInit = snap ? createSignalledInit(random) : undefined;
    const session = server.endpoint.createSession(network.now, {
      ufrag: credentials.ufrag,
      fingerprint: certificate.fingerprintBytes,
      sctpPort: 5000,
      maxMessageBytes: 65_536,
      sctpInit: chunkOf(signalledInit),
    });
    if (session === undefined) throw new Error("the server refused the session");
    const connection = this.#endpoint.connect(
      network.now,
      {
        settings: {
          certificate,
          random,
          dtlsVersions,
          limits: { ...DEFAULT_ENDPOINT_LIMITS, ...DEFAULT_ASSOCIATION_LIMITS, ...limits },
        },
        credentials,
        signalledInit,
        server: {
          ufrag: session.localUfrag,
          pwd: session.localPwd,
          fingerprint: server.endpoint.options.certificate.fingerprintBytes,
          sctpPort: 5000,
          maxMessageBytes: 65_536,
          sctpInit: chunkOf(session.signalledInit),
          candidates,
        },
        channel: { label: "data", options: {} },
      },
      {
        transmit: (datagram, destination) => network.send(this.host, destination, datagram),
        opened: () => {
          this.openedAt = network.now;
        },
        message: (channel, data) => this.onMessage(channel, data),
        closed: (reason) => {
          this.closed = { reason, at: network.now };
        },
      },
    );
    if (connection === undefined) throw new Error("the endpoint is full");
    this.connection = connection;
    this.host = network.attach(this, address);
    network.at(network.now, this.host, (now) => connection.start(now));
  }

  get fingerprint(): Uint8Array {
    return certificate!.fingerprintBytes;
  }

  get drops(): object {
    return this.#endpoint.drops.snapshot();
  }

  get nextDeadline(): number {
    return this.#endpoint.nextDeadline;
  }

  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void {
    this.connection.handleDatagram(now, source, datagram);
  }

  handleTimeout(now: number): void {
    this.#endpoint.handleTimeout(now);
  }

  flush(now: number): void {
    this.#endpoint.flush(now);
  }

  /** Sends on the connection's own channel. */
  send(now: number, data: Uint8Array | string): void {
    this.connection.send(now, data, this.connection.channel);
  }
}

function chunkOf(init: SignalledInit | undefined): Uint8Array | undefined {
  return init && writeSignalledInit(init, DEFAULT_ASSOCIATION_LIMITS);
}
