import type { Datapath } from "../wasm/datapath.ts";
import { HANDSHAKE_HEADER_BYTES, type HandshakeMessage, writeFragment } from "./handshake.ts";
import { CONTENT_CHANGE_CIPHER_SPEC, CONTENT_HANDSHAKE, type RecordLayer } from "./record.ts";

/** RFC 5246 §7.1: the one value a ChangeCipherSpec has. In DTLS it has no number: the epoch of what follows tells. */
export const CHANGE_CIPHER_SPEC = "change-cipher-spec";
const CHANGE_CIPHER_SPEC_CONTENT = Uint8Array.of(0x01);

/** What a flight is made of. */
export type FlightItem = HandshakeMessage | typeof CHANGE_CIPHER_SPEC;

/** Not worth a record of its own at the end of a datagram. */
const SMALLEST_FRAGMENT_BYTES = 32;

/**
 * The messages that one side sends before it waits for the other (RFC 6347 §4.2.4). They are kept until the answer shows
 * that they arrived, and written anew, with fresh record numbers and cut to the present MTU, each time they are sent.
 */
export class Flight {
  readonly #items: readonly FlightItem[];
  /** Whether a timer repeats it. The very last flight of a handshake is repeated only on demand. */
  readonly expectsAnswer: boolean;
  /** message_seq of the peer's message that this flight answers; seen again, it asks for this flight again. */
  readonly answers: number;
  /** How often it was sent, and when last. */
  transmissions = 0;
  sentAt = 0;

  constructor(items: readonly FlightItem[], answers: number, expectsAnswer: boolean) {
    this.#items = items;
    this.answers = answers;
    this.expectsAnswer = expectsAnswer;
  }

  /** Adds all of it to the datagram under construction and to as many further ones as it takes. */
  write(now: number, records: RecordLayer, datapath: Datapath): void {
    this.transmissions++;
    this.sentAt = now;
    for (const item of this.#items) {
      if (item === CHANGE_CIPHER_SPEC) {
        records.addBytes(records.writeEpoch(0), CONTENT_CHANGE_CIPHER_SPEC, CHANGE_CIPHER_SPEC_CONTENT);
      } else {
        writeMessage(item, records, datapath);
      }
    }
  }
}

function writeMessage(message: HandshakeMessage, records: RecordLayer, datapath: Datapath): void {
  const write = records.writeEpoch(message.epoch);
  const { length } = message.body;
  let start = 0;
  do {
    const rest = length - start;
    if (records.room(write) < HANDSHAKE_HEADER_BYTES + Math.min(rest, SMALLEST_FRAGMENT_BYTES)) records.flush();
    const end = start + Math.min(rest, records.room(write) - HANDSHAKE_HEADER_BYTES);
    const at = records.reserve(write, HANDSHAKE_HEADER_BYTES + end - start);
    records.add(write, CONTENT_HANDSHAKE, writeFragment(datapath.memory, at, message, start, end));
    start = end;
  } while (start < length);
}
