/** "Normal" (RFC 8831 §6.4). */
export const DEFAULT_PRIORITY = 256;

/** One message to send. The object is only read, and may be used again for the next. */
export interface OutgoingMessage {
  streamId: number;
  /** Payload protocol identifier (RFC 8831 §8). */
  ppid: number;
  /** One byte or more; copied. */
  data: Uint8Array;
  /** Default false. */
  ordered?: boolean;
  /** How often it is sent again at most. Default: as long as it takes; 0 is fire and forget. */
  maxRetransmits?: number;
  /** For how long it may be sent or sent again, ms. Default: as long as it takes. */
  lifetimeMs?: number;
  /** Share of the capacity where several streams have something to send, 128 to 1,024 (RFC 8831 §6.4). Default 256. */
  priority?: number;
  /** Exempt from `maxQueuedBytes` and `maxMessageBytes`: for DCEP, which no application sends. Default false. */
  exempt?: boolean;
}

/**
 * What became of a message:
 *
 * - `sent`: it leaves with the next flush, or has left.
 * - `queued`: it waits for the congestion window or for the handshake.
 * - `queue-full`: refused, because `maxQueuedBytes` of reliable messages wait already, or there is no memory for it.
 * - `too-large`: refused, because it exceeds `maxMessageBytes` of one side.
 * - `closed`: refused, because the association or the stream is closed.
 */
export type SendResult = "sent" | "queued" | "queue-full" | "too-large" | "closed";
