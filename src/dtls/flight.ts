import type { Datapath } from "../wasm/datapath.ts";
import type { RecordNumber } from "./ack.ts";
import { HANDSHAKE_HEADER_BYTES, type HandshakeMessage, writeFragment } from "./reassembly.ts";
import { addRange, coversAll, nextGap, type Ranges } from "./ranges.ts";
import { CONTENT_CHANGE_CIPHER_SPEC, CONTENT_HANDSHAKE, type RecordLayer } from "./record.ts";

/** RFC 5246 §7.1: the one value a ChangeCipherSpec has. In DTLS it has no number: the epoch of what follows tells. */
export const CHANGE_CIPHER_SPEC = "change-cipher-spec";
const CHANGE_CIPHER_SPEC_CONTENT = Uint8Array.of(0x01);

/** What a flight is made of. */
export type FlightItem = HandshakeMessage | typeof CHANGE_CIPHER_SPEC;

export interface FlightOptions {
  /** message_seq of the peer's message that this flight answers; seen again, it asks for this flight again. −1: none. */
  readonly answers: number;
  /** Whether a timer repeats it. The last flight of DTLS 1.2 and a HelloVerifyRequest are repeated on demand only. */
  readonly expectsAnswer: boolean;
  /** Called once all of it is acknowledged (DTLS 1.3). */
  readonly acknowledged?: (() => void) | undefined;
}

/** Not worth a record of its own at the end of a datagram. */
const SMALLEST_FRAGMENT_BYTES = 32;
/** Records remembered for acknowledgement; a flight of 3 KB cut to an MTU of 128 bytes, four times over. */
const MAX_REMEMBERED = 256;
/** Pieces of one message that may be acknowledged apart from each other. */
const MAX_RANGES = 64;

interface SentFragment extends RecordNumber {
  readonly item: number;
  readonly start: number;
  readonly end: number;
}

/**
 * The messages that one side sends before it waits for the other (RFC 6347 §4.2.4, RFC 9147 §5.7). They are kept until the
 * answer shows that they arrived, and written anew, with fresh record numbers and cut to the present MTU, each time they are
 * sent; without what was acknowledged by then (RFC 9147 §7.2).
 */
export class Flight {
  readonly options: FlightOptions;
  /** How often it was sent, and when last. */
  transmissions = 0;
  sentAt = 0;
  readonly #items: readonly FlightItem[];
  readonly #acknowledged: Ranges[];
  #sent: SentFragment[] = [];

  constructor(items: readonly FlightItem[], options: FlightOptions) {
    this.#items = items;
    this.#acknowledged = items.map(() => []);
    this.options = options;
  }

  /** Adds it to the datagram under construction and to as many further ones as it takes. */
  write(now: number, records: RecordLayer, datapath: Datapath): void {
    this.transmissions++;
    this.sentAt = now;
    this.#items.forEach((item, index) => {
      if (item === CHANGE_CIPHER_SPEC) {
        records.addBytes(records.epochs.write(0), CONTENT_CHANGE_CIPHER_SPEC, CHANGE_CIPHER_SPEC_CONTENT);
      } else {
        this.#writeMessage(item, index, records, datapath);
      }
    });
  }

  /** Notes which records arrived. True once that is all of it. */
  acknowledge(numbers: readonly RecordNumber[]): boolean {
    for (const { epoch, sequence } of numbers) {
      const fragment = this.#sent.find((sent) => sent.sequence === sequence && sent.epoch === epoch);
      if (fragment === undefined) continue;
      addRange(this.#acknowledged[fragment.item], fragment.start, fragment.end, MAX_RANGES);
    }
    return this.#items.every(
      (item, index) => item === CHANGE_CIPHER_SPEC || coversAll(this.#acknowledged[index], item.body.length),
    );
  }

  #writeMessage(message: HandshakeMessage, item: number, records: RecordLayer, datapath: Datapath): void {
    const write = records.epochs.write(message.epoch);
    const { length } = message.body;
    let start = 0;
    do {
      const [gapStart, gapEnd] = nextGap(this.#acknowledged[item], start, length) ?? [length, length];
      if (length > 0 && gapStart === length) return;
      const rest = gapEnd - gapStart;
      if (records.room(write) < HANDSHAKE_HEADER_BYTES + Math.min(rest, SMALLEST_FRAGMENT_BYTES)) records.flush();
      start = gapStart + Math.min(rest, records.room(write) - HANDSHAKE_HEADER_BYTES);
      const at = records.reserve(write, HANDSHAKE_HEADER_BYTES + start - gapStart);
      const fragmentBytes = writeFragment(datapath.memory, at, message, gapStart, start);
      this.#remember({ epoch: write.epoch, sequence: write.sequence, item, start: gapStart, end: start });
      records.add(write, CONTENT_HANDSHAKE, fragmentBytes);
    } while (start < length);
  }

  #remember(fragment: SentFragment): void {
    if (this.#sent.length === MAX_REMEMBERED) this.#sent.shift();
    this.#sent.push(fragment);
  }
}
