import type { DropReason } from "../wire/drops.ts";
import { equalBytes } from "../wire/bytes.ts";
import { addRange, coversAll, type Ranges } from "./ranges.ts";

/**
 * Handshake messages travel as fragments (RFC 6347 §4.2.2, the same in RFC 9147 §5.2):
 *
 *     | msg_type 1 | length 3 | message_seq 2 | fragment_offset 3 | fragment_length 3 | fragment |
 *
 * `length` is that of the whole message, the same in each of its fragments.
 */
export const HANDSHAKE_HEADER_BYTES = 12;

/** A whole message, as state machines see it. */
export interface HandshakeMessage {
  readonly type: number;
  readonly sequence: number;
  /** The epoch of the records it came in; for our own, of the records it leaves in. */
  readonly epoch: number;
  readonly body: Uint8Array;
}

/** The largest message we take: an X.509 chain with RSA keys fits with room to spare. */
export const MAX_MESSAGE_BYTES = 8_192;
/** How many messages before the next one may still be contradicted: more than any flight has that is not protected. */
const MAX_UNSETTLED = 16;
/** How far ahead of the next message fragments are kept: the longest flight of either version has fewer messages. */
const MAX_MESSAGES_AHEAD = 8;
/** What all unfinished messages together may hold. */
const MAX_BUFFERED_BYTES = 16_384;
/** Holes in one message; more means somebody is playing. */
const MAX_RANGES = 64;

/** What became of a fragment. `repeated`: the end of a message that was already taken, so the peer sends again. */
export type FragmentResult = { repeated: number; epoch: number } | DropReason | undefined;

interface Partial {
  readonly type: number;
  readonly epoch: number;
  readonly body: Uint8Array;
  /** What has arrived. */
  readonly ranges: Ranges;
}

/** What was handed out without protection. */
interface Unsettled {
  readonly accepted: Map<number, HandshakeMessage>;
  /** The last message that contradicted one of them. */
  rival: HandshakeMessage | undefined;
}

/**
 * Puts messages together from fragments that come in any order, cut and number, and hands them out in sequence. What is not
 * protected can be anybody's: until {@link settle} a different message in the place of one that was handed out is handed out, too, once
 * it has come twice. A peer repeats its messages as they are; what was garbled on its way does not come a second time.
 */
export class Reassembly {
  #next = 0;
  #bufferedBytes = 0;
  /** By sequence; `undefined` while there are none: a connection is idle longer than it shakes hands. */
  #partials: Map<number, Partial> | undefined;
  #unsettled: Unsettled | undefined = { accepted: new Map(), rival: undefined };

  /** True while part of a message is held: something of the peer's flight is missing. */
  get incomplete(): boolean {
    return this.#partials !== undefined;
  }

  /** Takes every fragment in `content`, the plaintext of a handshake record. */
  addRecord(epoch: number, content: Uint8Array, report: (result: FragmentResult) => void): void {
    let at = 0;
    while (at < content.length) {
      if (content.length - at < HANDSHAKE_HEADER_BYTES) {
        report("dtls-malformed");
        return;
      }
      const length = u24(content, at + 9);
      const from = at + HANDSHAKE_HEADER_BYTES;
      if (length > content.length - from) {
        report("dtls-malformed");
        return;
      }
      const result = this.#addFragment(epoch, content, at, content.subarray(from, from + length));
      if (result !== undefined) report(result);
      at = from + length;
    }
  }

  /** The next message in sequence, once it is whole; or one that contradicts an earlier one, whose number it has. */
  take(): HandshakeMessage | undefined {
    const first = this.#unsettled === undefined ? this.#next : Math.max(0, this.#next - MAX_UNSETTLED);
    for (let sequence = first; sequence <= this.#next; sequence++) {
      const partial = this.#partials?.get(sequence);
      if (partial === undefined || !coversAll(partial.ranges, partial.body.length)) continue;
      this.#forget(sequence, partial);
      const message = { type: partial.type, sequence, epoch: partial.epoch, body: partial.body };
      if (sequence < this.#next && !this.#contradicts(message)) continue;
      if (sequence === this.#next) this.#accept(message);
      return message;
    }
    return undefined;
  }

  /** Gives a message back as never received: it made no sense and was not authenticated, so the true one may follow. */
  reject({ sequence }: HandshakeMessage): void {
    this.#next = sequence;
    this.#unsettled?.accepted.delete(sequence);
  }

  /** Takes back what was handed out from this number on. Fragments stay: they may be of the flight that is now the true one. */
  goBack(sequence: number): void {
    const accepted = this.#unsettled?.accepted;
    for (const later of accepted?.keys() ?? []) if (later >= sequence) accepted?.delete(later);
    this.#next = sequence;
  }

  /** Goes on from this message, which {@link take} handed out, in the place of the one that had its number before. */
  replace(message: HandshakeMessage): void {
    this.goBack(message.sequence);
    this.#accept(message);
  }

  /** Something protected has shown that the messages so far are the peer's: there is no other one in their place. */
  settle(): void {
    this.#unsettled = undefined;
    for (const [sequence, partial] of this.#partials ?? []) if (sequence < this.#next) this.#forget(sequence, partial);
  }

  #accept(message: HandshakeMessage): void {
    this.#next = message.sequence + 1;
    if (message.epoch === 0) {
      this.#unsettled?.accepted.set(message.sequence, message);
      // A client may be asked for a cookie, and ask to be asked again, without end.
      this.#unsettled?.accepted.delete(message.sequence - MAX_UNSETTLED);
    } else {
      // Epochs only rise: what is held of an earlier one is nobody's.
      for (const [sequence, partial] of this.#partials ?? []) {
        if (partial.epoch < message.epoch) this.#forget(sequence, partial);
      }
    }
  }

  /** For the second time. */
  #contradicts(message: HandshakeMessage): boolean {
    const unsettled = this.#unsettled;
    const accepted = unsettled?.accepted.get(message.sequence);
    if (unsettled === undefined || accepted === undefined || isSame(accepted, message)) return false;
    const again = unsettled.rival !== undefined && isSame(unsettled.rival, message);
    unsettled.rival = again ? undefined : message;
    return again;
  }

  #addFragment(epoch: number, header: Uint8Array, at: number, fragment: Uint8Array): FragmentResult {
    const type = header[at];
    const length = u24(header, at + 1);
    const sequence = (header[at + 4] << 8) | header[at + 5];
    const start = u24(header, at + 6);
    const end = start + fragment.length;
    if (end > length) return "dtls-malformed";
    if (sequence >= this.#next + MAX_MESSAGES_AHEAD) return "dtls-unexpected";
    const accepted = this.#unsettled?.accepted.get(sequence);
    const repeated = sequence < this.#next && end === length ? { repeated: sequence, epoch } : undefined;
    if (sequence < this.#next && (accepted === undefined || epoch > 0)) return repeated;
    const partial = this.#partialOf(sequence, epoch, type, length);
    if (typeof partial === "string") return partial;
    partial.body.set(fragment, start);
    if (!addRange(partial.ranges, start, end, MAX_RANGES)) return "dtls-reassembly-limit";
    // What contradicts asks for nothing again.
    const isTheSame = accepted?.body.length === length && equalBytes(accepted.body.subarray(start, end), fragment);
    return isTheSame ? repeated : undefined;
  }

  #partialOf(sequence: number, epoch: number, type: number, length: number): Partial | DropReason {
    const known = this.#partials?.get(sequence);
    if (known !== undefined) {
      // An authenticated fragment replaces what anybody could have sent in an earlier epoch; never the other way round.
      if (epoch < known.epoch) return "dtls-unexpected";
      const fits = type === known.type && length === known.body.length;
      if (epoch === known.epoch && fits) return known;
      // Of two that anybody could have sent none is more credible; but the true one will be repeated.
      if (epoch === known.epoch && epoch > 0) return "dtls-unexpected";
    }
    if (length > MAX_MESSAGE_BYTES) return "dtls-too-large";
    if (known !== undefined) this.#forget(sequence, known);
    if (!this.#makeRoom(sequence, epoch, length)) return "dtls-reassembly-limit";
    const partial = { type, epoch, body: new Uint8Array(length), ranges: [] };
    this.#bufferedBytes += length;
    this.#partials ??= new Map();
    this.#partials.set(sequence, partial);
    return partial;
  }

  /**
   * Where there is no room, what is farthest ahead goes first, and what anybody could have sent before what is authenticated: two
   * forged fragments of long messages must not keep out the ones that are next.
   */
  #makeRoom(sequence: number, epoch: number, length: number): boolean {
    const farthest = [...(this.#partials ?? [])].sort(([a], [b]) => b - a);
    for (const [other, partial] of farthest) {
      if (this.#bufferedBytes + length <= MAX_BUFFERED_BYTES) break;
      if (partial.epoch < epoch || (partial.epoch === epoch && other > sequence)) this.#forget(other, partial);
    }
    return this.#bufferedBytes + length <= MAX_BUFFERED_BYTES;
  }

  #forget(sequence: number, partial: Partial): void {
    this.#partials?.delete(sequence);
    if (this.#partials?.size === 0) this.#partials = undefined;
    this.#bufferedBytes -= partial.body.length;
  }
}

function isSame(a: HandshakeMessage, b: HandshakeMessage): boolean {
  return a.sequence === b.sequence && a.type === b.type && equalBytes(a.body, b.body);
}

/** Writes a fragment's header and content at `at` and returns the bytes written. */
export function writeFragment(
  target: Uint8Array,
  at: number,
  message: HandshakeMessage,
  start: number,
  end: number,
): number {
  writeHeader(target, at, message, start, end - start);
  target.set(message.body.subarray(start, end), at + HANDSHAKE_HEADER_BYTES);
  return HANDSHAKE_HEADER_BYTES + end - start;
}

/** RFC 9147 §5.2: transcripts of DTLS 1.3 hash messages with the header of TLS: msg_type (1), length (3). */
export function encodeAsTls(type: number, body: Uint8Array): Uint8Array {
  const whole = new Uint8Array(4 + body.length);
  whole[0] = type;
  writeU24(whole, 1, body.length);
  whole.set(body, 4);
  return whole;
}

/** RFC 6347 §4.2.6: transcripts of DTLS 1.2 hash each message "as if it were sent in a single fragment". */
export function encodeWhole(message: HandshakeMessage): Uint8Array {
  const whole = new Uint8Array(HANDSHAKE_HEADER_BYTES + message.body.length);
  writeFragment(whole, 0, message, 0, message.body.length);
  return whole;
}

function writeHeader(target: Uint8Array, at: number, message: HandshakeMessage, start: number, length: number): void {
  target[at] = message.type;
  writeU24(target, at + 1, message.body.length);
  target[at + 4] = message.sequence >>> 8;
  target[at + 5] = message.sequence;
  writeU24(target, at + 6, start);
  writeU24(target, at + 9, length);
}

function u24(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
}

function writeU24(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 16;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value;
}
