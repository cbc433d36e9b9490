import type { SocketAddress } from "../wire/address.ts";

/** Takes the datagrams of a handshake. */
export interface Leader {
  /** The random of the ClientHello that it answers; `undefined` before one. */
  readonly hello: Uint8Array | undefined;
  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void;
  /** A client has begun anew at the address: the handshake is over, and nobody is told. */
  giveWay(now: number): void;
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
}

/** One for all routes: most lists are empty. */
export const NOBODY: readonly never[] = [];

/**
 * Routes by remote address. Looked up once per datagram, so without building a key string: by port, and where several
 * addresses share a port by the text of the address.
 *
 * A peer chooses its port and often its address, and must not be able to choose what a look-up costs. Engines hash small
 * integers in a way that everybody can compute; so the key is the port under a mask that nobody outside knows.
 */
export class AddressTable<Owner> {
  readonly #portMask: number;
  /** The first route of each port. */
  readonly #byPort = new Map<number, Route<Owner>>();
  /** The other routes of a port, by address. */
  readonly #sharing = new Map<number, Map<string, Route<Owner>>>();
  #size = 0;

  /** @param portMask a random number of 30 bits: what is larger is no small integer to an engine */
  constructor(portMask: number) {
    this.#portMask = portMask;
  }

  get size(): number {
    return this.#size;
  }

  find({ address, port }: SocketAddress): Route<Owner> | undefined {
    const first = this.#byPort.get(port ^ this.#portMask);
    if (first === undefined || first.address === address) return first;
    return this.#sharing.get(port)?.get(address);
  }

  /** A route to nobody yet. The address must not be there. */
  add({ address, port }: SocketAddress): Route<Owner> {
    const route: Route<Owner> = {
      address,
      port,
      owners: NOBODY,
      claimants: NOBODY,
      sole: undefined,
      leader: undefined,
    };
    const key = port ^ this.#portMask;
    const sharing = this.#sharing.get(port);
    if (!this.#byPort.has(key)) this.#byPort.set(key, route);
    else if (sharing === undefined) this.#sharing.set(port, new Map([[address, route]]));
    else sharing.set(address, route);
    this.#size++;
    return route;
  }

  remove({ address, port }: Route<Owner>): void {
    const key = port ^ this.#portMask;
    const sharing = this.#sharing.get(port);
    if (this.#byPort.get(key)?.address !== address) {
      if (!sharing?.delete(address)) return;
    } else if (sharing === undefined) {
      this.#byPort.delete(key);
    } else {
      const [next] = sharing.values();
      sharing.delete(next.address);
      this.#byPort.set(key, next);
    }
    if (sharing?.size === 0) this.#sharing.delete(port);
    this.#size--;
  }
}
