import { ByteWriter } from "../wire/bytes.ts";
import type { MessageNumber, Tsn } from "../wire/serial.ts";
import {
  FLAG_SKIPS_UNORDERED,
  FLAG_UNORDERED,
  FORWARD_TSN,
  FORWARD_TSN_HEADER_BYTES,
  I_FORWARD_TSN,
  I_FORWARD_TSN_ENTRY_BYTES,
  I_FORWARD_TSN_HEADER_BYTES,
  writeChunk,
} from "./packet.ts";
import { ABANDONED, ACKED, type Outstanding, type SentChunk } from "./outstanding.ts";

/** Chunks in one go; further ones follow with the next SACK. */
const MAX_CHAIN = 8;
/** Streams named in one chunk, so that it fits into any packet. */
const MAX_STREAMS = 64;

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
 * With I-DATA it is an I-FORWARD-TSN (RFC 8260 §2.3.1), which names unordered messages, too. A stream's messages are sent one
 * after the other, so that those before the one that is named have come or are skipped as well.
 */
export function writeForwardTsns(outstanding: Outstanding, interleaving = false): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let point: Tsn | undefined;
  let skipped: Skipped = new Map();
  const end = (): void => {
    if (point !== undefined)
      chunks.push(interleaving ? writeIForwardTsn(point, skipped) : writeForwardTsn(point, skipped));
    point = undefined;
    skipped = new Map();
  };
  for (let i = 0; i < outstanding.count && chunks.length < MAX_CHAIN; i++) {
    const chunk = outstanding.at(i);
    if (chunk.state === ABANDONED) {
      if (skipped.size === MAX_STREAMS) end();
      point = chunk.tsn;
      // §3.5 C4: "If the chunk has a valid stream and sequence number, the sender MUST include" them; each stream once,
      // with its highest.
      if (interleaving || isOrdered(chunk)) skipped.set(kindOf(chunk), chunk.number);
    } else if (chunk.state === ACKED) {
      if (isOrdered(chunk)) end();
    } else break;
  }
  if (chunks.length < MAX_CHAIN) end();
  return chunks;
}

/** The last message skipped, for each stream and kind of messages: the stream's number shifted by 16, and the flags of I-FORWARD-TSN. */
type Skipped = Map<number, MessageNumber>;

function isOrdered({ flags }: SentChunk): boolean {
  return (flags & FLAG_UNORDERED) === 0;
}

function kindOf(chunk: SentChunk): number {
  return ((chunk.streamId << 16) | (isOrdered(chunk) ? 0 : FLAG_SKIPS_UNORDERED)) >>> 0;
}

function writeForwardTsn(newCumulative: Tsn, skipped: Skipped): Uint8Array {
  const value = new ByteWriter(FORWARD_TSN_HEADER_BYTES + 4 * skipped.size).u32(newCumulative);
  for (const [kind, number] of skipped) value.u16(kind >>> 16).u16(number);
  return writeChunk(FORWARD_TSN, 0, value.finish());
}

/** Its diagram stands in `packet.ts`. */
function writeIForwardTsn(newCumulative: Tsn, skipped: Skipped): Uint8Array {
  const bytes = I_FORWARD_TSN_HEADER_BYTES + I_FORWARD_TSN_ENTRY_BYTES * skipped.size;
  const value = new ByteWriter(bytes).u32(newCumulative);
  for (const [kind, number] of skipped) value.u32(kind).u32(number);
  return writeChunk(I_FORWARD_TSN, 0, value.finish());
}
