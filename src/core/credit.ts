import { isSameAddress, type SocketAddress } from "../wire/address.ts";

/** RFC 9000 §8.1: "an endpoint MUST limit the amount of data it sends to the unvalidated address to three times …". */
const BYTES_OUT_FOR_ONE_IN = 3;
/** As many as `Routes` keeps for a connection. */
const MAX_ADDRESSES = 8;

interface Account {
  readonly address: SocketAddress;
  bytes: number;
}

/**
 * What a connection may send to addresses at which its peer has not shown to receive: three bytes for each that came from there. A source address can be spoofed, and nobody must be flooded on the word of a session's holder.
 */
export class Credit {
  /** Those that earned last are at the end. An address that is forgotten begins anew with nothing. */
  readonly #accounts: Account[] = [];
  #spareBytes: number;

  /** @param spareBytes what may go to any of them beyond that, in all */
  constructor(spareBytes = 0) {
    this.#spareBytes = spareBytes;
  }

  /** A datagram of so many bytes came from there. */
  earn(from: SocketAddress, bytes: number): void {
    const account = this.#find(from);
    if (account !== undefined) {
      account.bytes += BYTES_OUT_FOR_ONE_IN * bytes;
      return;
    }
    if (this.#accounts.length === MAX_ADDRESSES) this.#accounts.shift();
    this.#accounts.push({ address: from, bytes: BYTES_OUT_FOR_ONE_IN * bytes });
  }

  /** Whether so many bytes may be sent there. */
  allows(to: SocketAddress, bytes: number): boolean {
    return bytes <= (this.#find(to)?.bytes ?? 0) + this.#spareBytes;
  }

  /** So many bytes were sent there. */
  spend(to: SocketAddress, bytes: number): void {
    const account = this.#find(to);
    if (account === undefined) return;
    account.bytes -= bytes;
    if (account.bytes >= 0) return;
    this.#spareBytes += account.bytes;
    account.bytes = 0;
  }

  /** Gives up all that may be sent there. Returns how many bytes that is. */
  yield(to: SocketAddress): number {
    const account = this.#find(to);
    const bytes = (account?.bytes ?? 0) + this.#spareBytes;
    if (account !== undefined) account.bytes = 0;
    this.#spareBytes = 0;
    return bytes;
  }

  #find(address: SocketAddress): Account | undefined {
    return this.#accounts.find((account) => isSameAddress(account.address, address));
  }
}
