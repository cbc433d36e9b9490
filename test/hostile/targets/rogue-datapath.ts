import { Datapath } from "../../../src/wasm/datapath.ts";

/** The content of one record, before it is sealed. */
export interface RecordContent {
  readonly type: number;
  readonly content: Uint8Array;
}

/** What takes the place of a record's content. */
export type Tamper = (record: RecordContent) => RecordContent;

const TAG_BYTES = 16;
const HEADER_BYTES_12 = 13;
const PLAINTEXT_AT_12 = 21;
/** RFC 9147 §4: the bit of the unified header that says there is a length, behind a sequence number of two bytes. */
const UNIFIED_LENGTH = 0x04;
const MAX_CONTENT_BYTES = 1_150;

/**
 * Seals what `tamper` makes of each record, so that a peer with the true keys sends what no honest one would. Records without
 * protection pass by here: {@link tamperPlain} is for them.
 */
export class RogueDatapath extends Datapath {
  tamper: Tamper = (record) => record;

  override seal12(
    slot: number,
    record: number,
    type: number,
    epoch: number,
    sequence: number,
    plaintextLength: number,
  ): number {
    const at = record + PLAINTEXT_AT_12;
    const made = this.tamper({ type, content: this.memory.slice(at, at + plaintextLength) });
    const content = made.content.subarray(0, MAX_CONTENT_BYTES);
    this.memory.set(content, at);
    return super.seal12(slot, record, made.type, epoch, sequence, content.length);
  }

  override seal13(slot: number, header: number, headerLength: number, sequence: number, innerLength: number): number {
    const at = header + headerLength;
    const type = this.memory[at + innerLength - 1];
    const made = this.tamper({ type, content: this.memory.slice(at, at + innerLength - 1) });
    const content = made.content.subarray(0, MAX_CONTENT_BYTES);
    this.memory.set(content, at);
    this.memory[at + content.length] = made.type;
    if ((this.memory[header] & UNIFIED_LENGTH) !== 0) {
      this.view.setUint16(header + 3, content.length + 1 + TAG_BYTES);
    }
    return super.seal13(slot, header, headerLength, sequence, content.length + 1);
  }
}

/** The same for the records of a datagram that are not protected; it passes on what it cannot read. */
export function tamperPlain(datagram: Uint8Array, tamper: Tamper): Uint8Array {
  const out: number[] = [];
  let at = 0;
  while (at + HEADER_BYTES_12 <= datagram.length) {
    const header = datagram.subarray(at, at + HEADER_BYTES_12);
    const length = (header[11] << 8) | header[12];
    const isPlain = header[0] >= 20 && header[0] <= 26 && header[3] === 0 && header[4] === 0;
    if (!isPlain || at + HEADER_BYTES_12 + length > datagram.length) break;
    const content = datagram.slice(at + HEADER_BYTES_12, at + HEADER_BYTES_12 + length);
    const made = tamper({ type: header[0], content });
    out.push(
      made.type,
      ...header.subarray(1, 11),
      made.content.length >>> 8,
      made.content.length & 0xff,
      ...made.content,
    );
    at += HEADER_BYTES_12 + length;
  }
  return Uint8Array.from([...out, ...datagram.subarray(at)]);
}
