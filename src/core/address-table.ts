import type { SocketAddress } from "../wire/address.ts";

/** Takes the datagrams of a handshake. */
export interface Leader {
  /** The random of the ClientHello that it answers; `undefined` before one. */
  readonly hello: Uint8Array | undefined;
  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void;
  /** Somebody else claims the address, and may be there: flights go there only where they are asked for. */
  holdBack(): void;
  /** Another client is at the address: the handshake is over, and nobody is told. */
  giveWay(now: number): void;
}

/**
 * Answers a ClientHello where another one was answered before: it asks for a cookie, and nothing that costs much is done until that
 * comes back, which shows that the client receives at the address.
 */
export interface Challenger extends Leader {
  /**
   * `hearing`: the hello is not whole yet. `asked`: a cookie was asked for, and the rest is up to who brings it back. `begun`: the
   * cookie has come, and the handshake has begun.
   */
  readonly stage: "hearing" | "asked" | "begun";
}

/** One verified address, and the connections that verified it: nearly always one. It is the object that stands for its address. */
export interface Route<Owner> extends SocketAddress {
  /** Those whose handshake is complete, oldest claim first. */
  owners: readonly Owner[];
  /** Those whose handshake is not complete, oldest claim first. */
  claimants: readonly Owner[];
  /** The only one of both; `undefined` where there are several. */
  sole: Owner | undefined;
  /** Who leads the handshake with the address where there are several claimants, and one has begun. */
  leader: Leader | undefined;
  /** To whom the latest beginning of a ClientHello went, and its other fragments go. */
  listener: Leader | undefined;
  /** Stands for the handshake that began here last; each has another number. 0 before the first. Cookies are bound to it. */
  round: number;
}

/** One for all routes: most lists are empty. */
export const NOBODY: readonly never[] = [];

/**
 * Routes by remote address, and by our own where there are several. Looked up once per datagram, so without building a key string:
 * by the numbers, that is the port and `via`, and where several addresses share these by the text of the address.
 *
 * A peer chooses its port and often its address, and must not be able to choose what a look-up costs. Engines hash small
 * integers in a way that everybody can compute; so the key is these numbers under a mask that nobody outside knows.
 */
export class AddressTable<Owner> {
  readonly #mask: number;
  /** The first route of each key. */
  readonly #first = new Map<number, Route<Owner>>();
  /** The other routes of a key, by address. */
  readonly #sharing = new Map<number, Map<string, Route<Owner>>>();
  #size = 0;

  /** @param mask a random number of 30 bits: what is larger is no small integer to an engine */
  constructor(mask: number) {
    this.#mask = mask;
  }

  get size(): number {
    return this.#size;
  }

  find(at: SocketAddress): Route<Owner> | undefined {
    const { address } = at;
    const key = this.#keyOf(at);
    const first = this.#first.get(key);
    if (first === undefined || first.address === address) return first;
    return this.#sharing.get(key)?.get(address);
  }

  /** A route to nobody yet. The address must not be there. */
  add(at: SocketAddress): Route<Owner> {
    const { address, port, via } = at;
    const route: Route<Owner> = {
      address,
      port,
      via,
      owners: NOBODY,
      claimants: NOBODY,
      sole: undefined,
      leader: undefined,
      listener: undefined,
      round: 0,
    };
    const key = this.#keyOf(at);
    const sharing = this.#sharing.get(key);
    if (!this.#first.has(key)) this.#first.set(key, route);
    else if (sharing === undefined) this.#sharing.set(key, new Map([[address, route]]));
    else sharing.set(address, route);
    this.#size++;
    return route;
  }

  remove(route: Route<Owner>): void {
    const { address } = route;
    const key = this.#keyOf(route);
    const sharing = this.#sharing.get(key);
    if (this.#first.get(key)?.address !== address) {
      if (!sharing?.delete(address)) return;
    } else if (sharing === undefined) {
      this.#first.delete(key);
    } else {
      const [next] = sharing.values();
      sharing.delete(next.address);
      this.#first.set(key, next);
    }
    if (sharing?.size === 0) this.#sharing.delete(key);
    this.#size--;
  }

  #keyOf({ port, via = 0 }: SocketAddress): number {
    return ((via << 16) | port) ^ this.#mask;
  }
}
