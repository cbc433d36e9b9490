import { createSocket, type Socket } from "node:dgram";
import { networkInterfaces } from "node:os";
import { isIpv6, isSameAddress, type SocketAddress, unmapAddress } from "../wire/address.ts";
import type { DatagramHandler, OpenUdp, SendMemory, UdpOptions, UdpSocket } from "./udp.ts";

/** What the system says where a socket's source address, or the way from it, is gone. */
const PATH_ERRORS = new Set(["EADDRNOTAVAIL", "EHOSTUNREACH", "EINVAL", "ENETDOWN", "ENETUNREACH"]);

/** Opens a `node:dgram` socket. */
export const openUdp: OpenUdp = async (options, onDatagram) => {
  const [type, family] = isIpv6(options.address) ? (["udp6", 6] as const) : (["udp4", 4] as const);
  const socket = createSocket({
    type,
    reuseAddr: options.isShared === true,
    // Addresses are always numeric: a synchronous answer saves dgram its detour (0.7 to 2.5 µs per datagram).
    lookup: (hostname, _options, callback) => callback(null, hostname, family),
  });
  await bind(socket, options);
  growBuffers(socket, options.bufferBytes);
  return new NodeUdpSocket(socket, onDatagram, options);
};

/** The machine's own addresses: IPv4 and global IPv6, loopback last. For announcing as candidates. */
export function interfaceAddresses(): string[] {
  const found: string[] = [];
  const loopback: string[] = [];
  for (const entries of Object.values(networkInterfaces())) {
    for (const { address, internal } of entries ?? []) {
      if (address.startsWith("fe80:")) continue; // Link-local: useless without a zone.
      (internal ? loopback : found).push(address);
    }
  }
  return [...found, ...loopback];
}

class NodeUdpSocket implements UdpSocket {
  readonly localAddress: SocketAddress;
  readonly #socket: Socket;
  readonly #mapped: boolean;
  readonly #memory: SendMemory | undefined;
  /** A datagram of ours that was not copied waits in the send queue. */
  #isHolding = false;
  /** The one peer that the socket is bound to. */
  #peer: SocketAddress | undefined;
  #closed: Promise<void> | undefined;
  onPathLost: (() => void) | undefined;
  sendErrors = 0;
  receiveErrors = 0;

  constructor(socket: Socket, onDatagram: DatagramHandler, { memory, via }: UdpOptions) {
    const { address, port, family } = socket.address();
    this.localAddress = { address, port };
    this.#socket = socket;
    // Deno's dgram cannot tell what it holds: there everything is copied.
    this.#memory = socket.getSendQueueCount === undefined ? undefined : memory;
    // On a dual-stack socket IPv4 peers appear, and are addressed, as ::ffff:a.b.c.d.
    this.#mapped = family === "IPv6";
    socket.on("error", () => this.receiveErrors++);
    socket.on("message", addressed(onDatagram, this.#mapped, via));
  }

  send(datagram: Uint8Array, to: SocketAddress): void {
    if (this.#closed !== undefined) return;
    if (to.port === 0) {
      // A sender may pretend to have port 0, and dgram throws for it.
      this.sendErrors++;
      return;
    }
    const isBorrowed = this.#memory?.isHeld === false;
    this.#pass(isBorrowed ? datagram : datagram.slice(), to);
    // The system takes a datagram at once unless its buffer is full. Then libuv keeps a pointer to the bytes.
    if (this.#isHolding) this.#release();
    else if (isBorrowed && this.#socket.getSendQueueCount() > 0) {
      this.#isHolding = true;
      this.#memory!.isHeld = true;
      this.#memory!.keep();
    }
  }

  connect(to: SocketAddress): void {
    // Deno's dgram would look the address up, and be neither bound nor free meanwhile.
    if (this.#closed !== undefined || this.#socket.getSendQueueCount === undefined) return;
    this.#socket.connect(to.port, this.#spelled(to.address));
    try {
      this.#socket.remoteAddress();
      this.#peer = to;
    } catch {
      // The system has refused, which it tells by an event that is counted.
    }
  }

  disconnect(): void {
    if (this.#peer === undefined) return;
    this.#peer = undefined;
    if (this.#closed === undefined) this.#socket.disconnect();
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#socket.close(() => resolve());
      if (this.#isHolding) this.#memory!.isHeld = false;
      this.#isHolding = false;
    });
    return this.#closed;
  }

  #pass(bytes: Uint8Array, to: SocketAddress): void {
    if (this.#peer === undefined) this.#socket.send(bytes, to.port, this.#spelled(to.address), this.#onSent);
    else if (to === this.#peer || isSameAddress(to, this.#peer)) this.#socket.send(bytes, this.#onSent);
    else this.sendErrors++;
  }

  #spelled(address: string): string {
    return this.#mapped && !isIpv6(address) ? `::ffff:${address}` : address;
  }

  #release(): void {
    if (this.#socket.getSendQueueCount() > 0) return;
    this.#isHolding = false;
    this.#memory!.isHeld = false;
  }

  readonly #onSent = (error: Error | null): void => {
    if (this.#isHolding) this.#release();
    if (error === null) return;
    this.sendErrors++;
    // The system chose a source address when it bound the socket. Where that has gone, it has to choose for each datagram again.
    if (this.#peer === undefined || !PATH_ERRORS.has((error as NodeJS.ErrnoException).code ?? "")) return;
    this.disconnect();
    this.onPathLost?.();
  };
}

/** What dgram calls for a datagram. Where there is nothing to change in its source, that is `onDatagram` itself. */
function addressed(onDatagram: DatagramHandler, mapped: boolean, via: number | undefined): DatagramHandler {
  if (mapped) {
    return (datagram, { address, port }) => onDatagram(datagram, { address: unmapAddress(address), port, via });
  }
  if (via === undefined) return onDatagram;
  return (datagram, { address, port }) => onDatagram(datagram, { address, port, via });
}

function bind(socket: Socket, { address, port, isShared }: UdpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      socket.close();
      reject(error);
    };
    socket.once("error", fail);
    socket.bind({ port, address, exclusive: isShared === true }, () => {
      socket.off("error", fail);
      resolve();
    });
  });
}

function growBuffers(socket: Socket, bytes: number): void {
  try {
    socket.setRecvBufferSize(bytes);
    socket.setSendBufferSize(bytes);
  } catch {
    // The system's own sizes serve too, only bursts are lost sooner.
  }
}
