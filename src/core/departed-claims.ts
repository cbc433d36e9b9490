import { toHex } from "../wire/bytes.ts";
import { formatAddress, type SocketAddress } from "../wire/address.ts";

/** A browser goes on with its handshake for so long after its session has ended here: RFC 7675 §5.1, consent expires after 30 s. */
const REMEMBERED_MS = 30_000;
/** About 200 bytes each. */
const MAX_ENTRIES = 4_096;

interface Entry {
  readonly until: number;
  /** Whose claim it was; `undefined` where there were several. */
  readonly ufrag: string | undefined;
}

/**
 * Claims on addresses that have ended without a handshake, and the fingerprint that each of them named. The peer may not know of the
 * end: its handshake must not become that of another session which names the same fingerprint.
 */
export class DepartedClaims {
  /** The oldest first. */
  readonly #entries = new Map<string, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  add(now: number, at: SocketAddress, fingerprint: Uint8Array, ufrag: string): void {
    const key = keyOf(at, fingerprint);
    const known = this.#entries.get(key);
    this.#entries.delete(key);
    const isOther = known !== undefined && known.until > now && known.ufrag !== ufrag;
    this.#entries.set(key, { until: now + REMEMBERED_MS, ufrag: isOther ? undefined : ufrag });
    for (const [oldest, { until }] of this.#entries) {
      if (until > now && this.#entries.size <= MAX_ENTRIES) break;
      this.#entries.delete(oldest);
    }
  }

  /** Whether a session other than this one has claimed the address lately, and named the fingerprint. */
  hasOther(now: number, at: SocketAddress, fingerprint: Uint8Array, ufrag: string): boolean {
    const entry = this.#entries.get(keyOf(at, fingerprint));
    return entry !== undefined && entry.until > now && entry.ufrag !== ufrag;
  }
}

function keyOf(at: SocketAddress, fingerprint: Uint8Array): string {
  return `${formatAddress(at)} ${toHex(fingerprint)}`;
}
