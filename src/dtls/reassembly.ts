import type { DropReason } from "../wire/drops.ts";
import { type MemoryAccount, unlimitedAccount } from "../wire/memory-ledger.ts";
import {
  ALERT_DECODE_ERROR,
  ALERT_ILLEGAL_PARAMETER,
  ALERT_UNEXPECTED_MESSAGE,
  type AlertDescription,
} from "./alert.ts";
import { Fragments } from "./fragments.ts";

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
/** How far ahead of the next message fragments are kept: the longest flight of either version has fewer messages. */
const MAX_MESSAGES_AHEAD = 8;
/** What all unfinished messages together may hold. */
const MAX_BUFFERED_BYTES = 16_384;
/** Pieces apart from each other of all unfinished messages: a hello with a hybrid key, cut to fragments of 2 bytes in any order. */
const MAX_PIECES = 1_024;

/** What an unfinished message takes beside its fragments (measured). */
const PARTIAL_BYTES = 500;

/**
 * What became of a fragment that was not simply kept. `repeated`: the end of a message that was already taken, so the peer sends
 * again. `drop`: why it was dropped; with the alert for it if it was protected, unless it may come again.
 */
export type FragmentResult =
  | { readonly repeated: number }
  | { readonly drop: DropReason; readonly alert: AlertDescription | undefined };

const MALFORMED: FragmentResult = { drop: "dtls-malformed", alert: ALERT_DECODE_ERROR };
const CONTRADICTION: FragmentResult = { drop: "dtls-unexpected", alert: ALERT_ILLEGAL_PARAMETER };
const TOO_LARGE: FragmentResult = { drop: "dtls-too-large", alert: ALERT_ILLEGAL_PARAMETER };
const OUT_OF_PLACE: FragmentResult = { drop: "dtls-too-large", alert: ALERT_UNEXPECTED_MESSAGE };
const TOO_EARLY: FragmentResult = { drop: "dtls-unexpected", alert: undefined };
const NO_ROOM: FragmentResult = { drop: "dtls-reassembly-limit", alert: undefined };

interface Partial {
  readonly type: number;
  readonly epoch: number;
  readonly length: number;
  readonly fragments: Fragments;
}

/** Puts messages together from fragments that come in any order, cut and number, and hands them out in sequence. */
export class Reassembly {
  /** The longest message that is taken. */
  maxMessageBytes = MAX_MESSAGE_BYTES;
  /** The number of the next message. */
  next = 0;
  /** By sequence; `undefined` while there are none: a connection is idle longer than it shakes hands. */
  #partials: Map<number, Partial> | undefined;
  readonly #memory: MemoryAccount;

  constructor(memory: MemoryAccount = unlimitedAccount()) {
    this.#memory = memory;
  }

  /** True while part of a message is held: something of the peer's flight is missing. */
  get incomplete(): boolean {
    return this.#partials !== undefined;
  }

  /** Takes every fragment in `content`, the plaintext of a handshake record. */
  addRecord(epoch: number, content: Uint8Array, report: (result: FragmentResult) => void): void {
    let at = 0;
    while (at < content.length) {
      if (content.length - at < HANDSHAKE_HEADER_BYTES) {
        report(MALFORMED);
        return;
      }
      const length = u24(content, at + 9);
      const from = at + HANDSHAKE_HEADER_BYTES;
      if (length > content.length - from) {
        report(MALFORMED);
        return;
      }
      const result = this.#addFragment(epoch, content, at, content.subarray(from, from + length));
      if (result !== undefined) report(result);
      at = from + length;
    }
  }

  /** The next message in sequence, once it is whole. */
  take(): HandshakeMessage | undefined {
    const sequence = this.next;
    const partial = this.#partials?.get(sequence);
    if (partial === undefined || partial.fragments.byteCount < partial.length) return undefined;
    const { type, epoch, fragments } = partial;
    this.next++;
    this.#forget(sequence);
    // Epochs only rise: what is held of an earlier one is nobody's.
    for (const [later, { epoch: other }] of this.#partials ?? []) if (other < epoch) this.#forget(later);
    return { type, sequence, epoch, body: fragments.assemble() };
  }

  /** Gives a message back as never received: it has no place in its epoch, which anybody can send in. */
  reject({ sequence }: HandshakeMessage): void {
    this.next = sequence;
  }

  /** The connection has ended: forgets what is unfinished. */
  release(): void {
    for (const sequence of this.#partials?.keys() ?? []) this.#forget(sequence);
  }

  #addFragment(epoch: number, header: Uint8Array, at: number, fragment: Uint8Array): FragmentResult | undefined {
    const type = header[at];
    const length = u24(header, at + 1);
    const sequence = messageSequence(header, at);
    const start = u24(header, at + 6);
    const end = start + fragment.length;
    if (end > length) return MALFORMED;
    if (sequence < this.next) return end === length ? { repeated: sequence } : undefined;
    if (sequence >= this.next + MAX_MESSAGES_AHEAD) return TOO_EARLY;
    // After the handshake the messages that have a place are short: a longer one is of another kind.
    if (length > this.maxMessageBytes) return this.maxMessageBytes < MAX_MESSAGE_BYTES ? OUT_OF_PLACE : TOO_LARGE;
    const known = this.#partials?.get(sequence);
    // An authenticated fragment replaces what anybody could have sent in an earlier epoch; never the other way round.
    if (known !== undefined && known.epoch < epoch) this.#forget(sequence);
    else if (known !== undefined && known.epoch > epoch) return TOO_EARLY;
    else if (known !== undefined && !(known.type === type && known.length === length)) return CONTRADICTION;
    if (!this.#makeRoom(sequence, epoch, fragment.length)) return NO_ROOM;
    const { fragments } = this.#partialOf(sequence, epoch, type, length);
    const before = fragments.heldBytes;
    fragments.add(start, fragment);
    this.#memory.add(fragments.heldBytes - before);
    return undefined;
  }

  #partialOf(sequence: number, epoch: number, type: number, length: number): Partial {
    this.#partials ??= new Map();
    let partial = this.#partials.get(sequence);
    if (partial === undefined) {
      partial = { type, epoch, length, fragments: new Fragments() };
      this.#partials.set(sequence, partial);
      this.#memory.add(PARTIAL_BYTES);
    }
    return partial;
  }

  /**
   * Where there is no room, what is farthest ahead goes first, and what anybody could have sent before what is authenticated:
   * forged fragments ahead must not keep out the ones that are next.
   */
  #makeRoom(sequence: number, epoch: number, bytes: number): boolean {
    while (!this.#hasRoom(bytes)) {
      const worst = this.#leastWorthy(sequence, epoch);
      if (worst === undefined) return false;
      this.#forget(worst);
    }
    return true;
  }

  /** The message that is farthest ahead, of those that may be forgotten for one with this number and epoch. */
  #leastWorthy(sequence: number, epoch: number): number | undefined {
    for (let other = this.next + MAX_MESSAGES_AHEAD - 1; other >= this.next; other--) {
      const partial = this.#partials?.get(other);
      if (partial === undefined) continue;
      if (partial.epoch < epoch || (partial.epoch === epoch && other > sequence)) return other;
    }
    return undefined;
  }

  #hasRoom(bytes: number): boolean {
    let buffered = bytes;
    let pieces = 1;
    for (const { fragments } of this.#partials?.values() ?? []) {
      buffered += fragments.byteCount;
      pieces += fragments.pieceCount;
    }
    return buffered <= MAX_BUFFERED_BYTES && pieces <= MAX_PIECES && this.#memory.hasRoomFor(PARTIAL_BYTES + bytes);
  }

  #forget(sequence: number): void {
    const partial = this.#partials?.get(sequence);
    if (partial === undefined) return;
    this.#memory.give(PARTIAL_BYTES + partial.fragments.heldBytes);
    this.#partials?.delete(sequence);
    if (this.#partials?.size === 0) this.#partials = undefined;
  }
}

/** The message_seq in the header of a fragment at `at`. */
export function messageSequence(bytes: Uint8Array, at: number): number {
  return (bytes[at + 4] << 8) | bytes[at + 5];
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
