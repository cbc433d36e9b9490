import type { Channel } from "../channel/channel.ts";
import { Datapath } from "../wasm/datapath.ts";
import { checkNames, type Names } from "../application/names.ts";
import { DEFAULT_ENDPOINT_LIMITS } from "../limits.ts";
import { DropCounters } from "../wire/drops.ts";
import { MemoryLedger } from "../wire/memory-ledger.ts";
import { Agenda } from "./agenda.ts";
import { ClientConnection, type ClientEvents, type ClientHost, type ClientOptions } from "./client-connection.ts";
import type { Peer, PeerEvents } from "./peer.ts";

export interface ClientEndpointOptions {
  /** Connections at once. */
  maxConnections: number;
}

const CLIENT_ENDPOINT_OPTIONS: Names<ClientEndpointOptions> = { maxConnections: true };
/** Key slots of one connection: two epochs in each direction, until the handshake is complete. */
const SLOTS_PER_CONNECTION = 4;

/**
 * Connections to servers, sans-IO: what an `Endpoint` is for servers. Each connection is told of its own datagrams; they share
 * WebAssembly memory, one heap of deadlines and one flush a turn.
 *
 * @example
 * const connection = endpoint.connect(now, options, { transmit, opened, message, closed });
 * connection.start(now);
 * connection.handleDatagram(now, source, datagram);   // as they come
 * endpoint.flush(now);                                // once per turn
 * sleepUntil(endpoint.nextDeadline); endpoint.handleTimeout(now);
 */
export class ClientEndpoint implements ClientHost {
  now = 0;
  prefetched = 0;
  readonly drops: DropCounters = new DropCounters();
  readonly datapath: Datapath;
  readonly maxConnections: number;
  readonly memory: MemoryLedger<ClientConnection>;
  readonly events: PeerEvents = {
    opened: (peer) => eventsOf(peer).opened(),
    message: (peer, channel: Channel, data) => eventsOf(peer).message(channel, data),
    channelOpened: (peer, channel) => eventsOf(peer).channelOpened?.(channel),
    channelClosed: (peer, channel) => eventsOf(peer).channelClosed?.(channel),
  };
  readonly #connections = new Set<ClientConnection>();
  readonly #agenda = new Agenda<ClientConnection>();

  constructor(options: ClientEndpointOptions) {
    checkNames("options", options, CLIENT_ENDPOINT_OPTIONS, "an option of ClientEndpoint");
    const { maxConnections } = options;
    this.maxConnections = maxConnections;
    // Whoever connects chose the servers, so they need no shares among each other: each connection has its own limit.
    const { maxMemoryBytesPerConnection } = DEFAULT_ENDPOINT_LIMITS;
    const maxMemoryBytes = maxConnections * maxMemoryBytesPerConnection;
    this.memory = new MemoryLedger({
      maxMemoryBytes,
      maxMemoryBytesPerConnection,
      maxConnections,
      maxConnectionsPerAddress: maxConnections,
    });
    this.datapath = new Datapath({ keySlots: SLOTS_PER_CONNECTION * maxConnections });
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get nextDeadline(): number {
    return this.#agenda.nextDeadline;
  }

  get needsFlush(): boolean {
    return this.#agenda.needsFlush;
  }

  /** A connection that `start` sets going. `undefined` where `maxConnections` are there already. */
  connect(now: number, options: ClientOptions, events: ClientEvents): ClientConnection | undefined {
    if (this.#connections.size >= this.maxConnections) return undefined;
    const connection = new ClientConnection(now, this, options, events);
    this.#connections.add(connection);
    return connection;
  }

  handleTimeout(now: number): void {
    this.now = now;
    this.#agenda.handleTimeout(now);
  }

  /** Sends what the calls since the last flush gave rise to. */
  flush(now: number): void {
    this.#agenda.flush(now);
  }

  /** Marks a connection for the next flush. */
  touch(connection: Peer): void {
    this.#agenda.touch(connection as ClientConnection);
  }

  /**
   * Called by a connection after each datagram. What wants to leave leaves with the next flush; mostly nothing does, as a
   * SACK waits for the next message, and a turn without a flush costs a third less.
   */
  settle(connection: ClientConnection): void {
    if (connection.association?.needsFlush !== false) this.touch(connection);
    else this.#agenda.reschedule(connection);
  }

  /** Called by a connection when it ends. */
  connectionClosed(connection: ClientConnection): void {
    this.#agenda.remove(connection);
    this.memory.close(connection.memory);
    this.#connections.delete(connection);
  }
}

/** All peers of this endpoint are its own. */
function eventsOf(peer: Peer): ClientEvents {
  return (peer as ClientConnection).events;
}
