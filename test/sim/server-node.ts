import type { Channel } from "../../src/channel/channel.ts";
import type { Connection } from "../../src/core/server-connection.ts";
import { Endpoint } from "../../src/core/server-endpoint.ts";
import type { Certificate } from "../../src/dtls/certificate.ts";
import type { DtlsVersion } from "../../src/dtls/connection.ts";
import type { CloseReason } from "../../src/errors.ts";
import {
  type AssociationLimits,
  DEFAULT_ASSOCIATION_LIMITS,
  DEFAULT_ENDPOINT_LIMITS,
  type EndpointLimits,
} from "../../src/limits.ts";
import type { SocketAddress } from "../../src/wire/address.ts";
import { DTLS_VERSIONS } from "../support/dtls-versions.ts";
import type { Host, Network, SimNode } from "./network.ts";

/** Few slots: a simulation has few connections, and each endpoint has WebAssembly memory of its own. */
const SIM_LIMITS = { maxConnections: 32, maxHandshakes: 16 };

/** The product's endpoint as a node of the network, with what it told its owner. */
export class ServerNode implements SimNode {
  readonly endpoint: Endpoint;
  readonly host: Host;
  readonly opened: Connection[] = [];
  readonly closed: { connection: Connection; reason: CloseReason; at: number }[] = [];
  onMessage: (connection: Connection, channel: Channel, data: Uint8Array | string) => void = () => {};
  /** A connection has begun, and its first check is handled next. */
  onBegun: (connection: Connection) => void = () => {};

  readonly #network: Network;

  constructor(
    network: Network,
    address: SocketAddress,
    certificate: Certificate,
    limits: Partial<EndpointLimits & AssociationLimits> = {},
    dtlsVersions: readonly DtlsVersion[] = DTLS_VERSIONS,
  ) {
    this.#network = network;
    this.endpoint = new Endpoint(
      {
        certificate,
        dtlsVersions,
        random: network.random.fork("server").bytes,
        limits: { ...DEFAULT_ENDPOINT_LIMITS, ...DEFAULT_ASSOCIATION_LIMITS, ...SIM_LIMITS, ...limits },
      },
      {
        transmit: (datagram, destination) => network.send(this.host, destination, datagram),
        begun: (connection) => this.onBegun(connection),
        opened: (connection) => {
          this.opened.push(connection);
        },
        message: (connection, channel, data) => this.onMessage(connection, channel, data),
        channelOpened: () => {},
        channelClosed: () => {},
        closed: (connection, reason) => this.closed.push({ connection, reason, at: network.now }),
      },
    );
    this.host = network.attach(this, address);
  }

  get nextDeadline(): number {
    return this.endpoint.nextDeadline;
  }

  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void {
    this.endpoint.handleDatagram(now, source, datagram);
  }

  handleTimeout(now: number): void {
    this.endpoint.handleTimeout(now);
  }

  flush(now: number): void {
    this.endpoint.flush(now);
  }

  /** Sends on the connection's first channel, and sees to the flush as a shell would. */
  send(now: number, connection: Connection, data: Uint8Array | string, channel?: Channel): void {
    connection.send(now, data, channel);
    this.#network.at(now, this.host, () => {});
  }
}
