import { isSameAddress, type SocketAddress } from "../wire/address.ts";
import { AddressTable, type Route } from "./address-table.ts";

/** What `Routes` needs to know of a connection. */
export interface Claimant<Self> {
  /** Whether its handshake is complete. */
  readonly established: boolean;
  /** Where it sends to. */
  readonly remote: SocketAddress;
  /** The addresses it has claimed; kept by `Routes`. */
  routes: Route<Self>[];
  /**
   * @param source one and the same object for as long as the address is claimed
   * @param datagram borrowed until the call returns
   */
  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void;
}

/** Addresses that one connection is reached under: the one in use and those it came from lately. */
const MAX_ADDRESSES = 4;
/** Connections that may claim one address at a time. */
const MAX_CLAIMS = 4;

/**
 * Which connections a datagram from an address is for.
 *
 * A verified check lets a connection claim its source address. It does not take the address from another connection: a
 * source address can be spoofed by anyone who has a session of his own. So claims stand side by side, each claimant is
 * given the datagrams and drops what it cannot authenticate, and only `settle`, for a connection that has proven that it
 * *receives* at an address, ends the other claims. That is how a page that is reloaded on the same port replaces its
 * former self at once, and how nobody replaces anybody else.
 */
export class Routes<Connection extends Claimant<Connection>> {
  readonly #table: AddressTable<Connection>;

  /** @param random 30 bits that nobody outside knows */
  constructor(random: number) {
    this.#table = new AddressTable(random);
  }

  /** Hands a datagram to whom it is for. False when nobody has claimed its source. */
  deliver(now: number, source: SocketAddress, datagram: Uint8Array): boolean {
    const route = this.#table.find(source);
    if (route === undefined) return false;
    if (route.sole !== undefined) {
      route.sole.handleDatagram(now, route, datagram);
      return true;
    }
    const { owners } = route;
    // Two handshakes must not answer one ClientHello: of the claimants without keys only the newest is given it.
    const newest = owners.findLast((owner) => !owner.established);
    for (const owner of [...owners]) {
      if (owner.established || owner === newest) owner.handleDatagram(now, route, datagram);
    }
    return true;
  }

  /** Returns the object that stands for the address from now on. */
  claim(source: SocketAddress, connection: Connection): SocketAddress {
    const route = this.#table.find(source);
    if (route === undefined) return this.#note(this.#table.add(source, connection), connection);
    const { owners } = route;
    const at = owners.indexOf(connection);
    if (at >= 0) {
      // Of two handshakes on one address the one that checked last is the live one.
      if (!connection.established && at < owners.length - 1) owners.push(...owners.splice(at, 1));
      return route;
    }
    if (owners.length >= MAX_CLAIMS) this.#release(route, this.#leastWorthy(owners));
    owners.push(connection);
    route.sole = undefined;
    return this.#note(route, connection);
  }

  /** The connection receives at this address: whoever else claimed it gives it up. Returns those left without any address. */
  settle(source: SocketAddress, connection: Connection): Connection[] {
    const route = this.#table.find(source);
    const others = route?.owners.filter((owner) => owner !== connection) ?? [];
    for (const other of others) this.#release(route!, other);
    return others.filter((other) => other.routes.length === 0);
  }

  releaseAll(connection: Connection): void {
    for (const route of [...connection.routes]) this.#release(route, connection);
  }

  #note(route: Route<Connection>, connection: Connection): SocketAddress {
    // A list has room for what it is made of, and from the first `push` on for 17: most have one.
    if (connection.routes.length === 0) connection.routes = [route];
    else connection.routes.push(route);
    if (connection.routes.length > MAX_ADDRESSES) {
      const oldest = connection.routes.find((other) => other !== route && !isSameAddress(other, connection.remote));
      if (oldest !== undefined) this.#release(oldest, connection);
    }
    return route;
  }

  /** The first claim is never pushed out by later ones; of those the oldest without keys goes first. */
  #leastWorthy(owners: readonly Connection[]): Connection {
    return owners.find((owner, i) => i > 0 && !owner.established) ?? owners[1];
  }

  #release(route: Route<Connection>, connection: Connection): void {
    route.owners.splice(route.owners.indexOf(connection), 1);
    route.sole = route.owners.length === 1 ? route.owners[0] : undefined;
    connection.routes.splice(connection.routes.indexOf(route), 1);
    if (route.owners.length === 0) this.#table.remove(route);
  }
}
