import { ClientEndpoint } from "../../core/client-endpoint.ts";
import type { SendMemory, UdpSocket } from "../../runtime/index.ts";
import { Shell } from "../../shell/shell.ts";

/** Connections that share one endpoint, and so one WebAssembly memory and one timer. A process with more has several. */
const CONNECTIONS_PER_HUB = 1_024;

/** What the native connections of a process share: memory for cryptography, a clock, one timer, one flush a turn. */
export class ClientHub {
  readonly endpoint: ClientEndpoint = new ClientEndpoint({ maxConnections: CONNECTIONS_PER_HUB });
  readonly shell: Shell = new Shell(this.endpoint, this);
  readonly memory: SendMemory = { isHeld: false, keep: () => this.endpoint.datapath.switchTx() };
  /** Connections that are there, and those that are about to be. */
  #reserved = 0;
  /** Sockets that collect datagrams, and were given some since the last flush. */
  readonly #unflushed = new Set<UdpSocket>();

  get hasRoom(): boolean {
    return this.#reserved < CONNECTIONS_PER_HUB;
  }

  reserve(): void {
    this.#reserved++;
  }

  release(): void {
    this.#reserved--;
  }

  willFlush(socket: UdpSocket): void {
    if (socket.flush !== undefined) this.#unflushed.add(socket);
  }

  /** Called by the shell. */
  flush(): void {
    for (const socket of this.#unflushed) socket.flush?.();
    this.#unflushed.clear();
  }
}

const hubs: ClientHub[] = [];

/** A hub with room for one more connection, which is reserved: `release` gives it back. */
export function reserveHub(): ClientHub {
  let hub = hubs.find(({ hasRoom }) => hasRoom);
  if (hub === undefined) {
    hub = new ClientHub();
    hubs.push(hub);
  }
  hub.reserve();
  return hub;
}
