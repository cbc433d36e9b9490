import { ByteWriter } from "../wire/bytes.ts";
import { type Ssn, type Tsn, tsnAfter } from "../wire/serial.ts";
import { FLAG_UNORDERED, FORWARD_TSN, FORWARD_TSN_HEADER_BYTES, writeChunk } from "./packet.ts";
import { ABANDONED, ACKED, type Outstanding } from "./outstanding.ts";

/** Chunks in one go; further ones follow with the next SACK. */
const MAX_CHAIN = 8;
/** Ordered streams named in one chunk, so that it fits into any packet. */
const MAX_STREAMS = 64;

const NONE_RESTARTED: ReadonlyMap<number, Tsn> = new Map();

/**
 * FORWARD TSN (RFC 3758 §3.2):
 *
 * ```
 * +---------------+---------------+-------------------------------+
 * |   type 192    |       0       |     length (8 + 4 · streams)  |
 * +---------------+---------------+-------------------------------+
 * |                      new cumulative TSN                       |
 * +-------------------------------+-------------------------------+
 * |            stream             |    stream sequence number     | …
 * ```
 *
 * Skips exactly the abandoned messages. The walk starts behind the cumulative TSN ack and goes over abandoned chunks and,
 * beyond the letter of §3.5 C2, over chunks the peer reported as received: a new cumulative TSN that stopped there would
 * move one loss per round trip, and on a bad link losses come faster than that.
 *
 * An *ordered* chunk on the way ends the FORWARD TSN and begins a new one. The peer may still hold it for a predecessor
 * that is skipped here, and one chunk that named both the skipped sequence number before and the one after it would make
 * some receivers throw the message between them away.
 *
 * A chunk that was sent before its stream was reset (RFC 6525) has a number of the time before: it is skipped, not named.
 *
 * @param restarted streams that were reset since, each with the first TSN of the time after it
 */
export function writeForwardTsns(
  outstanding: Outstanding,
  restarted: ReadonlyMap<number, Tsn> = NONE_RESTARTED,
): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let point: Tsn | undefined;
  let skipped = new Map<number, Ssn>();
  const end = (): void => {
    if (point !== undefined) chunks.push(writeForwardTsn(point, skipped));
    point = undefined;
    skipped = new Map();
  };
  for (let i = 0; i < outstanding.count && chunks.length < MAX_CHAIN; i++) {
    const chunk = outstanding.at(i);
    const start = restarted.size === 0 ? undefined : restarted.get(chunk.streamId);
    const ordered = (chunk.flags & FLAG_UNORDERED) === 0 && (start === undefined || !tsnAfter(start, chunk.tsn));
    if (chunk.state === ABANDONED) {
      if (skipped.size === MAX_STREAMS) end();
      point = chunk.tsn;
      // §3.5 C4: "If the chunk has a valid stream and sequence number, the sender MUST include" them; each stream once,
      // with its highest.
      if (ordered) skipped.set(chunk.streamId, chunk.ssn);
    } else if (chunk.state === ACKED) {
      if (ordered) end();
    } else break;
  }
  if (chunks.length < MAX_CHAIN) end();
  return chunks;
}

function writeForwardTsn(newCumulative: Tsn, skipped: ReadonlyMap<number, Ssn>): Uint8Array {
  const value = new ByteWriter(FORWARD_TSN_HEADER_BYTES + 4 * skipped.size).u32(newCumulative);
  for (const [streamId, sequence] of skipped) value.u16(streamId).u16(sequence);
  return writeChunk(FORWARD_TSN, 0, value.finish());
}
