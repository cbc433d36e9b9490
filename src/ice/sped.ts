/**
 * DTLS in STUN (SPED, draft-hancke-webrtc-sped), as a lite agent has it: a check brings a datagram of the peer's DTLS flight, and
 * the answer takes one of ours back, so that ICE and DTLS share their round trips.
 *
 *     META-DTLS-IN-STUN (0xC070)       one DTLS datagram; empty or left out where there is none
 *     META-DTLS-IN-STUN-ACK (0xC071)   CRC-32 of each DTLS datagram that came, 4 bytes each, at most 4 of them
 *
 * Nothing here is kept for repetition: the peer repeats what is not acknowledged, and DTLS answers a repeated flight by its own.
 */
import { ByteWriter } from "../wire/bytes.ts";
import { crc32 } from "./crc32.ts";
import {
  attributeValue,
  META_DTLS_IN_STUN,
  META_DTLS_IN_STUN_ACK,
  type StunAttribute,
  type StunMessage,
} from "./stun.ts";

/** Tags of `a=ice-options` that announce it; the second is Chromium's own. */
export const SPED_OPTIONS: readonly string[] = ["sped", "googspedv1"];

/** What an answer to a check has beside the DTLS datagram, at most: IPv6, four acknowledgements, padding. */
export const SPED_OVERHEAD_BYTES = 104;

const MAX_ACKNOWLEDGED = 4;

export class DtlsInStun {
  /** Checksums of what came, oldest first. */
  readonly #received: number[] = [];

  /** Notes a datagram that came inside a check, or on its own while the handshake lasts. */
  acknowledge(datagram: Uint8Array): void {
    const checksum = crc32(datagram);
    if (this.#received.includes(checksum)) return;
    if (this.#received.length === MAX_ACKNOWLEDGED) this.#received.shift();
    this.#received.push(checksum);
  }

  /** For the answer: our datagram, if there is one, and what came. */
  attributes(datagram: Uint8Array | undefined): StunAttribute[] {
    const checksums = new ByteWriter(4 * MAX_ACKNOWLEDGED);
    for (const checksum of this.#received) checksums.u32(checksum);
    const acknowledgement = { type: META_DTLS_IN_STUN_ACK, value: checksums.finish() };
    return datagram === undefined ? [acknowledgement] : [{ type: META_DTLS_IN_STUN, value: datagram }, acknowledgement];
  }
}

/** The DTLS datagram in a check, empty for none; `undefined` where the peer says nothing of the kind, or not any more. */
export function dtlsInCheck(request: StunMessage): Uint8Array | undefined {
  const datagram = attributeValue(request, META_DTLS_IN_STUN);
  return datagram ?? attributeValue(request, META_DTLS_IN_STUN_ACK)?.subarray(0, 0);
}
