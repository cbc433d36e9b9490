import type { RandomSource } from "../crypto/platform.ts";
import type { AssociationLimits } from "../limits.ts";
import type { DropCounters } from "../wire/drops.ts";
import type { MemoryAccount } from "../wire/memory-ledger.ts";
import type { RtoTimes } from "./rto.ts";

export interface AssociationOptions {
  random: RandomSource;
  drops: DropCounters;
  /** Where what is held for the peer is accounted for. Default: no budget. */
  memory?: MemoryAccount;
  /** Default {@link DEFAULT_ASSOCIATION_LIMITS}. */
  limits?: AssociationLimits;
  /** `a=sctp-port` of each side (RFC 8841). Default 5000. */
  localPort?: number;
  remotePort?: number;
  /** `a=max-message-size` of the peer, bytes; 0 for no limit (RFC 8841 §6). Default 65,536. */
  remoteMaxMessageBytes?: number;
  /**
   * 32 random bytes under which state cookies are sealed: one key for all associations of an endpoint (RFC 9260 §5.1.3), so that
   * none keeps its own. Default: an own one.
   */
  cookieKey?: Uint8Array | undefined;
  /** How old a COOKIE ECHO may be, ms. Default 60,000 (Valid.Cookie.Life, RFC 9260 §16). */
  cookieLifetimeMs?: number;
  /** Default {@link DEFAULT_RTO}. */
  rto?: RtoTimes;
  /** HEARTBEAT after this long without a message from the peer, ms. Default 0: none, ICE consent does it. */
  heartbeatIntervalMs?: number;
  /** Time-outs in a row that end the association (Association.Max.Retrans). Default 10. */
  maxRetransmissions?: number;
  /** Repetitions of INIT or COOKIE ECHO (Max.Init.Retransmits). Default 8. */
  maxInitRetransmissions?: number;
  /** Offers I-DATA and I-FORWARD-TSN (RFC 8260), which are used where the peer offers them too. Default {@link OFFERS_INTERLEAVING}. */
  interleaving?: boolean;
  /** Our tag and first TSN. Default: random. For tests, and for SNAP where signalling has named them already. */
  initiateTag?: number;
  initialTsn?: number;
}

// RFC 9260 §16.
export const COOKIE_LIFETIME_MS = 60_000;
export const MAX_RETRANSMISSIONS = 10;
export const MAX_INIT_RETRANSMISSIONS = 8;
export const OFFERS_INTERLEAVING = true;
/** What every WebRTC endpoint announces. */
export const DEFAULT_PORT = 5000;
/** RFC 8841 §6: what an absent `a=max-message-size` stands for is 64 KiB. */
export const DEFAULT_REMOTE_MESSAGE_BYTES = 65_536;
