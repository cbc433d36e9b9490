import type { CloseReason } from "../errors.ts";
import type { MemoryAccount } from "../wire/memory-ledger.ts";
import { clientRandom } from "../dtls/client-random.ts";
import type { HelloVerify } from "../dtls/retry-cookie.ts";
import { formatAddress } from "../wire/address.ts";
import type { Challenger, Route } from "./address-table.ts";
import { type Connection, type ConnectionHost, HANDSHAKE_BYTES } from "./server-connection.ts";
import { Peer } from "./peer.ts";
import { NOWHERE, type Occupant } from "./places.ts";
import { type Blocks, blocksOf, type Share, UNKNOWN } from "./shares.ts";

/** It has no peer that signalled. */
const NOBODY = { fingerprint: new Uint8Array(32), sctpPort: 0, maxMessageBytes: 0 };

/** The endpoint that a contest belongs to, as far as the contest needs it. */
export interface ContestHost extends ConnectionHost {
  /** For the cookies of ClientHellos. */
  readonly helloKey: Uint8Array;
  readonly memory: { open(blocks: Blocks, holder: Connection | Contest): MemoryAccount };
  exchangeMemory(one: Connection | Contest, other: Connection): void;
  closeSoon(peer: Connection | Contest): void;
  contestEnded(contest: Contest): void;
}

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
  readonly #host: ContestHost;
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

  constructor(now: number, host: ContestHost, remote: Route<Connection>, credit: number) {
    super(now, "server", host, host.options, NOBODY, undefined);
    this.#host = host;
    this.remote = remote;
    this.#round = remote.round;
    this.memory = host.memory.open(blocksOf(remote.address), this);
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
    this.#host.agreed(now, this.remote, this.shakeHands(now, datagram));
    this.#host.touch(this);
  }

  transmit(datagram: Uint8Array): void {
    this.#hasSpoken = true;
    if (datagram.length > this.#credit) {
      this.#host.drops.count("address-unproven");
      return;
    }
    this.#credit -= datagram.length;
    this.#host.events.transmit(datagram, this.remote);
  }

  giveWay(now: number): void {
    this.abandonHandshake();
    this.close(now, "handshake-timeout");
  }

  /** Whose SCTP it would be is not known yet. */
  override writable(): void {}

  override connected(): void {
    const owner = this.#shown && this.#host.claimantWith(this.remote, this.#shown);
    if (this.#shown !== undefined && owner !== undefined) {
      owner.prepareFor(this.remote, this.#shown, this.remote);
      this.handOverTo(owner);
      this.#host.exchangeMemory(this, owner);
      owner.connected();
    }
    this.#host.closeSoon(this);
  }

  protected override get helloVerify(): HelloVerify | undefined {
    if (this.#round === 0) return undefined;
    const peer = new TextEncoder().encode(`${formatAddress(this.remote)} ${this.#round}`);
    return { secret: this.#host.helloKey, peer, mayBegin: () => this.#mayBegin() };
  }

  protected override acceptsFingerprint(fingerprint: Uint8Array): boolean {
    this.#shown = fingerprint;
    return this.#host.claimantWith(this.remote, fingerprint) !== undefined;
  }

  protected get pathDeadline(): number {
    return Number.POSITIVE_INFINITY;
  }

  protected handlePathTimeout(): void {}

  protected secured(): void {}

  protected ended(_reason: CloseReason): void {
    this.memory.give(HANDSHAKE_BYTES);
    this.#host.contestEnded(this);
  }

  /** The client has returned the cookie, so it receives at the address. */
  #mayBegin(): boolean {
    if (!this.#host.mayBegin(this.now, this.remote, UNKNOWN)) return false;
    this.#credit = Number.POSITIVE_INFINITY;
    return true;
  }
}
