import { isIpv6, type SocketAddress, unmapAddress } from "../wire/address.ts";
import { DatagramPool } from "./datagram-pool.ts";
import type { DatagramHandler, OpenUdp, UdpSocket } from "./udp.ts";

/** What is used here of `Deno`, with --unstable-net. */
interface DenoNet {
  listenDatagram(options: { transport: "udp"; hostname: string; port: number; reuseAddress: boolean }): DatagramConn;
}

interface NetAddr {
  readonly transport: "udp";
  readonly hostname: string;
  readonly port: number;
}

interface DatagramConn {
  readonly addr: NetAddr;
  receive(buffer: Uint8Array): Promise<[Uint8Array, NetAddr]>;
  send(datagram: Uint8Array, to: NetAddr): Promise<number>;
  close(): void;
}

/** `Deno`, where this is Deno and it offers UDP of its own. */
export function denoRuntime(): DenoNet | undefined {
  const { Deno } = globalThis as { Deno?: Partial<DenoNet> };
  return typeof Deno?.listenDatagram === "function" ? (Deno as DenoNet) : undefined;
}

/** The largest UDP payload there is, and more. */
const MAX_DATAGRAM_BYTES = 65_536;
/** Datagrams that may be on their way into the system at once without an allocation. */
const POOLED_DATAGRAMS = 256;
/** Between two attempts to receive, while the system only reports errors. */
const ERROR_PAUSE_MS = 10;

/** Opens a `Deno.listenDatagram` socket. Deno has no call for the size of the kernel's buffers: `bufferBytes` goes unused. */
export const openUdp: OpenUdp = async (
  { address: hostname, port, isShared: reuseAddress = false, via },
  onDatagram,
) => {
  const conn = denoRuntime()!.listenDatagram({ transport: "udp", hostname, port, reuseAddress });
  return new DenoUdpSocket(conn, onDatagram, via);
};

class DenoUdpSocket implements UdpSocket {
  readonly localAddress: SocketAddress;
  readonly #conn: DatagramConn;
  readonly #onDatagram: DatagramHandler;
  readonly #mapped: boolean;
  readonly #via: number | undefined;
  readonly #pool = new DatagramPool(POOLED_DATAGRAMS);
  readonly #received: Promise<void>;
  #inFlight = 0;
  #closed = false;
  sendErrors = 0;
  receiveErrors = 0;

  constructor(conn: DatagramConn, onDatagram: DatagramHandler, via: number | undefined) {
    const { hostname, port } = conn.addr;
    this.localAddress = { address: hostname, port };
    this.#conn = conn;
    this.#onDatagram = onDatagram;
    this.#mapped = isIpv6(hostname);
    this.#via = via;
    this.#received = this.#receive();
  }

  send(datagram: Uint8Array, to: SocketAddress): void {
    if (this.#closed) return;
    // Deno offers the bytes to the system at once, but where that is busy it offers them again later: they need to be ours.
    const copy = this.#inFlight < POOLED_DATAGRAMS ? this.#pool.copy(datagram) : datagram.slice();
    const hostname = this.#mapped && !isIpv6(to.address) ? `::ffff:${to.address}` : to.address;
    this.#inFlight++;
    this.#conn.send(copy, { transport: "udp", hostname, port: to.port }).then(this.#onSent, this.#onRefused);
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#conn.close();
    }
    return this.#received;
  }

  async #receive(): Promise<void> {
    const buffer = new Uint8Array(MAX_DATAGRAM_BYTES);
    while (!this.#closed) {
      try {
        const [datagram, from] = await this.#conn.receive(buffer);
        const address = this.#mapped ? unmapAddress(from.hostname) : from.hostname;
        if (!this.#closed) this.#onDatagram(datagram, { address, port: from.port, via: this.#via });
      } catch {
        if (this.#closed) return;
        this.receiveErrors++;
        await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
      }
    }
  }

  readonly #onSent = (): void => {
    this.#inFlight--;
  };

  readonly #onRefused = (): void => {
    this.#inFlight--;
    if (!this.#closed) this.sendErrors++;
  };
}
