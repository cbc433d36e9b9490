/** What carries SCTP packets: DTLS, or nothing at all where SCTP itself is under test. */
export interface SecureTransport {
  /** Begins as the client. */
  start(now: number): void;
  handleDatagram(now: number, datagram: Uint8Array): void;
  /** One SCTP packet. */
  send(now: number, packet: Uint8Array): void;
  /** Tells the peer, where the transport has words for it, and ends. */
  close(now: number): void;
  handleTimeout(now: number): void;
  readonly nextDeadline: number;
}

export interface SecureTransportEvents {
  transmit(datagram: Uint8Array): void;
  connected(now: number): void;
  /** One SCTP packet; borrowed until the call returns. */
  packet(now: number, packet: Uint8Array): void;
  closed(now: number): void;
}

export type SecureTransportFactory = (events: SecureTransportEvents) => SecureTransport;

/** SCTP packets as bare datagrams. */
export const plainTransport: SecureTransportFactory = (events) => ({
  nextDeadline: Number.POSITIVE_INFINITY,
  start: (now) => events.connected(now),
  handleDatagram: (now, datagram) => events.packet(now, datagram),
  send: (_now, packet) => events.transmit(packet),
  close: () => {},
  handleTimeout: () => {},
});
