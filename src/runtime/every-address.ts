import type { SocketAddress } from "../wire/address.ts";
import type { DatagramHandler, OpenUdp, UdpOptions, UdpSocket } from "./udp.ts";

/** Sockets beside the one for all addresses. A machine has a few addresses; one that routes for containers may have hundreds. */
const MAX_ADDRESSES = 32;
/** Attempts to find a free port for all of them. */
const MAX_ATTEMPTS = 8;

/**
 * The same `openUdp`, for a machine with several addresses: beside the socket that is bound to all of them one for each, with the
 * same port. The system hands a datagram to the socket that is bound to its destination, and sends an answer from there. From a
 * socket that is bound to all it would choose the source by the route, and the peer drops what comes from an address that it has
 * not asked. No runtime can name a source address with a datagram (IP_PKTINFO).
 *
 * The socket for all of them takes what comes to other addresses, such as those of an interface that comes up later.
 *
 * @param addresses those of this machine, the important ones first; one that cannot be bound is left out
 */
export function openEveryAddress(openUdp: OpenUdp, addresses: readonly string[]): OpenUdp {
  return async (options, onDatagram) => {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort(openUdp, options);
      try {
        return await openAll(openUdp, { ...options, port }, addresses.slice(0, MAX_ADDRESSES), onDatagram);
      } catch (error) {
        // Somebody else was quicker. A port that was asked for stays what it is.
        if (options.port !== 0 || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  };
}

/** A port that nobody has: one that may be shared could be that of another server, whose datagrams it would take. */
async function freePort(openUdp: OpenUdp, options: UdpOptions): Promise<number> {
  const alone = await openUdp(options, () => {});
  await alone.close();
  return alone.localAddress.port;
}

async function openAll(
  openUdp: OpenUdp,
  options: UdpOptions,
  addresses: readonly string[],
  onDatagram: DatagramHandler,
): Promise<UdpSocket> {
  const forAll = await openUdp({ ...options, isShared: true, via: 0 }, onDatagram);
  const sockets = [forAll];
  for (const address of addresses) {
    try {
      sockets.push(await openUdp({ ...options, address, isShared: true, via: sockets.length }, onDatagram));
    } catch {
      // Gone again, or a system that does not share ports in this way. The socket for all addresses takes what comes there.
    }
  }
  return sockets.length === 1 ? forAll : new AddressSockets(sockets);
}

/** Several sockets as one: each datagram leaves by the socket that `via` names. */
class AddressSockets implements UdpSocket {
  readonly #sockets: readonly UdpSocket[];
  readonly flush: (() => void) | undefined;

  constructor(sockets: readonly UdpSocket[]) {
    this.#sockets = sockets;
    if (sockets.some((socket) => socket.flush !== undefined)) this.flush = this.#flush;
  }

  get localAddress(): SocketAddress {
    return this.#sockets[0].localAddress;
  }

  get sendErrors(): number {
    return this.#sockets.reduce((sum, socket) => sum + socket.sendErrors, 0);
  }

  get receiveErrors(): number {
    return this.#sockets.reduce((sum, socket) => sum + socket.receiveErrors, 0);
  }

  send(datagram: Uint8Array, to: SocketAddress): void {
    this.#sockets[to.via ?? 0].send(datagram, to);
  }

  async close(): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => socket.close()));
  }

  readonly #flush = (): void => {
    for (const socket of this.#sockets) socket.flush!();
  };
}
