import type { LiteSession } from "../ice/lite.ts";
import type { SignalledInit } from "../sctp/snap.ts";
import type { Connection } from "./connection.ts";
import type { PeerDescription } from "./settings.ts";

/** What the browser's offer says of itself: all that a connection needs to know of its peer. */
export interface RemoteDescription extends PeerDescription {
  /** The peer's ICE user fragment. */
  readonly ufrag: string;
  /** It carries DTLS in its checks (SPED). Default false. */
  readonly sped?: boolean;
}

/** What signalling agreed with one peer, before any datagram of it is believed. */
export interface Session extends LiteSession {
  /** `undefined` once the connection's DTLS handshake is complete. */
  remote: RemoteDescription | undefined;
  /** The application's own value for this peer. */
  readonly userData: unknown;
  /** When the session is forgotten if no check has verified by then, ms. */
  readonly expiresAt: number;
  /**
   * Our SCTP INIT for the answer, where the offer brought one that can be used: then SCTP needs no handshake. `undefined` too once
   * the DTLS handshake is complete.
   */
  signalledInit: SignalledInit | undefined;
  /** Set by the first verified check. */
  connection: Connection | undefined;
}
