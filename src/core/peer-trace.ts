import type { Channel } from "../channel/channel.ts";
import type { DtlsCloseReason, DtlsConnection, DtlsEvents } from "../dtls/connection.ts";
import type { CloseReason } from "../errors.ts";
import type { PacketTransport } from "../sctp/association.ts";
import type { SocketAddress } from "../wire/address.ts";

/** What somebody who looks inside one connection is told. Called synchronously; bytes are borrowed until the call returns. */
export interface PeerTrace {
  /** A datagram of this peer is about to be handled; {@link handled} follows. */
  datagramReceived(from: SocketAddress, datagram: Uint8Array): void;
  handled(): void;
  datagramSent(to: SocketAddress, datagram: Uint8Array): void;
  /** One SCTP packet in the clear. */
  packetReceived(packet: Uint8Array): void;
  packetSent(packet: Uint8Array): void;
  /** A line of the key log. */
  secret(line: string): void;
  /** These timers are due, and about to be handled. */
  timersExpired(timers: readonly string[]): void;
  dtlsClosed(reason: DtlsCloseReason): void;
  channelOpened(channel: Channel): void;
  channelClosed(channel: Channel): void;
  /** Nobody wants more of it. */
  stop(): void;
  /** The connection has ended; nothing follows. */
  ended(reason: CloseReason): void;
}

/** The peer that is traced: it takes what comes from DTLS. */
export interface TracedPeer extends Required<DtlsEvents> {
  readonly dtls: DtlsConnection | undefined;
}

/** Stands between DTLS and SCTP while a connection is traced, so that one which is not does nothing for it. */
export class TracedLayers implements DtlsEvents, PacketTransport {
  readonly #peer: TracedPeer;
  readonly #trace: PeerTrace;
  readonly #memory: Uint8Array;

  /** @param memory the datapath's */
  constructor(peer: TracedPeer, trace: PeerTrace, memory: Uint8Array) {
    this.#peer = peer;
    this.#trace = trace;
    this.#memory = memory;
  }

  // ——— from SCTP to DTLS ———

  get maxPacketBytes(): number {
    return this.#dtls.maxPacketBytes;
  }

  begin(): number {
    return this.#dtls.begin();
  }

  commit(now: number, packetOffset: number, length: number): void {
    // Before it is sealed in place.
    this.#trace.packetSent(this.#memory.subarray(packetOffset, packetOffset + length));
    this.#dtls.commit(now, packetOffset, length);
  }

  // ——— from DTLS ———

  transmit(datagram: Uint8Array): void {
    this.#peer.transmit(datagram);
  }

  applicationData(plaintext: Uint8Array): void {
    this.#trace.packetReceived(plaintext);
    this.#peer.applicationData(plaintext);
  }

  applicationDataAt(offset: number, length: number): void {
    this.#trace.packetReceived(this.#memory.subarray(offset, offset + length));
    this.#peer.applicationDataAt(offset, length);
  }

  writable(): void {
    this.#peer.writable();
  }

  connected(): void {
    this.#peer.connected();
  }

  closed(reason: DtlsCloseReason): void {
    this.#trace.dtlsClosed(reason);
    this.#peer.closed(reason);
  }

  /** There is one whenever one of these is called. */
  get #dtls(): DtlsConnection {
    return this.#peer.dtls!;
  }
}
