import type { SocketAddress } from "../wire/address.ts";

/** One verified address, and the connections that verified it: nearly always one. */
export interface Route<Owner> extends SocketAddress {
  /** Oldest claim first. */
  readonly owners: Owner[];
}

/**
 * Routes by remote address. Looked up once per datagram, so without building a key string: by port, then by address among
 * the few that share the port.
 */
export class AddressTable<Owner> {
  readonly #byPort = new Map<number, Route<Owner>[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  find(at: SocketAddress): Route<Owner> | undefined {
    const routes = this.#byPort.get(at.port);
    if (routes === undefined) return undefined;
    for (let i = 0; i < routes.length; i++) if (routes[i].address === at.address) return routes[i];
    return undefined;
  }

  /** A route without owners yet. */
  add(at: SocketAddress): Route<Owner> {
    const route: Route<Owner> = { address: at.address, port: at.port, owners: [] };
    const routes = this.#byPort.get(at.port);
    if (routes === undefined) this.#byPort.set(at.port, [route]);
    else routes.push(route);
    this.#size++;
    return route;
  }

  remove(route: Route<Owner>): void {
    const routes = this.#byPort.get(route.port);
    const index = routes?.indexOf(route) ?? -1;
    if (routes === undefined || index < 0) return;
    routes.splice(index, 1);
    if (routes.length === 0) this.#byPort.delete(route.port);
    this.#size--;
  }
}
