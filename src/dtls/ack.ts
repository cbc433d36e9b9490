import { ByteReader, ByteWriter } from "../wire/bytes.ts";

/**
 * Acknowledgements of DTLS 1.3 (RFC 9147 §7), content type 26:
 *
 *     | record_numbers 2+n of | epoch 8 | sequence_number 8 | |
 */
export interface RecordNumber {
  readonly epoch: number;
  readonly sequence: number;
}

/** What one acknowledgement lists at most: it must fit a datagram; and a flight has fewer records than that. */
const MAX_RECORDS = 32;

/** The numbers; `undefined` where it is malformed. An empty list is none: it says that something did not arrive. */
export function parseAck(content: Uint8Array): RecordNumber[] | undefined {
  const reader = new ByteReader(content);
  const list = new ByteReader(reader.vector(2));
  if (!reader.finished || list.end % 16 !== 0) return undefined;
  const numbers: RecordNumber[] = [];
  while (list.remaining > 0) numbers.push({ epoch: u64(list), sequence: u64(list) });
  return numbers;
}

export function encodeAck(numbers: readonly RecordNumber[]): Uint8Array {
  const writer = new ByteWriter(2 + 16 * numbers.length);
  writer.vector(2, () => {
    for (const { epoch, sequence } of numbers) writer.u16(0).u48(epoch).u16(0).u48(sequence);
  });
  return writer.finish();
}

/** The handshake records of the peer's present flight that were processed, the latest of them. */
export class AckList {
  /** `undefined` while there is none, which is nearly always. */
  #numbers: RecordNumber[] | undefined;

  get isEmpty(): boolean {
    return this.#numbers === undefined;
  }

  add(epoch: number, sequence: number): void {
    this.#numbers ??= [];
    if (this.#numbers.length === MAX_RECORDS) this.#numbers.shift();
    this.#numbers.push({ epoch, sequence });
  }

  /** At most `limit` of them, the latest. */
  latest(limit: number): readonly RecordNumber[] {
    return limit > 0 && this.#numbers !== undefined ? this.#numbers.slice(-limit) : [];
  }

  clear(): void {
    this.#numbers = undefined;
  }
}

/** 64 bits; values past 2^53 lose their low bits, and no epoch or sequence number of ours is that large. */
function u64(reader: ByteReader): number {
  return reader.u32() * 0x1_0000_0000 + reader.u32();
}
