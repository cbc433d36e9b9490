import { isIpv6, type SocketAddress, unmapAddress } from "../wire/address.ts";
import { DatagramPool } from "./datagram-pool.ts";
import type { DatagramHandler, OpenUdp, UdpOptions, UdpSocket } from "./udp.ts";

/** What is used here of `Bun`. */
interface BunNet {
  udpSocket(options: {
    hostname: string;
    port: number;
    flags?: number;
    binaryType: "uint8array";
    socket: {
      data(socket: BunSocket, datagram: Uint8Array, port: number, address: string): void;
      drain(socket: BunSocket): void;
      error(socket: BunSocket, error: unknown): void;
    };
  }): Promise<BunSocket>;
}

interface BunSocket {
  readonly address: { readonly address: string; readonly port: number };
  /** Datagram, port, address, over and over. How many of them the system took; throws the error of the first. */
  sendMany(packets: readonly (Uint8Array | number | string)[]): number;
  close(): void;
}

/** `Bun`, where this is Bun. */
export function bunRuntime(): BunNet | undefined {
  const { Bun } = globalThis as { Bun?: Partial<BunNet> };
  return typeof Bun?.udpSocket === "function" ? (Bun as BunNet) : undefined;
}

/** What Bun's own node:dgram passes for `reuseAddr`. Where a Bun does not know it, the port cannot be shared. */
const REUSE_ADDRESS = 16;
/** Datagrams that go into one system call. */
const BATCH = 64;
/** Datagrams that may wait while the system's buffer is full; beyond it they are lost, as they would be in the system. */
const MAX_WAITING = 512;
/** Elements of the flat array that make one datagram. */
const STRIDE = 3;

/**
 * Opens a `Bun.udpSocket`. Datagrams are collected and sent many at a time. Bun has no call for the size of the kernel's
 * buffers: `bufferBytes` goes unused.
 */
export const openUdp: OpenUdp = async (options, onDatagram) => {
  const adapter = new BunUdpSocket(onDatagram);
  await adapter.open(options);
  return adapter;
};

class BunUdpSocket implements UdpSocket {
  localAddress!: SocketAddress;
  readonly #onDatagram: DatagramHandler;
  #socket: BunSocket | undefined;
  readonly #pool = new DatagramPool(MAX_WAITING);
  /** Datagram, port, address of each that waits, oldest first. */
  #waiting: (Uint8Array | number | string)[] = [];
  #flushScheduled = false;
  sendErrors = 0;
  receiveErrors = 0;

  constructor(onDatagram: DatagramHandler) {
    this.#onDatagram = onDatagram;
  }

  async open({ address, port, isShared, via }: UdpOptions): Promise<void> {
    const mapped = isIpv6(address);
    const socket = await bunRuntime()!.udpSocket({
      hostname: address,
      port,
      ...(isShared && { flags: REUSE_ADDRESS }),
      binaryType: "uint8array",
      socket: {
        data: (_, datagram, port, address) => {
          this.#onDatagram(datagram, { address: mapped ? unmapAddress(address) : address, port, via });
        },
        drain: () => this.flush(),
        error: () => {
          this.receiveErrors++;
        },
      },
    });
    this.#socket = socket;
    this.localAddress = { address: socket.address.address, port: socket.address.port };
  }

  send(datagram: Uint8Array, to: SocketAddress): void {
    if (this.#socket === undefined) return;
    // Bun throws for port 0, which a sender may pretend to have.
    if (to.port === 0 || this.#waiting.length >= STRIDE * MAX_WAITING) {
      this.sendErrors++;
      return;
    }
    this.#waiting.push(this.#pool.copy(datagram), to.port, to.address);
    if (this.#waiting.length === STRIDE * BATCH) this.flush();
    else if (!this.#flushScheduled) {
      // Not everything that is sent comes with a flush of the owner's.
      this.#flushScheduled = true;
      setImmediate(this.#scheduledFlush);
    }
  }

  flush(): void {
    let failedBefore = false;
    while (this.#socket !== undefined && this.#waiting.length > 0) {
      try {
        const sent = this.#socket.sendMany(this.#waiting);
        if (failedBefore) this.receiveErrors++;
        failedBefore = false;
        if (sent === 0) return; // The buffer is full; `drain` comes when there is room.
        this.#shift(sent);
      } catch {
        // Either the system reports what became of an earlier datagram (ICMP), once, or it refuses the first of these, always.
        if (failedBefore) {
          this.#shift(1);
          this.sendErrors++;
        }
        failedBefore = !failedBefore;
      }
    }
  }

  async close(): Promise<void> {
    this.flush();
    this.#socket?.close();
    this.#socket = undefined;
  }

  #shift(datagrams: number): void {
    if (STRIDE * datagrams === this.#waiting.length) this.#waiting.length = 0;
    else this.#waiting.splice(0, STRIDE * datagrams);
  }

  readonly #scheduledFlush = (): void => {
    this.#flushScheduled = false;
    this.flush();
  };
}
