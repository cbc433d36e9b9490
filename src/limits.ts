/**
 * Every limit of the library: unit, default and why. Nothing grows on the peer's word (house rule), so each queue,
 * table and reassembly buffer has its bound here.
 */

/** Limits of one SCTP association. */
export interface AssociationLimits {
  /** Largest message accepted from the peer and by `send`, in bytes. Announced as `a=max-message-size`. Default 65,536. */
  maxMessageBytes: number;
  /**
   * User bytes waiting for the congestion window, over all streams: of unreliable messages, beyond which the oldest is dropped,
   * and as many of reliable ones, beyond which they are refused. Of either at most 4,096 messages, however small. Default 262,144.
   */
  maxQueuedBytes: number;
  /**
   * Our advertised receive window (RFC 9260 §6.2): user bytes held for reassembly or reordering, and what the application has not
   * taken yet of reliable messages, 320 bytes more for each. With I-DATA (RFC 8260) up to sixteen times as much is held for
   * reassembly, because messages of all streams may be under way. It is at least `maxMessageBytes`. Default 262,144.
   */
  receiveWindowBytes: number;
  /**
   * The window doubles up to this where half of it comes within a round trip and the application takes it: 2 MB are 160 Mbit/s at
   * 100 ms. As much as `receiveWindowBytes` for one that does not grow. What is held counts for `maxMemoryBytesPerConnection` as
   * ever. Default 2,097,152.
   */
  maxReceiveWindowBytes: number;
  /**
   * Chunks held for reassembly or reordering; of I-DATA, what has come in order of a message is one. At least one for each 512 bytes
   * of `maxMessageBytes`. Default 1,024.
   */
  maxReassemblyChunks: number;
  /** Streams we announce in each direction (OS/MIS), and so the highest number of channels. Default 1,024. */
  maxStreams: number;
  /** Characters of all channels' labels and protocols together; channels that the peer opens beyond it are refused. Default 16,384. */
  maxNameCharacters: number;
}

export const DEFAULT_ASSOCIATION_LIMITS: Readonly<AssociationLimits> = {
  // Both browsers assume 65,536 where an answer says nothing (measured), so nobody is surprised by it.
  maxMessageBytes: 65_536,
  // About a quarter of a second of a 60 Hz game with 1,000-byte messages, ten times over.
  maxQueuedBytes: 262_144,
  receiveWindowBytes: 262_144,
  maxReceiveWindowBytes: 2_097_152,
  maxReassemblyChunks: 1_024,
  maxStreams: 1_024,
  // Sixteen for each of so many channels; without it they could hold 2 KiB each.
  maxNameCharacters: 16_384,
};

/**
 * Fragments that a message may come in: as of 512 bytes each. Peers fill packets of 1,200 bytes, but for some at the edge of their
 * congestion window; 576 bytes is the least path of IPv4.
 */
export function reassemblyChunksOf(maxMessageBytes: number): number {
  return Math.ceil(maxMessageBytes / 512);
}

/**
 * A message that can never come whole would be sent again and again, until the association ends.
 *
 * @throws RangeError for limits that contradict each other; names both
 */
export function checkTogether(
  limits: AssociationLimits & Pick<EndpointLimits, "maxMemoryBytes" | "maxMemoryBytesPerConnection">,
): void {
  const { maxMessageBytes, receiveWindowBytes, maxMemoryBytes, maxMemoryBytesPerConnection } = limits;
  const chunks = reassemblyChunksOf(maxMessageBytes);
  const atLeast = (name: string, value: number, least: number, why: string) => {
    if (value >= least) return;
    throw new RangeError(`limits.${name} must be at least ${least}, not ${value}: ${why}`);
  };
  const message = `a message of limits.maxMessageBytes (${maxMessageBytes})`;
  const window = `a window of limits.receiveWindowBytes (${receiveWindowBytes})`;
  atLeast("receiveWindowBytes", receiveWindowBytes, maxMessageBytes, `${message} must fit`);
  atLeast("maxReassemblyChunks", limits.maxReassemblyChunks, chunks, `${message} may come in so many fragments`);
  atLeast("maxMemoryBytesPerConnection", maxMemoryBytesPerConnection, receiveWindowBytes, `${window} must fit`);
  atLeast("maxMemoryBytes", maxMemoryBytes, receiveWindowBytes, `${window} must fit`);
}

/** Limits and times of one endpoint, that is of one UDP port. */
export interface EndpointLimits {
  /** Connections at once. Each takes two or three key slots of 1,216 bytes in WebAssembly memory, touched only when used. Default 8,192. */
  maxConnections: number;
  /**
   * Connections at once whose handshake was completed at one IPv4 address or in one IPv6 /64, whatever the ports; twice as many in a
   * /56, four times in a /48. Further checks from there go unanswered and are counted as `address-budget`. As many as
   * `maxConnections` where a load test comes from one machine, or where a forwarder in front of the server hides the addresses behind
   * its own. Default 1,024.
   */
  maxConnectionsPerAddress: number;
  /**
   * Sessions agreed by signalling whose first check has not come yet; beyond it, of those whose address signalled most the oldest is
   * forgotten. About 0.5 KB each. Default 4,096.
   */
  maxPendingSessions: number;
  /**
   * Connections whose handshake is not complete; beyond it one of those that hold most, or do not get on, makes room. Where there is
   * none, checks of further ones go unanswered, and browsers check again. Default 1,024.
   */
  maxHandshakes: number;
  /** The same for one IPv4 address or IPv6 /64; twice as many for a /56, four times for a /48. Default 256. */
  maxHandshakesPerAddress: number;
  /**
   * Handshakes that may begin a second in the long run, and `maxHandshakes` at once after a rest: each costs about a millisecond of a
   * core; one with secp384r1, which no browser asks for, counts as sixteen. Beyond it a ClientHello goes unanswered
   * (`handshake-budget`), and clients repeat it. Default 500.
   */
  maxHandshakesPerSecond: number;
  /** The same with one IPv4 address or IPv6 /64, and `maxHandshakesPerAddress` at once. Default 128. */
  maxHandshakesPerSecondPerAddress: number;
  /**
   * What all connections together may hold on their peers' word, in bytes: messages that wait to be sent, acknowledged or received,
   * incomplete ones, handshakes. Each connection may always hold its share of it, `maxMemoryBytes / maxConnections`; more while there
   * is room. One address block has as much as `maxConnectionsPerAddress` shares. Where a budget is full and another connection claims
   * its share, the one that holds the most is ended with `memory-limit`. Default 268,435,456.
   */
  maxMemoryBytes: number;
  /** The same for one connection: beyond it `send` refuses with `queue-full`, and what comes is dropped. Default 4,194,304. */
  maxMemoryBytesPerConnection: number;
  /** How long a session waits for its first check, ms. Browsers check for 11 to 16 s (measured). Default 30,000. */
  sessionTimeoutMs: number;
  /** From the first verified check to the first open data channel, ms. Default 20,000. */
  handshakeTimeoutMs: number;
  /**
   * A peer from which nothing authentic has come for this long is gone, ms. Browsers check every 2.7 to 6 s, and after half
   * of this time a HEARTBEAT asks for a sign of life, so that a few lost checks end nothing. Default 10,000.
   */
  idleTimeoutMs: number;
  /** First retransmission of a DTLS flight, ms; doubles from there. Default 200. */
  dtlsRetransmitMs: number;
  /** Largest UDP datagram we send, in bytes. 1,200 passes every path that browsers themselves rely on. Default 1,200. */
  mtuBytes: number;
}

export const DEFAULT_ENDPOINT_LIMITS: Readonly<EndpointLimits> = {
  maxConnections: 8_192,
  // A LAN party, a school, a carrier's NAT with some hundred players at once, and then some; but no address fills the server alone.
  maxConnectionsPerAddress: 1_024,
  maxPendingSessions: 4_096,
  maxHandshakes: 1_024,
  // A school whose 250 pages load at once; and 100 new clients a second of a load test, if each takes two seconds.
  maxHandshakesPerAddress: 256,
  // Most of a core at worst; and five times the 100 new clients a second of a load test.
  maxHandshakesPerSecond: 500,
  maxHandshakesPerSecondPerAddress: 128,
  // A share of 32 KiB for each of 8,192 connections: some hundred messages of a game. A process of Node.js has it beside its heap.
  maxMemoryBytes: 268_435_456,
  // The largest congestion window: at 100 ms some 300 Mbit/s of reliable messages. So it takes 64 such connections to fill the whole.
  maxMemoryBytesPerConnection: 4_194_304,
  sessionTimeoutMs: 30_000,
  handshakeTimeoutMs: 20_000,
  idleTimeoutMs: 10_000,
  dtlsRetransmitMs: 200,
  mtuBytes: 1_200,
};

/** Limits of one server beyond its endpoint's. */
export interface ServerLimits {
  /**
   * Messages of unreliable channels of one connection that wait for `recv`; beyond it the oldest is dropped and counted as
   * `receive-queue-full`. Those of reliable channels are never dropped: they narrow the peer's window; see `receiveWindowBytes`.
   * Default 8,192.
   */
  maxReceiveQueueMessagesPerConnection: number;
  /** The same in bytes of user data; for text, UTF-16 code units. One message always finds room. Default 4,194,304. */
  maxReceiveQueueBytesPerConnection: number;
  /** The same for all connections together; beyond it the connection with the most gives its oldest. Default 65,536. */
  maxReceiveQueueMessages: number;
  /** The same in bytes. Default 33,554,432. */
  maxReceiveQueueBytes: number;
  /** Largest signalling body in bytes. Offers are about 500 B (measured). Default 65,536. */
  maxOfferBytes: number;
  /** What one trace of a connection writes at most, capture and events together, in bytes; then it ends. Default 67,108,864. */
  maxTraceBytes: number;
  /** Size asked for the kernel's socket buffers, in bytes: at 1,200 B some 3,000 datagrams of a burst. Default 4,194,304. */
  socketBufferBytes: number;
}

export const DEFAULT_SERVER_LIMITS: Readonly<ServerLimits> = {
  // An eighth of all, so that seven loud ones leave room for the rest; at 80,000 messages a second a pause of 100 ms.
  maxReceiveQueueMessagesPerConnection: 8_192,
  maxReceiveQueueBytesPerConnection: 4_194_304,
  maxReceiveQueueMessages: 65_536,
  maxReceiveQueueBytes: 33_554_432,
  maxOfferBytes: 65_536,
  // Some 100,000 messages of a game with all their packets: half an hour at 60 Hz. A forgotten trace must not fill a disk.
  maxTraceBytes: 67_108_864,
  socketBufferBytes: 4_194_304,
};
