/**
 * INIT chunks exchanged by signalling (SNAP, draft-hancke-tsvwg-snap): offer and answer carry `a=sctp-init`, and where both do
 * the association needs no handshake. What a cookie protects from is settled below it, by DTLS.
 */
import type { RandomSource } from "../crypto/platform.ts";
import type { AssociationLimits } from "../limits.ts";
import { tsn } from "../wire/serial.ts";
import { OFFERS_INTERLEAVING } from "./association-options.ts";
import { isAcceptable, randomTag } from "./handshake.ts";
import { type ParsedInit, parseInit, writeInit } from "./init.ts";
import { CHUNK_HEADER_BYTES, INIT } from "./packet.ts";

/** Our half, made before the association: it has to begin with these numbers. */
export interface SignalledInit {
  readonly initiateTag: number;
  readonly initialTsn: number;
}

export function createSignalledInit(random: RandomSource): SignalledInit {
  return { initiateTag: randomTag(random), initialTsn: tsn(randomTag(random)) };
}

/** Our INIT chunk, header included, as it stands in `a=sctp-init`. */
export function writeSignalledInit(
  init: SignalledInit,
  limits: AssociationLimits,
  interleaving = OFFERS_INTERLEAVING,
): Uint8Array {
  const { receiveWindowBytes: receiveWindow, maxStreams } = limits;
  const streams = { outboundStreams: maxStreams, inboundStreams: maxStreams };
  const { initiateTag, initialTsn } = init;
  return writeInit({ ...streams, receiveWindow, initiateTag, initialTsn: tsn(initialTsn), interleaving });
}

/** The peer's INIT chunk, header included, as it came by signalling; `undefined` where no association can come of it. */
export function parseSignalledInit(chunk: Uint8Array): ParsedInit | undefined {
  const length = chunk.length >= CHUNK_HEADER_BYTES ? (chunk[2] << 8) | chunk[3] : 0;
  if (chunk[0] !== INIT || length < CHUNK_HEADER_BYTES || length > chunk.length) return undefined;
  const init = parseInit(chunk.subarray(CHUNK_HEADER_BYTES, length));
  return init !== undefined && isAcceptable(init) ? init : undefined;
}
