import type { LiteSession } from "../ice/lite.ts";
import { SPED_OPTIONS } from "../ice/sped.ts";
import type { SignalledInit } from "../sctp/snap.ts";
import { fromBase64 } from "../wire/bytes.ts";
import { ownText } from "../wire/own-text.ts";
import type { WorkBudget } from "../wire/work-budget.ts";
import type { PeerDescription } from "./settings.ts";
import type { Blocks, Share } from "./shares.ts";

/** What the browser's offer says of itself: all that a connection needs to know of its peer. */
export interface RemoteDescription extends PeerDescription {
  /** The peer's ICE user fragment. */
  readonly ufrag: string;
  /** It carries DTLS in its checks (SPED). Default false. */
  readonly sped?: boolean;
}

/** What of an offer concerns its connection, as signalling has read it. */
interface OfferedPeer extends Omit<PeerDescription, "sctpInit"> {
  readonly ufrag: string;
  readonly iceOptions: readonly string[];
  /** In base64. */
  readonly sctpInit: string | undefined;
}

/** What is kept of an offer as long as its session or connection lives. Nothing of it refers to the offer's text. */
export function remoteDescription(offer: OfferedPeer): RemoteDescription {
  const { fingerprint, sctpPort, maxMessageBytes, sctpInit, iceOptions } = offer;
  return {
    ufrag: ownText(offer.ufrag),
    fingerprint,
    sctpPort,
    maxMessageBytes,
    sctpInit: sctpInit === undefined ? undefined : fromBase64(sctpInit),
    sped: iceOptions.some((tag) => SPED_OPTIONS.includes(tag)),
  };
}

/** What is kept of a session whose peer has offered again. */
export interface IceRestart {
  /** The latest under which a check has verified. */
  used: LiteSession;
  /** Given in an answer, and not seen in a check yet. */
  fresh: LiteSession | undefined;
  /** Those used before, which count until `beforeUntil`, ms. */
  before: LiteSession | undefined;
  beforeUntil: number;
  /** Offers that are still taken. */
  readonly budget: WorkBudget;
  /** Answers so far, the first one included. */
  answers: number;
}

/** What signalling agreed with one peer, before any datagram of it is believed. */
export interface Session extends LiteSession {
  /** `undefined` once the connection's DTLS handshake is complete. */
  remote: RemoteDescription | undefined;
  /** Under which blocks the address counts that signalled. */
  readonly signalledFrom: Blocks;
  /** The application's own value for this peer. */
  readonly userData: unknown;
  /** When the session is forgotten if no check has verified by then, ms. */
  readonly expiresAt: number;
  /**
   * Our SCTP INIT for the answer, where the offer brought one that can be used: then SCTP needs no handshake. `undefined` too once
   * the DTLS handshake is complete.
   */
  signalledInit: SignalledInit | undefined;
  /** What has changed since the first answer: the credentials above are those of that one. Kept by `IceRestarts`. */
  restart: IceRestart | undefined;
  // While it waits for its first check; kept by the endpoint.
  signalled: Share;
  source: Share;
  since: number;
  turn: number;
}
