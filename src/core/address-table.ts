import type { SocketAddress } from "../wire/address.ts";

/** One verified address, and the connections that verified it: nearly always one. */
export interface Route<Owner> extends SocketAddress {
  /** Oldest claim first. */
  readonly owners: Owner[];
  /** Another address with the same port. */
  next: Route<Owner> | undefined;
}

/**
 * Routes by remote address. Looked up once per datagram, so without building a key string: by port, then by address among
 * the few that share the port.
 */
export class AddressTable<Owner> {
  readonly #byPort = new Map<number, Route<Owner>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  find(at: SocketAddress): Route<Owner> | undefined {
    let route = this.#byPort.get(at.port);
    while (route !== undefined && route.address !== at.address) route = route.next;
    return route;
  }

  /** A route to its first owner. The address must not be there yet. */
  add(at: SocketAddress, owner: Owner): Route<Owner> {
    const first = this.#byPort.get(at.port);
    const route: Route<Owner> = { address: at.address, port: at.port, owners: [owner], next: first?.next };
    if (first === undefined) this.#byPort.set(at.port, route);
    else first.next = route;
    this.#size++;
    return route;
  }

  remove(route: Route<Owner>): void {
    let before = this.#byPort.get(route.port);
    if (before === route) {
      if (route.next === undefined) this.#byPort.delete(route.port);
      else this.#byPort.set(route.port, route.next);
    } else {
      while (before !== undefined && before.next !== route) before = before.next;
      if (before === undefined) return;
      before.next = route.next;
    }
    this.#size--;
  }
}
