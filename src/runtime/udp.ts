import type { SocketAddress } from "../wire/address.ts";

/**
 * One bound UDP socket, as every runtime adapter offers it. The smallest interface the server needs: whoever owns a socket
 * of another kind can implement it.
 */
export interface UdpSocket {
  /** Where the socket is bound. */
  readonly localAddress: SocketAddress;
  /**
   * Hands one datagram to the operating system. Never throws on account of the network: what the system refuses
   * (unreachable, too large, buffers full) is lost like any datagram, and counted in `sendErrors`. `datagram` is borrowed until the
   * call returns.
   */
  send(datagram: Uint8Array, to: SocketAddress): void;
  /**
   * Binds the socket to one peer: everything goes there from now on, and nothing is received from elsewhere. That makes sending
   * cheaper; where the system cannot do it, all is as before. The system also chooses the source address by it, once: where that, or
   * the way from it, is gone, sending fails and the socket is free again. Where only the default route moves and the old address
   * stays, datagrams keep to that address, and if they no longer arrive only lost consent tells.
   */
  connect?(to: SocketAddress): void;
  /** The opposite. */
  disconnect?(): void;
  /** Set by the owner; called where the socket is free again because its source address, or the way from it, is gone. */
  onPathLost?: (() => void) | undefined;
  /** Called at the end of each turn; adapters that collect datagrams for one system call send them here. */
  flush?: (() => void) | undefined;
  /** Datagrams the operating system refused. */
  readonly sendErrors: number;
  /** Errors the operating system reported while receiving. */
  readonly receiveErrors: number;
  close(): Promise<void>;
}

export interface UdpOptions {
  /** IP address to bind. `::` takes IPv4 as well where the system allows it. */
  address: string;
  /** 0 for any free port. */
  port: number;
  /** Size of the kernel's receive and send buffers in bytes; the system may give less. */
  bufferBytes: number;
  /** What datagrams are sent from. Without it each is copied. */
  memory?: SendMemory | undefined;
  /** The port may be bound for other addresses, too. Default false. */
  isShared?: boolean;
  /** Noted in the addresses that datagrams come from. Default: none. */
  via?: number | undefined;
}

/** Memory from which datagrams are sent without a copy; sockets may share it. */
export interface SendMemory {
  /**
   * The system could not take a datagram at once and holds on to its bytes: until it has taken them all others are copied. Kept
   * by the sockets.
   */
  isHeld: boolean;
  /** What was sent last must stay as it is until the next such call. */
  keep(): void;
}

/** `datagram` is borrowed until the callback returns. */
export type DatagramHandler = (datagram: Uint8Array, from: SocketAddress) => void;

/** Binds a socket. Rejects with the system's error (EADDRINUSE, EADDRNOTAVAIL, EACCES). */
export type OpenUdp = (options: UdpOptions, onDatagram: DatagramHandler) => Promise<UdpSocket>;
