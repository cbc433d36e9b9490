import type { CloseReason } from "../errors.ts";
import { DtlsInStun, SPED_OVERHEAD_BYTES } from "../ice/sped.ts";
import type { StunAttribute } from "../ice/stun.ts";
import { addressBlock, isSameAddress, type SocketAddress } from "../wire/address.ts";
import type { MemoryAccount } from "../wire/memory-ledger.ts";
import type { Route } from "./address-table.ts";
import type { Endpoint } from "./endpoint.ts";
import { Peer } from "./peer.ts";
import type { RemoteDescription, Session } from "./session.ts";

export type { ConnectionState, ConnectionStats } from "./stats.ts";

/** A check of some 100 bytes has come from a new address: what may be sent there at once, the HEARTBEAT first of all. */
const CHECK_CREDIT_BYTES = 200;

/**
 * What may be sent before the handshake is complete, bytes: two flights, and more as the peer sends more. A check says who sent
 * it, not from where; the holder of a session could have our flights repeated to somebody else.
 */
const HANDSHAKE_CREDIT_BYTES = 4_096;

/** For how long no record must have come from the address in use before a check alone moves the connection, ms. */
const SILENCE_MS = 1_000;

/** RFC 7675 §5.1: consent to send expires 30 s after the last check that verified, whatever else the peer sends. */
const CONSENT_MS = 30_000;

/** One remote peer of a server: its path is what its checks say, the rest is common to both ends. */
export class Connection extends Peer {
  /** Where datagrams are sent: the address the peer nominated, or came from last before it nominated one. */
  remote: SocketAddress;
  /** What whoever drives the endpoint keeps of this connection: a field, because looking it up in a table costs more per message. */
  attachment: unknown;

  readonly #endpoint: Endpoint;
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
  /** The one address that our handshake flights went to; `undefined` once there were two. */
  #flightsTo: SocketAddress | undefined;
  /**
   * Bytes that may still be sent to the address in use, until the peer has shown that it receives there: a source address can
   * be spoofed, and nobody must be flooded on the word of a session's holder.
   */
  #credit = HANDSHAKE_CREDIT_BYTES;
  /** A HEARTBEAT has gone to the address in use. */
  #probed = false;
  /** The last check chose the path in use by USE-CANDIDATE. */
  #confirmed = false;

  readonly session: Session;
  /** The addresses this connection has claimed; kept by `Routes`. */
  routes: Route<Connection>[] = [];
  /** The block of addresses under which this connection counts in `maxConnectionsPerAddress`: where it began. */
  readonly countedBlock: string;
  readonly memory: MemoryAccount;
  readonly #sped: DtlsInStun | undefined;

  constructor(now: number, endpoint: Endpoint, session: Session, remote: RemoteDescription, source: SocketAddress) {
    super(now, "server", endpoint, endpoint.options, remote, session.signalledInit);
    this.remote = source;
    this.#endpoint = endpoint;
    this.#source = source;
    this.session = session;
    this.#flightsTo = source;
    this.countedBlock = addressBlock(source.address);
    this.memory = endpoint.memory.open(this.countedBlock, this);
    this.#sped = remote.sped ? new DtlsInStun() : undefined;
  }

  /** The peer's checks may carry DTLS (SPED). */
  get hasSped(): boolean {
    return this.#sped !== undefined;
  }

  /** A check from `source` verified. Consent to send is fresh (RFC 7675 §5.1), and the peer may have moved. */
  handleCheck(now: number, source: SocketAddress, nominated: boolean): void {
    this.now = now;
    this.lastCheck = now;
    if (!this.established) this.#credit += CHECK_CREDIT_BYTES;
    const isCurrent = isSameAddress(source, this.remote);
    if (isCurrent) this.remote = source;
    // Chromium sets USE-CANDIDATE in each check of the path it has chosen, and checks others without it; Firefox sets it once
    // and checks nothing but its path. So a check without it moves the connection unless the path in use has been
    // confirmed since the last such check: then it takes a record from there, too.
    if (!isCurrent && (nominated || !this.#confirmed)) this.#follow(source);
    else if (!isCurrent && this.established) this.#elsewhere = source;
    this.#confirmed = nominated;
    this.#endpoint.touch(this);
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
    if (datagram.length > 0) this.handleDatagram(now, source, datagram);
    const [first] = this.#held;
    const roomBytes = this.#endpoint.options.limits.mtuBytes - SPED_OVERHEAD_BYTES;
    if (first === undefined || first.length > roomBytes || !this.#maySend(first.length)) {
      return sped.attributes(undefined);
    }
    this.#held.shift();
    this.#spend(first.length);
    return sped.attributes(first);
  }

  sendHeld(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const datagram of held) this.transmit(datagram);
  }

  /** @param datagram borrowed until the call returns */
  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void {
    this.prefetch();
    this.now = now;
    // What a check carries comes with an object of that check's own, which need not be kept.
    const from = isSameAddress(source, this.remote) ? this.remote : source;
    if (from !== this.#source) this.#source = from;
    if (this.#proven) this.useDtls().handleDatagram(now, datagram);
    else this.#handleUnproven(now, source, datagram);
    this.#endpoint.touch(this);
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
    if (!this.#maySend(datagram.length)) {
      this.#endpoint.drops.count("address-unproven");
      return;
    }
    this.#spend(datagram.length);
    this.#endpoint.events.transmit(datagram, this.remote);
  }

  protected override get handshakeMtuBytes(): number {
    const { mtuBytes } = this.#endpoint.options.limits;
    return this.#sped === undefined ? mtuBytes : mtuBytes - SPED_OVERHEAD_BYTES;
  }

  protected get pathDeadline(): number {
    return this.lastCheck + CONSENT_MS;
  }

  protected handlePathTimeout(now: number): void {
    this.close(now, "idle");
  }

  protected secured(): void {
    // Nobody asks for these again.
    this.session.remote = undefined;
    this.session.signalledInit = undefined;
    // The peer's Finished answers our flight, so it was received where it went.
    if (this.#flightsTo !== undefined) this.#proven = true;
    this.#endpoint.connectionEstablished(this.now, this, this.#flightsTo);
  }

  protected ended(reason: CloseReason, wasEstablished: boolean): void {
    this.#endpoint.connectionClosed(this, reason, wasEstablished);
  }

  /** What a datagram changes until the peer has shown that it receives at the address in use. */
  #handleUnproven(now: number, source: SocketAddress, datagram: Uint8Array): void {
    // A browser may start DTLS on one of several paths before it nominates one (measured).
    if (!this.#confirmed && !this.established) this.#sendTo(source);
    if (!this.established) this.#sped?.acknowledge(datagram);
    // Three bytes out for one in: RFC 9000 §8.1 has the same figure.
    if (isSameAddress(source, this.remote)) this.#credit += 3 * datagram.length;
    this.useDtls().handleDatagram(now, datagram);
    if (this.established) this.#prove();
  }

  /** A record has come, which is new and the peer's own: so it shows where the peer is. */
  #locate(): void {
    if (this.#elsewhere !== undefined && isSameAddress(this.#source, this.#elsewhere)) this.#sendTo(this.#source);
    if (isSameAddress(this.#source, this.remote)) this.#lastRecordHere = Math.ceil(this.now);
  }

  /** A check says that the peer has moved. It may be an old one, overheard and sent again from elsewhere. */
  #follow(source: SocketAddress): void {
    const heard = this.#lastRecordHere;
    if (this.established && heard !== undefined && this.now - heard < SILENCE_MS) this.#elsewhere = source;
    else this.#sendTo(source);
  }

  #sendTo(source: SocketAddress): void {
    this.#elsewhere = undefined;
    if (isSameAddress(source, this.remote)) return;
    this.remote = source;
    this.#lastRecordHere = undefined;
    if (this.established) {
      this.#proven = false;
      this.#credit = CHECK_CREDIT_BYTES;
      this.#probed = false;
      this.#prove();
    } else {
      this.#flightsTo = this.dtls === undefined ? source : undefined;
    }
  }

  #maySend(bytes: number): boolean {
    return this.#proven || bytes <= this.#credit;
  }

  #spend(bytes: number): void {
    if (!this.#proven) this.#credit -= bytes;
  }

  /** No limit once our HEARTBEAT is answered. */
  #prove(): void {
    const { association } = this;
    if (association?.state !== "established") return;
    if (!this.#probed) association.probe(this.now);
    else if (!association.isProbing) this.#proven = true;
    this.#probed = true;
  }
}
