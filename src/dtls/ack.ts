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

/** Records of one flight that are remembered: one of 3 KB, cut to fragments of 12 bytes. */
const MAX_RECORDS = 256;

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

/** The handshake records of the peer's present flight that were processed or buffered. */
export class AckList {
  /** `undefined` while there is none, which is nearly always. */
  #numbers: RecordNumber[] | undefined;
  #hasNews = false;

  /** Records have come since {@link list} was asked last. */
  get hasNews(): boolean {
    return this.#hasNews;
  }

  add(epoch: number, sequence: number): void {
    this.#hasNews = true;
    this.#numbers ??= [];
    if (this.#numbers.some((number) => number.sequence === sequence && number.epoch === epoch)) return;
    if (this.#numbers.length === MAX_RECORDS) this.#numbers.shift();
    this.#numbers.push({ epoch, sequence });
  }

  /** RFC 9147 §7: all records "in the current flight which the endpoint has received …, in numerically increasing order". */
  list(): readonly RecordNumber[] {
    this.#hasNews = false;
    return (this.#numbers ?? []).sort((a, b) => a.epoch - b.epoch || a.sequence - b.sequence);
  }

  clear(): void {
    this.#numbers = undefined;
    this.#hasNews = false;
  }
}

/** 64 bits; values past 2^53 lose their low bits, and no epoch or sequence number of ours is that large. */
function u64(reader: ByteReader): number {
  return reader.u32() * 0x1_0000_0000 + reader.u32();
}
