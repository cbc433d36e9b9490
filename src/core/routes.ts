import { clientRandom, continuesHello } from "../dtls/client-random.ts";
import { isSameAddress, type SocketAddress } from "../wire/address.ts";
import { equalBytes } from "../wire/bytes.ts";
import { AddressTable, type Challenger, type Leader, NOBODY, type Route } from "./address-table.ts";

/** What `Routes` needs to know of a connection. */
export interface Claimant<Self> extends Leader {
  /** Whether its handshake is complete. */
  readonly established: boolean;
  /** Where it sends to. */
  readonly remote: SocketAddress;
  /** The addresses it has claimed; kept by `Routes`. */
  routes: Route<Self>[];
  /** Whether it is in the middle of a handshake, the last datagram of which came from this address. */
  isHandshakingAt(source: SocketAddress): boolean;
  /**
   * @param source one and the same object for as long as the address is claimed
   * @param datagram borrowed until the call returns
   */
  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void;
}

/** What `Routes` asks of its owner. */
export interface RoutesHost<Connection> {
  /**
   * Somebody for a handshake with an address that several sessions claim; `undefined` where there is no room for one. Where one has
   * begun there before (`route.round`), it asks for a cookie.
   */
  contest(now: number, route: Route<Connection>): Challenger | undefined;
  /** A connection whose handshake is not complete has lost its claim on the address. */
  departed(route: Route<Connection>, connection: Connection): void;
}

/** Paths by which one connection is reached: the one in use and those it came by lately. Two addresses here and three there make six. */
const MAX_ADDRESSES = 8;
/** Connections whose handshake is complete that may claim one address at a time. */
const MAX_OWNERS = 4;

/**
 * Which connections a datagram from an address is for.
 *
 * A verified check lets a connection claim its source address. It does not take the address from another connection: a
 * source address can be spoofed by anyone who has a session of his own. So claims stand side by side. Each connection whose handshake
 * is complete is given the datagrams and drops what it cannot authenticate, and only `settle`, for a connection that has proven that
 * it *receives* at an address, ends the other claims. That is how a page that is reloaded on the same port replaces its former self
 * at once, and how nobody replaces anybody else.
 *
 * Of those whose handshake is not complete only one can answer a ClientHello. A single one does. Where there are several, nobody
 * can tell yet whose hello it is; then a leader that is none of them answers, and hands the handshake over to the session that
 * names the certificate which the client shows. From the second ClientHello on at such an address the client has to return a cookie
 * first; until it does, whoever leads goes on.
 */
export class Routes<Connection extends Claimant<Connection>> {
  readonly #table: AddressTable<Connection>;
  readonly #host: RoutesHost<Connection>;
  #rounds = 0;

  /** @param random 30 bits that nobody outside knows */
  constructor(random: number, host: RoutesHost<Connection>) {
    this.#table = new AddressTable(random);
    this.#host = host;
  }

  /** Hands a datagram to whom it is for. False when nobody has claimed its source. */
  deliver(now: number, source: SocketAddress, datagram: Uint8Array): boolean {
    const route = this.#table.find(source);
    if (route === undefined) return false;
    if (route.sole !== undefined) {
      route.sole.handleDatagram(now, route, datagram);
      return true;
    }
    for (const owner of route.owners) owner.handleDatagram(now, route, datagram);
    this.#deliverHandshake(now, route, datagram);
    return true;
  }

  /** The sessions whose handshake with the address is not complete. */
  claimants(source: SocketAddress): readonly Connection[] {
    return this.#table.find(source)?.claimants ?? [];
  }

  /** Whether the handshake with the address is not, or not only, for this connection to lead. */
  isContested(source: SocketAddress, connection: Connection): boolean {
    const route = this.#table.find(source);
    if (route === undefined) return false;
    return route.leader === undefined ? route.claimants.length > 1 : route.leader !== connection;
  }

  /** Returns the object that stands for the address from now on. */
  claim(source: SocketAddress, connection: Connection): SocketAddress {
    const route = this.#table.find(source) ?? this.#table.add(source);
    if (connection.routes.includes(route)) return route;
    if (connection.established) this.#own(route, connection);
    else this.#addClaimant(route, connection);
    setSole(route);
    return this.#note(route, connection);
  }

  /** The connection's handshake is complete. */
  established(connection: Connection): void {
    for (const route of connection.routes) {
      route.claimants = without(route.claimants, connection);
      resign(route, connection);
      this.#own(route, connection);
      setSole(route);
    }
  }

  /** The connection receives at this address: whoever else claimed it gives it up. Returns those left without any address. */
  settle(source: SocketAddress, connection: Connection): Connection[] {
    const route = this.#table.find(source);
    if (route === undefined) return [];
    const others = [...route.owners, ...route.claimants].filter((other) => other !== connection);
    for (const other of others) this.#release(route, other);
    return others.filter((other) => other.routes.length === 0);
  }

  /** A leader has ended, or handed over. */
  forgetLeader(source: SocketAddress, leader: Leader): void {
    const route = this.#table.find(source);
    if (route === undefined) return;
    resign(route, leader);
    setSole(route);
  }

  releaseAll(connection: Connection): void {
    for (const route of [...connection.routes]) this.#release(route, connection);
  }

  #addClaimant(route: Route<Connection>, connection: Connection): void {
    const { claimants } = route;
    // Whose handshake has begun here leads it, whoever claims the address from now on.
    if (route.leader === undefined && claimants.length === 1 && claimants[0].isHandshakingAt(route)) {
      this.#lead(route, claimants[0]);
    }
    // It may be that a page was reloaded, and that the new one is there already.
    route.leader?.holdBack();
    if (route.listener === route.leader) route.listener = undefined;
    route.claimants = [...claimants, connection];
  }

  #deliverHandshake(now: number, route: Route<Connection>, datagram: Uint8Array): void {
    const { claimants, leader } = route;
    if (leader === undefined && claimants.length === 1) {
      claimants[0].handleDatagram(now, route, datagram);
      return;
    }
    const hello = clientRandom(datagram);
    if (hello !== undefined) this.#deliverHello(now, route, hello, datagram);
    else if (continuesHello(datagram)) this.#listen(now, route, datagram);
    else if (leader !== undefined) leader.handleDatagram(now, route, datagram);
    else {
      // The path has changed in the middle of a handshake.
      for (const claimant of claimants) {
        if (claimant.hello !== undefined) claimant.handleDatagram(now, route, datagram);
      }
    }
  }

  /** A datagram begins with a ClientHello that has this random. Another random than the leader's is another client's. */
  #deliverHello(now: number, route: Route<Connection>, hello: Uint8Array, datagram: Uint8Array): void {
    const { leader, listener } = route;
    if (leader !== undefined && isAwaiting(leader, hello)) {
      if (listener !== leader) this.#replaceListener(now, route, leader);
    } else if (listener === undefined || listener === leader || !isAwaiting(listener, hello)) {
      if (route.claimants.length === 0) return;
      this.#replaceListener(now, route, undefined);
      const isFirst = route.round === 0;
      route.listener = this.#host.contest(now, route);
      if (isFirst && route.listener !== undefined) this.#lead(route, route.listener);
    }
    this.#listen(now, route, datagram);
  }

  /** Only the leader is kept while it does not listen. */
  #replaceListener(now: number, route: Route<Connection>, listener: Leader | undefined): void {
    const before = route.listener;
    if (before !== route.leader) before?.giveWay(now);
    route.listener = listener;
  }

  #listen(now: number, route: Route<Connection>, datagram: Uint8Array): void {
    const { listener } = route;
    listener?.handleDatagram(now, route, datagram);
    // It may have ended meanwhile.
    if (listener === undefined || route.listener !== listener || listener === route.leader) return;
    const { stage } = listener as Challenger;
    if (stage === "asked") this.#replaceListener(now, route, undefined);
    else if (stage === "begun") {
      route.leader?.giveWay(now);
      this.#lead(route, listener);
    }
  }

  #lead(route: Route<Connection>, leader: Leader): void {
    route.leader = leader;
    route.round = ++this.#rounds;
  }

  #own(route: Route<Connection>, connection: Connection): void {
    // The first owner is never pushed out by later ones.
    if (route.owners.length >= MAX_OWNERS) this.#release(route, route.owners[1]);
    route.owners = [...route.owners, connection];
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

  #release(route: Route<Connection>, connection: Connection): void {
    if (route.claimants.includes(connection)) this.#host.departed(route, connection);
    route.claimants = without(route.claimants, connection);
    route.owners = without(route.owners, connection);
    resign(route, connection);
    setSole(route);
    connection.routes.splice(connection.routes.indexOf(route), 1);
    if (route.owners.length + route.claimants.length === 0) this.#table.remove(route);
  }
}

function setSole<Owner>(route: Route<Owner>): void {
  const { owners, claimants } = route;
  const isSole = owners.length + claimants.length === 1 && route.leader === undefined;
  route.sole = isSole ? (owners[0] ?? claimants[0]) : undefined;
}

/** Whether the hello is the one that it answers, or will. */
function isAwaiting({ hello: known }: Leader, hello: Uint8Array): boolean {
  return known === undefined || equalBytes(known, hello);
}

function resign<Owner>(route: Route<Owner>, leader: Leader): void {
  if (route.leader === leader) route.leader = undefined;
  if (route.listener === leader) route.listener = undefined;
}

function without<Owner>(list: readonly Owner[], owner: Owner): readonly Owner[] {
  if (!list.includes(owner)) return list;
  return list.length === 1 ? NOBODY : list.filter((other) => other !== owner);
}
