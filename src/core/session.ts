import type { LiteSession } from "../ice/lite.ts";
import type { Connection } from "./connection.ts";

/** What the browser's offer says of itself: all that a connection needs to know of its peer. */
export interface RemoteDescription {
  /** The peer's ICE user fragment. */
  readonly ufrag: string;
  /** SHA-256 over the peer's certificate, 32 bytes (RFC 8122 §5). */
  readonly fingerprint: Uint8Array;
  /** The peer's SCTP port (RFC 8841 §5); 5000 in both browsers. */
  readonly sctpPort: number;
  /** Largest message the peer takes, in bytes; 0 for no limit (RFC 8841 §6). */
  readonly maxMessageBytes: number;
}

/** What signalling agreed with one peer, before any datagram of it is believed. */
export interface Session extends LiteSession {
  readonly remote: RemoteDescription;
  /** The application's own value for this peer. */
  readonly userData: unknown;
  /** When the session is forgotten if no check has verified by then, ms. */
  readonly expiresAt: number;
  /** Set by the first verified check. */
  connection: Connection | undefined;
}
