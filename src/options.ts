/**
 * Every limit of the library: unit, default and why. Nothing grows on the peer's word (house rule), so each queue,
 * table and reassembly buffer has its bound here.
 */

/** Limits of one SCTP association. */
export interface AssociationLimits {
  /** Largest message accepted from the peer and by `send`, in bytes. Announced as `a=max-message-size`. */
  maxMessageBytes: number;
  /** User bytes waiting for the congestion window, over all streams; beyond it the oldest unreliable message is dropped. */
  maxQueuedBytes: number;
  /** Our advertised receive window: user bytes held for reassembly or reordering. */
  receiveWindowBytes: number;
  /** DATA chunks held for reassembly or reordering. */
  maxReassemblyChunks: number;
  /** Streams we announce in each direction (OS/MIS), and so the highest number of channels. */
  maxStreams: number;
}

export const DEFAULT_ASSOCIATION_LIMITS: Readonly<AssociationLimits> = {
  // Both browsers assume 65,536 where an answer says nothing (BROWSERS.md), so nobody is surprised by it.
  maxMessageBytes: 65_536,
  // About a quarter of a second of a 60 Hz game with 1,000-byte messages, ten times over.
  maxQueuedBytes: 262_144,
  receiveWindowBytes: 262_144,
  maxReassemblyChunks: 1_024,
  maxStreams: 1_024,
};
