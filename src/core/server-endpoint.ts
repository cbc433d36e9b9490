import type { Channel } from "../channel/channel.ts";
import type { CloseReason } from "../errors.ts";
import { GROUP_SECP384R1 } from "../dtls/extensions.ts";
import { generateCredentials, type IceCredentials } from "../ice/credentials.ts";
import { answerCheck, type LiteSession, successResponse } from "../ice/lite.ts";
import { dtlsInCheck } from "../ice/sped.ts";
import { localUfragOf, parseBindingRequest, type StunMessage } from "../ice/stun.ts";
import { checkNames } from "../application/names.ts";
import { COOKIE_KEY_BYTES } from "../sctp/cookie.ts";
import { createSignalledInit, parseSignalledInit, type SignalledInit } from "../sctp/snap.ts";
import { checkTogether } from "../limits.ts";
import { Datapath, MAX_KEY_SLOTS } from "../wasm/datapath.ts";
import type { SocketAddress } from "../wire/address.ts";
import { ByteReader, equalBytes } from "../wire/bytes.ts";
import { DropCounters } from "../wire/drops.ts";
import { MemoryLedger } from "../wire/memory-ledger.ts";
import type { Route } from "./address-table.ts";
import { Agenda } from "./agenda.ts";
import { Connection } from "./server-connection.ts";
import { Contest, type ContestHost } from "./contest.ts";
import { DepartedClaims } from "./departed-claims.ts";
import { IceRestarts } from "./ice-restarts.ts";
import type { PeerEvents } from "./peer.ts";
import { HandshakeBudget } from "./handshake-budget.ts";
import { NOWHERE, type Origin, Places } from "./places.ts";
import { Routes, type RoutesHost } from "./routes.ts";
import type { RemoteDescription, Session } from "./session.ts";
import { SessionTokens } from "./session-tokens.ts";
import { PEER_SETTINGS, type PeerDescription, type PeerSettings } from "./settings.ts";
import { type Blocks, blocksOf, Shares, UNKNOWN } from "./shares.ts";

export type EndpointOptions = PeerSettings;

/** What comes out of an endpoint. Called synchronously from within it: the shell queues, and calls user code later. */
export interface EndpointEvents extends PeerEvents {
  /** One UDP datagram; borrowed until the call returns. */
  transmit(datagram: Uint8Array, destination: SocketAddress): void;
  /** A session has become a connection: its first check has verified, and is handled next. Whoever wants to trace it begins here. */
  begun?(connection: Connection): void;
  opened(connection: Connection): void;
  message(connection: Connection, channel: Channel, data: Uint8Array | string): void;
  channelOpened?(connection: Connection, channel: Channel): void;
  channelClosed?(connection: Connection, channel: Channel): void;
  closed(connection: Connection, reason: CloseReason): void;
}

/** A session as its endpoint keeps it. */
export interface HeldSession extends Session {
  /** Set by the first verified check. */
  connection: Connection | undefined;
}

/** What the answer to a further offer of a session says. */
export interface Renewal {
  readonly session: HeldSession;
  readonly credentials: LiteSession;
  /** 2 for the first further answer. */
  readonly version: number;
}

/** RFC 7983 §7: what a datagram is, by its first byte. */
const STUN_LAST = 3;
const DTLS_FIRST = 20;
const DTLS_LAST = 63;

const HELLO_KEY_BYTES = 32;

/**
 * Where there are too many handshakes: how long one is left alone before its ClientHello, and after it, ms. A page that is
 * answered says its hello a round trip later, and repeats it after 50 to 200 ms.
 */
const HANDSHAKE_PATIENCE_MS = [1_000, 4_000];
/**
 * How much more of the budget a handshake with secp384r1 takes. Platforms compute that curve without the tricks that they know for
 * others: 2.9 ms of a core for us in place of 0.1 to 1 ms (measured), at a price of one datagram for whoever wants it. Some of them in one
 * turn would hold up everybody, so it counts as more than its time.
 */
const SECP384R1_UNITS = 15;
/** Handshakes at once with addresses that several sessions claim: only where somebody spoofs addresses there are any. */
const MAX_CONTESTS = 64;
const MAX_CONTESTS_PER_ADDRESS = 16;
/** What it takes to answer a hello with a cookie, as a part of a handshake's work (measured). */
const HELLO_UNITS = 1 / 8;

/**
 * All connections of one UDP port, sans-IO: datagrams and the time go in; datagrams, events and a deadline come out.
 *
 * A datagram's owner is found by our ICE ufrag (STUN) or by its source address (DTLS), and an address is known only after
 * a check from it verified: nothing is allocated, computed or sent on the word of an unverified source.
 *
 * @example
 * const session = endpoint.createSession(now, remoteDescription, userData);
 * endpoint.handleDatagram(now, source, datagram);   // as they come
 * endpoint.flush(now);                              // once per turn
 * sleepUntil(endpoint.nextDeadline); endpoint.handleTimeout(now);
 */
export class Endpoint implements ContestHost, RoutesHost<Connection> {
  readonly options: EndpointOptions;
  readonly events: EndpointEvents;
  now = 0;
  prefetched = 0;
  readonly drops: DropCounters = new DropCounters();
  readonly datapath: Datapath;
  readonly cookieKey: Uint8Array;
  /** For the cookies of ClientHellos. */
  readonly helloKey: Uint8Array;
  /** What the connections hold on their peers' word. */
  readonly memory: MemoryLedger<Connection | Contest>;
  /** Sessions that wait for their first check, oldest first (insertion order), by our ufrag. */
  readonly #pending = new Map<string, HeldSession>();
  readonly #pendingPlaces = new Places<HeldSession>({ perAddress: Number.POSITIVE_INFINITY, patienceMs: [0] });
  /** Sessions with a connection, by our ufrag. */
  readonly #active = new Map<string, HeldSession>();
  readonly #restarts = new IceRestarts<HeldSession>();
  readonly #tokens: SessionTokens;
  readonly #routes: Routes<Connection>;
  /** Connections whose handshake is not complete. */
  readonly #handshakes: Places<Connection>;
  /** Connections whose handshake is complete. */
  readonly #established = new Shares();
  readonly #budget: HandshakeBudget;
  /** Claims that have ended without a handshake. */
  readonly #departed = new DepartedClaims();
  /** Handshakes with addresses that several sessions claim. */
  readonly #contests = new Places<Contest>({ perAddress: MAX_CONTESTS_PER_ADDRESS, patienceMs: HANDSHAKE_PATIENCE_MS });
  /** What ends with the next flush, since it cannot while its handshake is being handled. */
  readonly #ending: (Connection | Contest)[] = [];
  readonly #agenda = new Agenda<Connection | Contest>();
  #closed = false;

  constructor(options: EndpointOptions, events: EndpointEvents) {
    checkNames("options", options, PEER_SETTINGS, "an option of Endpoint");
    checkTogether(options.limits);
    this.options = options;
    this.events = events;
    this.cookieKey = options.random(COOKIE_KEY_BYTES);
    this.helloKey = options.random(HELLO_KEY_BYTES);
    this.#routes = new Routes(new ByteReader(options.random(4)).u32() >>> 2, this);
    this.#tokens = new SessionTokens(options.random);
    this.memory = new MemoryLedger(options.limits);
    // A handshake of DTLS 1.3 holds the keys of two epochs in each direction, and for some minutes after it the connection keeps
    // the peer's of the handshake, to answer its repetition.
    const { maxConnections, maxHandshakes, maxHandshakesPerAddress } = options.limits;
    const { maxHandshakesPerSecond, maxHandshakesPerSecondPerAddress } = options.limits;
    this.#budget = new HandshakeBudget({
      server: { burstUnits: maxHandshakes, unitsPerSecond: maxHandshakesPerSecond },
      perAddress: { burstUnits: maxHandshakesPerAddress, unitsPerSecond: maxHandshakesPerSecondPerAddress },
    });
    this.#handshakes = new Places({ perAddress: maxHandshakesPerAddress, patienceMs: HANDSHAKE_PATIENCE_MS });
    const keySlots = Math.min(3 * maxConnections + 4 * (maxHandshakes + MAX_CONTESTS), MAX_KEY_SLOTS);
    this.datapath = new Datapath({ keySlots });
  }

  get connectionCount(): number {
    return this.#active.size;
  }

  get pendingSessionCount(): number {
    return this.#pending.size;
  }

  get handshakeCount(): number {
    return this.#handshakes.size;
  }

  /** Connections in order of their first check, those still in their handshake included. */
  *connections(): IterableIterator<Connection> {
    for (const session of this.#active.values()) yield session.connection!;
  }

  /** When `handleTimeout` wants to be called, ms; `Infinity` for never. May be early, never late. */
  get nextDeadline(): number {
    if (this.#pending.size === 0) return this.#agenda.nextDeadline;
    const oldest = this.#pending.values().next();
    const expiry = oldest.done ? Number.POSITIVE_INFINITY : oldest.value.expiresAt;
    return Math.min(expiry, this.#agenda.nextDeadline);
  }

  /**
   * Admits one peer. Where `maxPendingSessions` wait already, one of them is forgotten: of those who hold most, the oldest.
   *
   * @param remoteAddress the IP address that the offer came from, where it is known
   * @returns `undefined` where the endpoint is closed
   */
  createSession(
    now: number,
    remote: RemoteDescription,
    userData?: unknown,
    remoteAddress?: string | null,
  ): HeldSession | undefined {
    this.#expireSessions(now);
    if (this.#closed) return undefined;
    const signalledFrom = blocksOf(typeof remoteAddress === "string" ? remoteAddress : undefined);
    this.#makeRoomForSession(now, signalledFrom);
    const { ufrag, pwd } = this.#freshCredentials();
    const session: HeldSession = {
      localUfrag: ufrag,
      localPwd: pwd,
      remoteUfrag: remote.ufrag,
      remote,
      userData,
      signalledInit: this.#answerInit(remote.sctpInit),
      // Whole ms: a small integer needs no memory besides the field.
      expiresAt: Math.ceil(now + this.options.limits.sessionTimeoutMs),
      signalledFrom,
      signalled: NOWHERE,
      source: NOWHERE,
      since: 0,
      turn: 0,
      restart: undefined,
      connection: undefined,
    };
    this.#pending.set(ufrag, session);
    this.#pendingPlaces.enter(now, session, { signalled: signalledFrom });
    return session;
  }

  /** What names a session to whoever has its answer, for {@link offeredAgain}. */
  tokenOf(session: Session, { fingerprint }: PeerDescription): string {
    return this.#tokens.write(session.localUfrag, fingerprint);
  }

  /**
   * A peer has offered again, to restart ICE or to change other things: its connection is kept.
   *
   * @param token names the session; a fingerprint does not, since it is known to whoever has seen an offer
   * @returns `gone` where there is no such session; `forbidden` where the token is not that of a session with this certificate
   */
  offeredAgain(
    now: number,
    token: string,
    { ufrag, fingerprint }: RemoteDescription,
  ): Renewal | "gone" | "forbidden" | "too-often" {
    this.#expireSessions(now);
    const named = this.#tokens.ufragOf(token) ?? "";
    const session = this.#active.get(named) ?? this.#pending.get(named);
    if (session === undefined) return "gone";
    if (!this.#tokens.verify(token, fingerprint)) return "forbidden";
    const credentials = this.#restarts.offered(now, session, ufrag, () => this.#freshCredentials());
    return credentials === undefined ? "too-often" : { session, credentials, version: session.restart!.answers };
  }

  /** @param datagram borrowed until the call returns */
  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void {
    if (this.#closed || datagram.length === 0) return;
    const first = datagram[0];
    if (first >= DTLS_FIRST && first <= DTLS_LAST) {
      if (!this.#routes.deliver(now, source, datagram)) this.drops.count("unknown-address");
    } else if (first <= STUN_LAST) this.#handleCheck(now, source, datagram);
    else this.drops.count("unknown-protocol");
  }

  handleTimeout(now: number): void {
    this.#expireSessions(now);
    this.now = now;
    this.#agenda.handleTimeout(now);
  }

  /** Sends what the calls since the last flush gave rise to. Call once per event-loop turn, so that work is bundled. */
  flush(now: number): void {
    for (;;) {
      const heaviest = this.memory.overdrawn();
      if (heaviest === undefined) break;
      heaviest.close(now, "memory-limit");
    }
    // Most flushes find nothing here, and should make no array for it.
    if (this.#ending.length > 0) this.#endEnding(now);
    this.#agenda.flush(now);
  }

  /** Closes every connection, telling its peer; forgets every session. The endpoint takes no more input. */
  close(now: number): void {
    for (const peer of [...this.connections(), ...this.#contests.values()]) peer.close(now, "server-closed");
    for (const session of [...this.#pending.values()]) this.#drop(session);
    this.#closed = true;
  }

  /** Marks a connection for the next flush. For connections and whoever sends on them. */
  touch(connection: Connection | Contest): void {
    this.#agenda.touch(connection);
  }

  get needsFlush(): boolean {
    return this.#agenda.needsFlush;
  }

  /**
   * Called by a connection when its DTLS handshake is complete.
   *
   * @param proven the address at which the peer has shown to receive; `undefined` where our flights went to several
   */
  connectionEstablished(now: number, connection: Connection, proven: SocketAddress | undefined): void {
    this.#handshakes.leave(connection);
    this.#routes.established(connection);
    if (proven !== undefined) {
      for (const replaced of this.#routes.settle(proven, connection)) replaced.close(now, "replaced");
    }
    const blocks = blocksOf(connection.remote.address);
    const { maxConnectionsPerAddress } = this.options.limits;
    if (this.#established.full(blocks, maxConnectionsPerAddress) !== undefined) {
      this.drops.count("address-budget");
      this.closeSoon(connection);
    }
    connection.share = this.#established.take(blocks);
  }

  /** Called by a connection when it ends. */
  connectionClosed(connection: Connection, reason: CloseReason): void {
    this.#handshakes.leave(connection);
    if (connection.share !== undefined) this.#established.give(connection.share);
    this.#agenda.remove(connection);
    this.memory.close(connection.memory);
    this.#active.delete(connection.session.localUfrag);
    this.#restarts.end(connection.session);
    this.#routes.releaseAll(connection);
    this.events.closed(connection, reason);
  }

  /**
   * The only session that claims the address and names the fingerprint, of those whose handshake is not complete. `undefined` where
   * there is none, or where another one names it, too: whose handshake it is nobody could say then.
   */
  claimantWith(source: SocketAddress, fingerprint: Uint8Array): Connection | undefined {
    const named = this.#routes.claimants(source).filter(({ session: { remote } }) => {
      return remote !== undefined && equalBytes(remote.fingerprint, fingerprint);
    });
    const [claimant] = named;
    if (claimant === undefined) return undefined;
    const { localUfrag } = claimant.session;
    if (named.length === 1 && !this.#departed.hasOther(this.now, source, fingerprint, localUfrag)) return claimant;
    this.drops.count("fingerprint-ambiguous");
    return undefined;
  }

  /** Whether a handshake with this address may begin, or a part of its work be done; taken from the budget, or counted as dropped. */
  mayBegin(now: number, at: SocketAddress, signalled: Blocks, units = 1): boolean {
    const may = this.#budget.begin(now, blocksOf(at.address), signalled, units);
    if (!may) this.drops.count("handshake-budget");
    return may;
  }

  /** The datagram that has just been handled came from there, and by it a handshake has agreed on this group; or on none. */
  agreed(now: number, at: SocketAddress, group: number | undefined): void {
    if (group === GROUP_SECP384R1) this.#budget.owe(now, blocksOf(at.address), SECP384R1_UNITS);
  }

  /** From `Routes`. */
  contest(now: number, at: Route<Connection>): Contest | undefined {
    const origin = { signalled: UNKNOWN, source: blocksOf(at.address) };
    const other = this.#contests.inTheWayOf(now, origin, MAX_CONTESTS);
    if (other !== undefined) this.drops.count("handshake-limit");
    if (other === "later") return undefined;
    // The rest of a later one counts once its cookie has come back.
    const isFirst = at.round === 0;
    if (!this.mayBegin(now, at, UNKNOWN, isFirst ? 1 : HELLO_UNITS)) return undefined;
    other?.close(now, "handshake-timeout");
    // The first may send what they would have been allowed to send.
    const credit = isFirst ? at.claimants.reduce((sum, claimant) => sum + claimant.yieldCredit(at), 0) : 0;
    const contest = new Contest(now, this, at, credit);
    this.#contests.enter(now, contest, origin);
    return contest;
  }

  /** From `Routes`. */
  departed(at: Route<Connection>, { session: { localUfrag, remote } }: Connection): void {
    if (remote !== undefined) this.#departed.add(this.now, at, remote.fingerprint, localUfrag);
  }

  /** Called by a contest when it ends. */
  contestEnded(contest: Contest): void {
    this.#agenda.remove(contest);
    this.memory.close(contest.memory);
    this.#contests.leave(contest);
    this.#routes.forgetLeader(contest.remote, contest);
  }

  /** What a handshake holds is held by whoever goes on with it: the two change accounts. */
  exchangeMemory(one: Connection | Contest, other: Connection): void {
    const { memory } = one;
    one.memory = other.memory;
    other.memory = memory;
    this.memory.assign(one.memory, one);
    this.memory.assign(other.memory, other);
  }

  /** Ends a connection that must not end now, while its handshake is being handled. */
  closeSoon(peer: Connection | Contest): void {
    this.#ending.push(peer);
    this.touch(peer);
  }

  #endEnding(now: number): void {
    for (const peer of this.#ending.splice(0)) peer.close(now, "handshake-failed");
  }

  #handleCheck(now: number, source: SocketAddress, datagram: Uint8Array): void {
    // A sender may pretend to have port 0. Nothing can be sent there, and sockets throw for it.
    if (source.port === 0) {
      this.drops.count("unknown-address");
      return;
    }
    const request = parseBindingRequest(datagram);
    if (typeof request === "string") {
      this.drops.count(request);
      return;
    }
    this.now = now;
    const ufrag = localUfragOf(request) ?? "";
    const session = this.#active.get(ufrag) ?? this.#pending.get(ufrag) ?? this.#restarts.find(ufrag);
    const credentials = session && this.#restarts.credentials(now, session, ufrag);
    if (session === undefined || credentials === undefined) {
      this.drops.count("stun-unknown-ufrag");
      return;
    }
    const outcome = answerCheck(credentials, request, source, this.datapath);
    if (outcome.kind === "drop") {
      this.drops.count(outcome.reason);
      return;
    }
    if (outcome.kind === "accept") {
      const connection = session.connection ?? this.#admit(now, session, source);
      if (connection === undefined) return; // Over a limit: unanswered, so that the peer checks again.
      if (this.#restarts.verified(now, session, credentials)) connection.restarted();
      connection.trace?.datagramReceived(source, datagram);
      connection.handleCheck(now, this.#routes.claim(source, connection), outcome.nominated, datagram.length);
      const carried = connection.hasSped ? dtlsInCheck(request) : undefined;
      if (carried !== undefined) {
        this.#answerWithDtls(now, connection, credentials, request, source, carried);
        return;
      }
      connection.answered(source, outcome.response.length);
      connection.trace?.datagramSent(source, outcome.response);
      connection.trace?.handled();
    }
    this.events.transmit(outcome.response, source);
  }

  /** The answer takes the first datagram of our flight with it; what else there is of it follows. */
  #answerWithDtls(
    now: number,
    connection: Connection,
    credentials: LiteSession,
    request: StunMessage,
    source: SocketAddress,
    carried: Uint8Array,
  ): void {
    if (this.#routes.isContested(source, connection)) {
      // What the check carries is not for its session to lead, and earns for whoever leads.
      if (carried.length > 0) connection.yieldCredit(source);
      const response = successResponse(credentials, request, source, [], this.datapath);
      connection.trace?.datagramSent(source, response);
      this.events.transmit(response, source);
      if (carried.length > 0) this.#routes.deliver(now, source, carried);
      return;
    }
    const attributes = connection.handleCarried(now, source, carried);
    const response = successResponse(credentials, request, source, attributes, this.datapath);
    connection.answered(source, response.length);
    connection.trace?.datagramSent(source, response);
    this.events.transmit(response, source);
    connection.sendHeld();
  }

  /** A session's first verified check: the connection begins. */
  #admit(now: number, session: HeldSession, source: SocketAddress): Connection | undefined {
    const { remote } = session;
    const origin = { signalled: session.signalledFrom, source: blocksOf(source.address) };
    if (remote === undefined || !this.#makeRoom(now, origin)) return undefined;
    this.#forget(session);
    this.#active.set(session.localUfrag, session);
    const connection = new Connection(now, this, session, remote, source);
    session.connection = connection;
    this.events.begun?.(connection);
    this.#handshakes.enter(now, connection, origin);
    return connection;
  }

  /** Room for one more handshake, where need be by ending another one. */
  #makeRoom(now: number, origin: Origin & { source: Blocks }): boolean {
    const { maxConnections, maxConnectionsPerAddress, maxHandshakes } = this.options.limits;
    const places = Math.min(maxHandshakes, maxConnections - (this.#active.size - this.#handshakes.size));
    if (places <= 0) this.drops.count("connection-limit");
    else if (this.#established.full(origin.source, maxConnectionsPerAddress)) this.drops.count("address-budget");
    else {
      const other = this.#handshakes.inTheWayOf(now, origin, places);
      if (other === undefined) return true;
      this.drops.count("handshake-limit");
      if (other === "later") return false;
      other.close(now, "handshake-timeout");
      return true;
    }
    return false;
  }

  #makeRoomForSession(now: number, signalled: Blocks): void {
    const other = this.#pendingPlaces.inTheWayOf(now, { signalled }, this.options.limits.maxPendingSessions);
    if (typeof other !== "object") return;
    this.drops.count("session-limit");
    this.#drop(other);
  }

  #drop(session: HeldSession): void {
    this.#forget(session);
    this.#restarts.end(session);
  }

  #forget(session: HeldSession): void {
    this.#pending.delete(session.localUfrag);
    this.#pendingPlaces.leave(session);
  }

  #answerInit(offered: Uint8Array | undefined): SignalledInit | undefined {
    if (offered === undefined || parseSignalledInit(offered) === undefined) return undefined;
    return createSignalledInit(this.options.random);
  }

  #freshCredentials(): IceCredentials {
    for (;;) {
      const credentials = generateCredentials(this.options.random);
      const { ufrag } = credentials;
      const isKnown = this.#pending.has(ufrag) || this.#active.has(ufrag) || this.#restarts.find(ufrag) !== undefined;
      if (!isKnown) return credentials;
    }
  }

  #expireSessions(now: number): void {
    for (const session of this.#pending.values()) {
      if (session.expiresAt > now) return;
      this.#drop(session);
    }
  }
}
