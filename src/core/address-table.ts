import type { SocketAddress } from "../wire/address.ts";

/** One verified address, and the connections that verified it: nearly always one. It is the object that stands for its address. */
export interface Route<Owner> extends SocketAddress {
  /** Oldest claim first. */
  readonly owners: Owner[];
  /** The only one of the owners; `undefined` where there are several. */
  sole: Owner | undefined;
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
    const { address, port } = at;
    const first = this.#byPort.get(port);
    const route: Route<Owner> = { address, port, owners: [owner], sole: owner, next: first?.next };
    if (first === undefined) this.#byPort.set(port, route);
    else first.next = route;
    this.#size++;
    return route;
  }

  remove(route: Route<Owner>): void {
    const { port } = route;
    let before = this.#byPort.get(port);
    if (before === route) {
      if (route.next === undefined) this.#byPort.delete(port);
      else this.#byPort.set(port, route.next);
    } else {
      while (before !== undefined && before.next !== route) before = before.next;
      if (before === undefined) return;
      before.next = route.next;
    }
    // Whoever still knows the address must not keep others by it.
    route.next = undefined;
    this.#size--;
  }
}
