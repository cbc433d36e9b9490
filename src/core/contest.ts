import type { CloseReason } from "../errors.ts";
import type { MemoryAccount } from "../wire/memory-ledger.ts";
import { clientRandom } from "../dtls/client-random.ts";
import type { HelloVerify } from "../dtls/retry-cookie.ts";
import { formatAddress } from "../wire/address.ts";
import type { Challenger, Route } from "./address-table.ts";
import { type Connection, HANDSHAKE_BYTES } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";
import { Peer } from "./peer.ts";
import { NOWHERE, type Occupant } from "./places.ts";
import { blocksOf, type Share, UNKNOWN } from "./shares.ts";

/** It has no peer that signalled. */
const NOBODY = { fingerprint: new Uint8Array(32), sctpPort: 0, maxMessageBytes: 0 };

/**
 * A handshake with an address that several sessions claim. None of them leads it, since the holder of each could spoil it: it may
 * be an attacker who pretends to be at the address. When the client has shown its certificate and proven that it has the key, the
 * one session that names the certificate goes on with it. Where none does, or two do, nobody gets it.
 *
 * Where a handshake with the address has begun before, this one asks for a cookie first. Nothing is kept of a hello that was answered
 * with the request: another contest takes the second hello.
 */
export class Contest extends Peer implements Challenger, Occupant {
  memory: MemoryAccount;
  readonly remote: Route<Connection>;
  hello: Uint8Array | undefined;
  readonly #endpoint: Endpoint;
  /** What may be sent, bytes: nobody has shown yet that he receives there. */
  #credit: number;
  #shown: Uint8Array | undefined;
  /** What a cookie is bound to: the address, and that no other handshake has begun there since it was asked for. */
  readonly #round: number;
  #hasSpoken = false;
  // Kept by `Places`.
  signalled: Share = NOWHERE;
  source: Share = NOWHERE;
  since = 0;
  turn = 0;

  constructor(now: number, endpoint: Endpoint, remote: Route<Connection>, credit: number) {
    super(now, "server", endpoint, endpoint.options, NOBODY, undefined);
    this.#endpoint = endpoint;
    this.remote = remote;
    this.#round = remote.round;
    this.memory = endpoint.memory.open(blocksOf(remote.address), this);
    this.memory.add(HANDSHAKE_BYTES);
    this.#credit = credit;
  }

  get stage(): Challenger["stage"] {
    if (this.dtls?.cipherSuite !== undefined) return "begun";
    return this.#hasSpoken ? "asked" : "hearing";
  }

  /** Where there is no room for another one, that goes first which has not begun. */
  get progress(): number {
    return this.stage === "begun" ? 1 : 0;
  }

  handleDatagram(now: number, _source: unknown, datagram: Uint8Array): void {
    this.now = now;
    this.hello ??= clientRandom(datagram);
    // Three bytes out for one in: RFC 9000 §8.1 has the same figure.
    this.#credit += 3 * datagram.length;
    this.#endpoint.agreed(now, this.remote, this.shakeHands(now, datagram));
    this.#endpoint.touch(this);
  }

  transmit(datagram: Uint8Array): void {
    this.#hasSpoken = true;
    if (datagram.length > this.#credit) {
      this.#endpoint.drops.count("address-unproven");
      return;
    }
    this.#credit -= datagram.length;
    this.#endpoint.events.transmit(datagram, this.remote);
  }

  giveWay(now: number): void {
    this.abandonHandshake();
    this.close(now, "handshake-timeout");
  }

  /** Whose SCTP it would be is not known yet. */
  override writable(): void {}

  override connected(): void {
    const owner = this.#shown && this.#endpoint.claimantWith(this.remote, this.#shown);
    if (this.#shown !== undefined && owner !== undefined) {
      owner.prepareFor(this.remote, this.#shown, this.remote);
      this.handOverTo(owner);
      this.#endpoint.exchangeMemory(this, owner);
      owner.connected();
    }
    this.#endpoint.closeSoon(this);
  }

  protected override get helloVerify(): HelloVerify | undefined {
    if (this.#round === 0) return undefined;
    const peer = new TextEncoder().encode(`${formatAddress(this.remote)} ${this.#round}`);
    return { secret: this.#endpoint.helloKey, peer, mayBegin: () => this.#mayBegin() };
  }

  protected override acceptsFingerprint(fingerprint: Uint8Array): boolean {
    this.#shown = fingerprint;
    return this.#endpoint.claimantWith(this.remote, fingerprint) !== undefined;
  }

  protected get pathDeadline(): number {
    return Number.POSITIVE_INFINITY;
  }

  protected handlePathTimeout(): void {}

  protected secured(): void {}

  protected ended(_reason: CloseReason): void {
    this.memory.give(HANDSHAKE_BYTES);
    this.#endpoint.contestEnded(this);
  }

  /** The client has returned the cookie, so it receives at the address. */
  #mayBegin(): boolean {
    if (!this.#endpoint.mayBegin(this.now, this.remote, UNKNOWN)) return false;
    this.#credit = Number.POSITIVE_INFINITY;
    return true;
  }
}
