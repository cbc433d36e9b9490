import type { RandomSource } from "../crypto/platform.ts";
import type { DropCounters } from "../wire/drops.ts";
import type { Tsn } from "../wire/serial.ts";
import { WorkBudget, type WorkRate } from "../wire/work-budget.ts";
import type { PacketAssembler } from "./assembler.ts";
import {
  missingCookie,
  protocolViolation,
  staleCookie,
  unrecognizedParameters,
  unresolvableAddress,
  writeAbort,
  writeError,
} from "./causes.ts";
import { COOKIE_KEY_BYTES, type CookieState, openCookie, sealCookie } from "./cookie.ts";
import { type InitFields, type ParsedInit, parseInit, writeInit, writeInitAck } from "./init.ts";
import { COOKIE_ACK, COOKIE_ECHO, writeChunk } from "./packet.ts";

/** What we know of the peer once the handshake has told us. */
export interface PeerParameters {
  readonly tag: number;
  readonly initialTsn: Tsn;
  /** Its first advertised window, bytes. */
  readonly receiveWindow: number;
  readonly outboundStreams: number;
  readonly inboundStreams: number;
  /**
   * Messages may be given up: by FORWARD TSN (RFC 3758), or with {@link interleaving} by I-FORWARD-TSN. RFC 8260 §2.3.1: either goes
   * with its own kind of DATA only.
   */
  readonly forwardTsn: boolean;
  readonly reconfig: boolean;
  /** Both sides list I-DATA: it carries every message, and DATA none (RFC 8260 §2.2.1). */
  readonly interleaving: boolean;
}

/**
 * INITs and COOKIE ECHOs that are looked at: each takes an HMAC and an answer, ten times the work of a message of its size. A peer
 * repeats either once a second, then ever less often (T1, RFC 9260 §5.1), and the network may double them.
 */
const HANDSHAKE_WORK: WorkRate = { burstUnits: 16, unitsPerSecond: 2 };

export type HandshakeFailure = "handshake-timeout" | "protocol-violation" | "restarted";

/** What a handshake does to the association around it. */
export interface HandshakeHost {
  /** The peer's parameters are known: DATA may be received, and sent behind a COOKIE ECHO. */
  peerKnown(peer: PeerParameters): void;
  established(now: number): void;
  failed(reason: HandshakeFailure): void;
}

export interface HandshakeOptions {
  local: InitFields;
  random: RandomSource;
  drops: DropCounters;
  /** Default: random, when it is needed. */
  cookieKey: Uint8Array | undefined;
  cookieLifetimeMs: number;
  /** T1-init and T1-cookie, ms: first, and at most after doubling. */
  timeoutMs: number;
  maxTimeoutMs: number;
  /** Max.Init.Retransmits (RFC 9260 §16). */
  maxRetransmits: number;
}

/**
 * Opening an association (RFC 9260 §5), as either side or as both at once.
 *
 * ```
 *            connect()            INIT ACK              COOKIE ACK
 *   idle ─────────────► cookie-wait ─────► cookie-echoed ─────► established
 *    │                       │                   │                  ▲
 *    └───────────────────────┴───────────────────┴── COOKIE ECHO ───┘
 * ```
 *
 * An INIT is answered in every state and changes none: what the peer said travels in the cookie, under our MAC, and comes
 * back with the COOKIE ECHO. A late or repeated INIT or COOKIE ECHO so leaves a live association as it is (§5.2).
 *
 * A restart (§5.2.4, case A: both tags new, and tie-tags that only the peer can have from us) ends the association instead
 * of starting it over. Below it there is a DTLS connection, which a peer that lost its SCTP state would have lost as well;
 * above it there are data channels that the peer no longer knows of.
 */
export class Handshake {
  readonly #options: HandshakeOptions;
  readonly #assembler: PacketAssembler;
  readonly #host: HandshakeHost;
  #cookieKey: Uint8Array | undefined;
  #state: "idle" | "cookie-wait" | "cookie-echoed" | "established" = "idle";
  #peer: PeerParameters | undefined;
  #cookieEcho: Uint8Array | undefined;
  /** Made for the first INIT or COOKIE ECHO, and again for the first of an association that is established: most see none. */
  #budget: WorkBudget | undefined;
  #attempts = 0;
  #timeoutMs = 0;
  /** T1-init or T1-cookie, absolute ms. */
  deadline = Number.POSITIVE_INFINITY;

  constructor(options: HandshakeOptions, assembler: PacketAssembler, host: HandshakeHost) {
    this.#options = options;
    this.#assembler = assembler;
    this.#cookieKey = options.cookieKey;
    this.#host = host;
  }

  get state(): "idle" | "cookie-wait" | "cookie-echoed" | "established" {
    return this.#state;
  }

  get peer(): PeerParameters | undefined {
    return this.#peer;
  }

  /** Our INIT chunk, also for `a=sctp-init`. */
  initChunk(): Uint8Array {
    return writeInit(this.#options.local);
  }

  /** Sends an INIT (§5.1 A). Does nothing once the handshake has begun. */
  connect(now: number): void {
    if (this.#state !== "idle") return;
    this.#state = "cookie-wait";
    this.#assembler.alone(now, this.initChunk(), 0);
    this.#startTimer(now);
  }

  /** Takes the peer's INIT as exchanged by signalling, and ours as known to the peer: no handshake is left to do. */
  establish(now: number, init: ParsedInit): boolean {
    if (this.#state !== "idle" || !isAcceptable(init)) return false;
    this.#learn(peerOf(init, this.#options.local));
    this.#enterEstablished(now);
    return true;
  }

  /** INIT (§5.1 B, §5.2.1, §5.2.2): answered statelessly. */
  handleInit(now: number, body: Uint8Array): void {
    if (!this.#affords(now)) return;
    const init = parseInit(body);
    // §3.3.2: "If the value of the Initiate Tag … is found to be 0, the receiver MUST silently discard the packet."
    if (init === undefined || init.initiateTag === 0) {
      this.#options.drops.count("sctp-malformed");
      return;
    }
    if (!isAcceptable(init)) {
      const cause = init.hostName ? unresolvableAddress() : protocolViolation("no streams");
      this.#assembler.alone(now, writeAbort(0, cause), init.initiateTag);
      return;
    }
    const { local } = this.#options;
    const peer = this.#peer;
    const live = this.#state === "established" && peer !== undefined;
    // §5.2.1: before the association is up "using the same parameters it sent in its original INIT chunk (including its
    // Initiate Tag, unchanged)". §5.2.2: afterwards a new tag, and the tie-tags of the association that exists.
    const answer: InitFields = live ? { ...local, initiateTag: randomTag(this.#options.random) } : local;
    const cookie = sealCookie(this.#key(), {
      localTag: answer.initiateTag,
      peerTag: init.initiateTag,
      localInitialTsn: answer.initialTsn,
      peerInitialTsn: init.initialTsn,
      peerWindow: init.receiveWindow,
      peerOutboundStreams: init.outboundStreams,
      peerInboundStreams: init.inboundStreams,
      forwardTsn: init.forwardTsn,
      reconfig: init.reconfig,
      interleaving: init.interleaving,
      iForwardTsn: init.iForwardTsn,
      tieLocalTag: peer === undefined ? 0 : local.initiateTag,
      tiePeerTag: peer === undefined ? 0 : peer.tag,
      createdAt: now,
    });
    this.#assembler.alone(now, writeInitAck(answer, cookie, init.unrecognized), init.initiateTag);
  }

  /** INIT ACK (§5.1 C). §5.2.3: "If an INIT ACK chunk is received by an endpoint in any state other than COOKIE-WAIT …, the
   * endpoint SHOULD discard" it. */
  handleInitAck(now: number, body: Uint8Array): void {
    const { local } = this.#options;
    if (this.#state !== "cookie-wait") {
      this.#options.drops.count("sctp-unexpected");
      return;
    }
    const init = parseInit(body);
    if (init === undefined || init.initiateTag === 0) {
      this.#options.drops.count("sctp-malformed");
      return;
    }
    if (!isAcceptable(init) || init.cookie === undefined) {
      const cause = init.cookie === undefined ? missingCookie() : protocolViolation("no streams");
      this.#assembler.alone(now, writeAbort(0, cause), init.initiateTag);
      this.#fail("protocol-violation");
      return;
    }
    this.#learn(peerOf(init, local));
    this.#state = "cookie-echoed";
    this.#cookieEcho = writeChunk(COOKIE_ECHO, 0, init.cookie);
    this.#assembler.control(this.#cookieEcho);
    if (init.unrecognized.length > 0) this.#assembler.control(writeError(unrecognizedParameters(init.unrecognized)));
    this.#startTimer(now);
  }

  /**
   * COOKIE ECHO (§5.1 D, §5.2.4).
   *
   * @param tag verification tag of its packet
   * @returns true where the cookie is good for this association, so that the rest of the packet may be handled
   */
  handleCookieEcho(now: number, body: Uint8Array, tag: number): boolean {
    if (!this.#affords(now)) return false;
    const { local, drops } = this.#options;
    const cookie = openCookie(this.#key(), body);
    // §5.1.5 1–3: the MAC, then the tags, or "silently discard".
    if (cookie === undefined || cookie.localTag !== tag) {
      drops.count("sctp-bad-cookie");
      return false;
    }
    const sameLocal = cookie.localTag === local.initiateTag;
    const samePeer = cookie.peerTag === this.#peer?.tag;
    const age = now - cookie.createdAt;
    // §5.1.5 4, §5.2.4 3: a stale one is refused, except where both tags are those of the association that exists.
    if (age > this.#options.cookieLifetimeMs && !(sameLocal && samePeer)) {
      drops.count("sctp-stale-cookie");
      const stale = staleCookie(age - this.#options.cookieLifetimeMs);
      this.#assembler.alone(now, writeError(stale), cookie.peerTag);
      return false;
    }
    if (!sameLocal) return this.#foreignCookie(cookie, samePeer);
    // §5.2.4: B (the peer's tag is another, or not known yet) and D (both tags are ours).
    if (!samePeer && this.#state === "established") {
      // The peer chose a new tag for one association; it has our INIT ACK twice. Nothing else of it changes.
      drops.count("sctp-unexpected");
      return false;
    }
    if (!samePeer) this.#learn(peerOfCookie(cookie, local));
    this.#assembler.control(writeChunk(COOKIE_ACK, 0));
    this.#enterEstablished(now);
    return true;
  }

  /** COOKIE ACK (§5.1 E), or DATA, which only a peer can send that took our COOKIE ECHO. */
  handleCookieAck(now: number): void {
    if (this.#state === "cookie-echoed") this.#enterEstablished(now);
  }

  /** ERROR with a stale cookie (§5.2.6): start over with a new INIT. */
  handleStaleCookie(now: number): void {
    if (this.#state !== "cookie-echoed") return;
    this.#state = "cookie-wait";
    this.#cookieEcho = undefined;
    this.#assembler.alone(now, this.initChunk(), 0);
    this.#arm(now);
  }

  /** T1-init or T1-cookie expired (§4, §5.1): send again, less and less often. */
  timeout(now: number): void {
    this.deadline = Number.POSITIVE_INFINITY;
    if (++this.#attempts > this.#options.maxRetransmits) {
      this.#fail("handshake-timeout");
      return;
    }
    if (this.#state === "cookie-wait") this.#assembler.alone(now, this.initChunk(), 0);
    else if (this.#cookieEcho !== undefined) this.#assembler.control(this.#cookieEcho);
    this.#timeoutMs = Math.min(this.#options.maxTimeoutMs, this.#timeoutMs * 2);
    this.#arm(now);
  }

  /** A cookie that was made with another tag of ours: for an INIT that came while the association was up. */
  #foreignCookie(cookie: CookieState, samePeer: boolean): boolean {
    const { local, drops } = this.#options;
    drops.count("sctp-unexpected");
    const tied = cookie.tieLocalTag === local.initiateTag && cookie.tiePeerTag === this.#peer?.tag;
    // Case A; see above why it is the end. Case C and all that the table does not list: "silently discard".
    if (tied && !samePeer && this.#state === "established") this.#fail("restarted");
    return false;
  }

  #affords(now: number): boolean {
    this.#budget ??= new WorkBudget(HANDSHAKE_WORK);
    if (this.#budget.spend(now, 1)) return true;
    this.#options.drops.count("sctp-work-limit");
    return false;
  }

  #learn(peer: PeerParameters): void {
    this.#peer = peer;
    this.#host.peerKnown(peer);
  }

  #enterEstablished(now: number): void {
    if (this.#state === "established") return;
    this.#state = "established";
    this.#cookieEcho = undefined;
    this.#budget = undefined;
    this.deadline = Number.POSITIVE_INFINITY;
    this.#host.established(now);
  }

  #fail(reason: HandshakeFailure): void {
    this.deadline = Number.POSITIVE_INFINITY;
    this.#host.failed(reason);
  }

  #startTimer(now: number): void {
    this.#attempts = 0;
    this.#timeoutMs = this.#options.timeoutMs;
    this.#arm(now);
  }

  #arm(now: number): void {
    this.deadline = now + this.#timeoutMs;
  }

  #key(): Uint8Array {
    this.#cookieKey ??= this.#options.random(COOKIE_KEY_BYTES);
    return this.#cookieKey;
  }
}

/** A tag that is not 0 (RFC 9260 §5.3.1). */
export function randomTag(random: RandomSource): number {
  const bytes = random(4);
  return ((bytes[0] << 24) | (bytes[1] << 16) | (bytes[2] << 8) | bytes[3]) >>> 0 || 1;
}

/** §3.3.2: no stream in one direction, or a host name, and the association cannot be. */
export function isAcceptable(init: ParsedInit): boolean {
  return init.outboundStreams > 0 && init.inboundStreams > 0 && !init.hostName && init.initiateTag !== 0;
}

function peerOf(init: ParsedInit, local: InitFields): PeerParameters {
  return {
    tag: init.initiateTag,
    initialTsn: init.initialTsn,
    receiveWindow: init.receiveWindow,
    outboundStreams: init.outboundStreams,
    inboundStreams: init.inboundStreams,
    reconfig: init.reconfig,
    ...agreed(init, local),
  };
}

function peerOfCookie(cookie: CookieState, local: InitFields): PeerParameters {
  return {
    tag: cookie.peerTag,
    initialTsn: cookie.peerInitialTsn,
    receiveWindow: cookie.peerWindow,
    outboundStreams: cookie.peerOutboundStreams,
    inboundStreams: cookie.peerInboundStreams,
    reconfig: cookie.reconfig,
    ...agreed(cookie, local),
  };
}

/** RFC 8260 §2.2.1, §2.3.1: what both sides list is agreed on. */
function agreed(
  peer: { interleaving: boolean; forwardTsn: boolean; iForwardTsn: boolean },
  local: InitFields,
): { interleaving: boolean; forwardTsn: boolean } {
  const interleaving = local.interleaving && peer.interleaving;
  return { interleaving, forwardTsn: interleaving ? peer.iForwardTsn : peer.forwardTsn };
}
