import type { CloseReason } from "../errors.ts";
import { DtlsInStun, SPED_OVERHEAD_BYTES } from "../ice/sped.ts";
import type { StunAttribute } from "../ice/stun.ts";
import { clientRandom } from "../dtls/client-random.ts";
import { isSameAddress, type SocketAddress } from "../wire/address.ts";
import { WorkBudget, type WorkRate } from "../wire/work-budget.ts";
import type { MemoryAccount } from "../wire/memory-ledger.ts";
import type { Route } from "./address-table.ts";
import { Credit } from "./credit.ts";
import { Peer, type PeerEvents, type PeerHost } from "./peer.ts";
import { NOWHERE } from "./places.ts";
import type { RemoteDescription, Session } from "./session.ts";
import type { PeerSettings } from "./settings.ts";
import { type Blocks, blocksOf, type Share } from "./shares.ts";

export type { ConnectionState, ConnectionStats } from "./stats.ts";

/** What a handshake takes until it is complete, bytes: its messages, its keys and what waits for its end (measured). */
export const HANDSHAKE_BYTES = 12_288;

/** For how long no record must have come from the address in use before a check alone moves the connection, ms. */
const SILENCE_MS = 1_000;

/** The answer to a check without DTLS, at most: header, mapped address of IPv6, integrity and fingerprint. */
const ANSWER_BYTES = 80;

/**
 * What a session may have once beyond three bytes for one. The shortest hello of a client with DTLS 1.2 alone has 102 bytes, and with
 * one check of 104 earns 41 less than our flight and the check's answer take: without these it would wait for a time-out.
 */
const SHORT_HELLO_BYTES = 128;

/** Credit that messages leave to HEARTBEATs, which end the need for it. One takes some 70 bytes. */
const HEARTBEAT_RESERVE_BYTES = 200;

/** How long a new path has to answer before the connection goes back to the one that did, ms. A few HEARTBEATs. */
const PROOF_MS = 3_000;

/**
 * How often an established connection follows its peer to another address. Each time a HEARTBEAT goes there, which with the check is
 * eight times the work of a message of its size. A check beyond that is answered and moves nothing; the peer checks again.
 */
const MOVES: WorkRate = { burstUnits: 16, unitsPerSecond: 4 };

/** RFC 7675 §5.1: consent to send expires 30 s after the last check that verified, whatever else the peer sends. */
const CONSENT_MS = 30_000;

/** The endpoint that a connection belongs to, as far as the connection needs it. */
export interface ConnectionHost extends PeerHost {
  readonly options: PeerSettings;
  readonly events: PeerEvents & { transmit(datagram: Uint8Array, destination: SocketAddress): void };
  readonly memory: { open(blocks: Blocks, holder: Connection): MemoryAccount };
  /** Whether a handshake with this address may begin; taken from the budget, or counted as dropped. */
  mayBegin(now: number, at: SocketAddress, signalled: Blocks): boolean;
  /** By the datagram that has just been handled, a handshake has agreed on this group; or on none. */
  agreed(now: number, at: SocketAddress, group: number | undefined): void;
  /** The only session with an incomplete handshake that claims the address and names the fingerprint. */
  claimantWith(source: SocketAddress, fingerprint: Uint8Array): Connection | undefined;
  /** The two change accounts: what a handshake holds is held by whoever goes on with it. */
  exchangeMemory(one: Connection, other: Connection): void;
  /** Ends a connection whose handshake is being handled. */
  closeSoon(connection: Connection): void;
  /**
   * The DTLS handshake is complete.
   *
   * @param proven the address at which the peer has shown to receive; `undefined` where our flights went to several
   */
  connectionEstablished(now: number, connection: Connection, proven: SocketAddress | undefined): void;
  connectionClosed(connection: Connection, reason: CloseReason): void;
}

/** One remote peer of a server: its path is what its checks say, the rest is common to both ends. */
export class Connection extends Peer {
  /** Where datagrams are sent: the address the peer nominated, or came from last before it nominated one. */
  remote: SocketAddress;
  /** What whoever drives the endpoint keeps of this connection: a field, because looking it up in a table costs more per message. */
  attachment: unknown;

  readonly #host: ConnectionHost;
  /** Where the datagram that is being handled came from. */
  #source: SocketAddress;
  /** When the last authentic record came from `remote`, rounded up to whole ms; `undefined` where none has since the connection moved there. */
  #lastRecordHere: number | undefined;
  /** The peer has shown that it receives at the address in use. */
  #proven = false;
  /** While a check is handled that carries DTLS: what we would send. */
  #held: Uint8Array[] | undefined;
  /** Where a check came from that would have moved the connection, had `remote` been silent. */
  #elsewhere: SocketAddress | undefined;
  /** That check chose its path: one that does not is no reason to forget it. */
  #isElsewhereChosen = false;
  /** ICE was restarted, and the peer has not chosen a path since. */
  #isRestarting = false;
  /** The one address that our handshake flights went to; `undefined` before the first, and once there were two. */
  #flightsTo: SocketAddress | undefined;
  #hasSentFlight = false;
  /** What may be sent to addresses that have proven nothing. `undefined` while none is in use. */
  #credit: Credit | undefined = new Credit(SHORT_HELLO_BYTES);
  /** Bytes of the datagram that is being handled. */
  #sourceBytes = 0;
  /**
   * While the peer has not shown that it receives at `remote`: where it has, and so receives all that is sent. The peer may really be
   * there still (the check was an old one, sent again by somebody else), or have both paths (Chromium, when it changes over).
   */
  #provenBefore: SocketAddress | undefined;
  /** When the connection goes back there. */
  #proofDeadline = Number.POSITIVE_INFINITY;
  /** A HEARTBEAT has gone to the address in use. */
  #probed = false;
  /** The last check chose the path in use by USE-CANDIDATE. */
  #confirmed = false;
  /** Made for the first move: most connections stay where they are. */
  #moves: WorkBudget | undefined;

  readonly session: Session;
  /** The addresses this connection has claimed; kept by `Routes`. */
  routes: Route<Connection>[] = [];
  // While its handshake is not complete; kept by the endpoint.
  signalled: Share = NOWHERE;
  source: Share = NOWHERE;
  since = 0;
  turn = 0;
  /** What it counts as in `maxConnectionsPerAddress`, once its handshake is complete; kept by the endpoint. */
  share: Share | undefined;
  memory: MemoryAccount;
  readonly #sped: DtlsInStun | undefined;

  constructor(now: number, host: ConnectionHost, session: Session, remote: RemoteDescription, source: SocketAddress) {
    super(now, "server", host, host.options, remote, session.signalledInit);
    this.remote = source;
    this.#host = host;
    this.#source = source;
    this.session = session;
    this.memory = host.memory.open(blocksOf(source.address), this);
    this.memory.add(HANDSHAKE_BYTES);
    this.#sped = remote.sped ? new DtlsInStun() : undefined;
  }

  /** How far the handshake has come: 1 from the first ClientHello on, whoever leads the handshake. */
  get progress(): number {
    return this.dtls === undefined && this.routes.every(({ leader }) => leader === undefined) ? 0 : 1;
  }

  /** The random of the ClientHello that began the handshake; kept until it is complete. */
  hello: Uint8Array | undefined;
  /** The fingerprint of the certificate that was shown in it. */
  #shown: Uint8Array | undefined;

  /** Whether it is in the middle of a handshake, the last datagram of which came from this address. */
  isHandshakingAt(source: SocketAddress): boolean {
    return this.dtls !== undefined && !this.established && isSameAddress(source, this.#source);
  }

  /** The peer's checks may carry DTLS (SPED). */
  get hasSped(): boolean {
    return this.#sped !== undefined;
  }

  /** ICE was restarted: no path is nominated by what came before (RFC 8445 §9). */
  restarted(): void {
    this.#confirmed = false;
    this.#isRestarting = true;
  }

  /** A check from `source` verified. Consent to send is fresh (RFC 7675 §5.1), and the peer may have moved. */
  handleCheck(now: number, source: SocketAddress, nominated: boolean, requestBytes: number): void {
    this.now = now;
    this.lastCheck = now;
    this.#earn(source, requestBytes);
    const isCurrent = isSameAddress(source, this.remote);
    if (isCurrent) this.remote = source;
    // Chromium sets USE-CANDIDATE in each check of the path it has chosen, and checks others without it; Firefox sets it once
    // and checks nothing but its path. So a check without it moves the connection unless the path in use has been
    // confirmed since the last such check: then it takes a record from there, too.
    // The first choice after a restart is none that was overheard and sent again: it needs no silence.
    if (this.#isRestarting && nominated) this.#sendTo(source);
    else if (!isCurrent && (nominated || !this.#confirmed)) this.#follow(source, nominated);
    else if (!isCurrent && this.established) this.#noteElsewhere(source, nominated);
    if (nominated) this.#isRestarting = false;
    this.#confirmed = nominated;
    this.#host.touch(this);
  }

  /** The answer to a check has gone there. */
  answered(destination: SocketAddress, bytes: number): void {
    this.#credit?.spend(destination, bytes);
  }

  /**
   * A check that verified carried this datagram of DTLS, or none. What there is to send waits for {@link sendHeld}.
   *
   * @returns attributes for the answer
   */
  handleCarried(now: number, source: SocketAddress, datagram: Uint8Array): readonly StunAttribute[] {
    const sped = this.#sped;
    if (sped === undefined) return [];
    this.#held = [];
    // The check has earned for it already.
    if (datagram.length > 0) this.handleDatagram(now, source, datagram, 0);
    const [first] = this.#held;
    const roomBytes = this.#host.options.limits.mtuBytes - SPED_OVERHEAD_BYTES;
    const bytes = first === undefined ? 0 : first.length + ANSWER_BYTES + SPED_OVERHEAD_BYTES;
    if (first === undefined || first.length > roomBytes || this.#credit?.allows(source, bytes) === false) {
      return sped.attributes(undefined);
    }
    this.#held.shift();
    this.trace?.datagramSent(source, first);
    this.#noteFlight(source);
    return sped.attributes(first);
  }

  sendHeld(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const datagram of held) this.transmit(datagram);
  }

  /**
   * @param datagram borrowed until the call returns
   * @param bytes what came with it
   */
  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array, bytes = datagram.length): void {
    const { trace } = this;
    trace?.datagramReceived(source, datagram);
    this.#sourceBytes = bytes;
    this.prefetch();
    this.now = now;
    // What a check carries comes with an object of that check's own, which need not be kept.
    const from = isSameAddress(source, this.remote) ? this.remote : source;
    if (from !== this.#source) this.#source = from;
    if (this.#proven) this.useDtls().handleDatagram(now, datagram);
    else this.#handleUnproven(now, source, datagram);
    this.#host.touch(this);
    trace?.handled();
  }

  override applicationData(plaintext: Uint8Array): void {
    this.#locate();
    super.applicationData(plaintext);
  }

  override applicationDataAt(offset: number, length: number): void {
    this.#locate();
    super.applicationDataAt(offset, length);
  }

  transmit(datagram: Uint8Array): void {
    if (this.#held !== undefined) {
      this.#held.push(datagram.slice());
      return;
    }
    if (this.#proven) this.#send(datagram, this.remote);
    else this.#transmitUnproven(datagram);
  }

  protected override get handshakeMtuBytes(): number {
    const { mtuBytes } = this.#host.options.limits;
    return this.#sped === undefined ? mtuBytes : mtuBytes - SPED_OVERHEAD_BYTES;
  }

  protected get pathDeadline(): number {
    return Math.min(this.lastCheck + CONSENT_MS, this.#proofDeadline);
  }

  protected handlePathTimeout(now: number): void {
    if (now >= this.lastCheck + CONSENT_MS) this.close(now, "idle");
    else if (this.#provenBefore !== undefined) {
      const unproven = this.remote;
      this.#settleAt(this.#provenBefore);
      // Where the peer is there after all, its next record says so.
      this.#elsewhere = unproven;
    }
  }

  /** Gives up what it may send to an address that has proven nothing; somebody else sends there instead. Returns bytes. */
  yieldCredit(at: SocketAddress): number {
    return this.#credit?.yield(at) ?? 0;
  }

  giveWay(): void {
    this.abandonHandshake();
    this.hello = undefined;
    this.#flightsTo = undefined;
    this.#hasSentFlight = false;
  }

  /** A certificate decides which session the handshake is for: one of those that claim the address, and only if it is the only one. */
  protected override acceptsFingerprint(fingerprint: Uint8Array): boolean {
    this.#shown = fingerprint;
    return this.#host.claimantWith(this.#source, fingerprint) !== undefined;
  }

  override connected(): void {
    const owner = this.#shown && this.#host.claimantWith(this.#source, this.#shown);
    if (owner === this) super.connected();
    else if (owner === undefined) this.#host.closeSoon(this);
    else {
      owner.prepareFor(this.#source, this.#shown!, this.#flightsTo);
      this.handOverTo(owner);
      this.#host.exchangeMemory(this, owner);
      this.giveWay();
      owner.connected();
    }
  }

  /** A handshake that was led by another one turns out to be this connection's. */
  prepareFor(source: SocketAddress, fingerprint: Uint8Array, flightsTo: SocketAddress | undefined): void {
    this.#shown = fingerprint;
    this.#source = source;
    this.remote = source;
    this.#elsewhere = undefined;
    this.#flightsTo = flightsTo;
    this.#hasSentFlight = true;
    this.#host.touch(this);
  }

  protected secured(): void {
    this.memory.give(HANDSHAKE_BYTES);
    this.hello = undefined;
    this.#shown = undefined;
    // Nobody asks for these again.
    this.session.remote = undefined;
    this.session.signalledInit = undefined;
    // The peer's Finished answers our flight, so it was received where it went.
    const proven = this.#flightsTo;
    if (proven !== undefined && isSameAddress(proven, this.remote)) this.#settleAt(this.remote);
    else if (proven !== undefined) this.#awaitProof(proven);
    this.#host.connectionEstablished(this.now, this, this.#flightsTo);
  }

  protected ended(reason: CloseReason): void {
    if (!this.established) this.memory.give(HANDSHAKE_BYTES);
    this.#host.connectionClosed(this, reason);
  }

  /** What a datagram changes until the peer has shown that it receives at the address in use. */
  #handleUnproven(now: number, source: SocketAddress, datagram: Uint8Array): void {
    // A browser may start DTLS on one of several paths before it nominates one (measured). An answer goes to where the question
    // came from, whatever checks say: they may have a spoofed source, whose owner has a handshake of its own.
    if (!this.established && !isSameAddress(source, this.remote)) this.#sendTo(source);
    if (!this.established) {
      const isBegun = this.dtls !== undefined || this.#host.mayBegin(now, source, this.session.signalledFrom);
      if (!isBegun) return;
      this.#sped?.acknowledge(datagram);
      this.hello ??= clientRandom(datagram);
    }
    this.#earn(source, this.#sourceBytes);
    this.#host.agreed(now, source, this.shakeHands(now, datagram));
    if (this.established) this.#prove();
  }

  /** A record has come, which is new and the peer's own: so it shows where the peer is. */
  #locate(): void {
    if (this.#elsewhere !== undefined && isSameAddress(this.#source, this.#elsewhere)) {
      if (this.#proven) this.#earn(this.#source, this.#sourceBytes);
      this.#sendTo(this.#source);
    }
    if (isSameAddress(this.#source, this.remote)) this.#lastRecordHere = Math.ceil(this.now);
  }

  /** A check says that the peer has moved. It may be an old one, overheard and sent again from elsewhere. */
  #follow(source: SocketAddress, nominated: boolean): void {
    const heard = this.#lastRecordHere;
    const isBusyHere = this.established
      ? heard !== undefined && this.now - heard < SILENCE_MS
      : this.dtls !== undefined;
    if (isBusyHere) this.#noteElsewhere(source, nominated);
    else this.#sendTo(source);
  }

  /** A page checks several paths, and its records come by the one that it has chosen. */
  #noteElsewhere(source: SocketAddress, nominated: boolean): void {
    if (this.#elsewhere !== undefined && this.#isElsewhereChosen && !nominated) return;
    this.#elsewhere = source;
    this.#isElsewhereChosen = nominated;
  }

  #mayMove(): boolean {
    if (!this.established) return true;
    this.#moves ??= new WorkBudget(MOVES);
    if (this.#moves.spend(this.now, 1)) return true;
    this.#host.drops.count("move-limit");
    return false;
  }

  #sendTo(source: SocketAddress): void {
    this.#elsewhere = undefined;
    if (isSameAddress(source, this.remote)) return;
    if (this.#provenBefore !== undefined && isSameAddress(source, this.#provenBefore)) {
      this.#settleAt(source);
      return;
    }
    if (!this.#mayMove()) return;
    const before = this.remote;
    this.remote = source;
    this.#lastRecordHere = undefined;
    if (!this.established) return;
    if (this.#proven) this.#awaitProof(before);
    this.#probed = false;
    this.#prove();
  }

  /** The peer has chosen `remote`, and receives for certain at another address until it has shown that it does here. */
  #awaitProof(proven: SocketAddress): void {
    this.#proven = false;
    this.#provenBefore = proven;
    this.#proofDeadline = this.now + PROOF_MS;
  }

  /** The peer receives here: no limit, and nothing more to prove. */
  #settleAt(proven: SocketAddress): void {
    this.remote = proven;
    this.#proven = true;
    this.#provenBefore = undefined;
    this.#proofDeadline = Number.POSITIVE_INFINITY;
    this.#credit = undefined;
  }

  /** A datagram or a check came from an address that has proven nothing. */
  #earn(from: SocketAddress, bytes: number): void {
    if (this.#proven && isSameAddress(from, this.remote)) return;
    this.#credit ??= new Credit();
    this.#credit.earn(from, bytes);
  }

  /**
   * To the address in use as far as its credit goes, and to the one that is proven in any case: duplicates are dropped by DTLS, and so
   * neither an honest change nor a forged one loses anything. A HEARTBEAT shows where the peer is, and must be heard only there.
   */
  #transmitUnproven(datagram: Uint8Array): void {
    const isHeartbeat = this.association?.isSendingHeartbeat === true;
    const reservedBytes = isHeartbeat || this.#provenBefore === undefined ? 0 : HEARTBEAT_RESERVE_BYTES;
    const isSent = this.#transmitOnCredit(datagram, this.remote, reservedBytes);
    if (isHeartbeat) {
      if (!isSent) this.#host.drops.count("address-unproven");
    } else if (this.#provenBefore !== undefined) this.#send(datagram, this.#provenBefore);
    // A browser may have chosen one path and sent its hello by another one: there it hears us as well.
    else if (!isSent && (this.established || !this.#transmitOnCredit(datagram, this.#source, 0))) {
      this.#host.drops.count("address-unproven");
    }
  }

  #transmitOnCredit(datagram: Uint8Array, to: SocketAddress, reservedBytes: number): boolean {
    if (this.#credit?.allows(to, datagram.length + reservedBytes) !== true) return false;
    this.#credit.spend(to, datagram.length);
    if (!this.established) this.#noteFlight(to);
    this.#send(datagram, to);
    return true;
  }

  #send(datagram: Uint8Array, to: SocketAddress): void {
    this.trace?.datagramSent(to, datagram);
    this.#host.events.transmit(datagram, to);
  }

  #noteFlight(to: SocketAddress): void {
    if (!this.#hasSentFlight) this.#flightsTo = to;
    else if (this.#flightsTo !== undefined && !isSameAddress(this.#flightsTo, to)) this.#flightsTo = undefined;
    this.#hasSentFlight = true;
  }

  /** No limit once our HEARTBEAT is answered. */
  #prove(): void {
    const { association } = this;
    if (association?.state !== "established") return;
    if (!this.#probed) association.probe(this.now);
    else if (!association.isProbing) this.#settleAt(this.remote);
    this.#probed = true;
  }
}
