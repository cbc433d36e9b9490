import type { DropCounters } from "../wire/drops.ts";
import type { Datapath } from "../wasm/datapath.ts";
import { ALERT_RECORD_OVERFLOW, ALERT_UNEXPECTED_MESSAGE, type AlertDescription } from "./alert.ts";
import { Epochs, HANDSHAKE_EPOCH, type Protection, type ReadEpoch, type WriteEpoch } from "./epochs.ts";

// Content types (RFC 6347 §4.1).
export const CONTENT_CHANGE_CIPHER_SPEC = 0x14;
export const CONTENT_ALERT = 0x15;
export const CONTENT_HANDSHAKE = 0x16;
export const CONTENT_APPLICATION_DATA = 0x17;
export const CONTENT_ACK = 0x1a; // RFC 9147 §7

/**
 * RFC 6347 §4.1, for epoch 0 in both versions and for every epoch of DTLS 1.2:
 *
 *     | type 1 | version 2 | epoch 2 | sequence_number 6 | length 2 | fragment |
 */
const HEADER_BYTES = 13;
/** RFC 5288 §3: the part of the nonce that each protected record of DTLS 1.2 carries, and the tag. */
const EXPLICIT_NONCE_BYTES = 8;
const TAG_BYTES = 16;
/** Where the plaintext stands in a protected record of DTLS 1.2. */
export const PLAINTEXT_AT_12 = HEADER_BYTES + EXPLICIT_NONCE_BYTES;
/** What a protected record of DTLS 1.2 adds to its plaintext. */
export const OVERHEAD_12 = PLAINTEXT_AT_12 + TAG_BYTES;

/**
 * RFC 9147 §4, for the protected records of DTLS 1.3:
 *
 *     | 001CSLEE 1 | sequence_number 1 or 2, masked | length 0 or 2 | content, type 1, zeros, tag 16, encrypted |
 *
 * C: a connection id follows (we never agree on one); S: two bytes of sequence number; L: the length is there, else the
 * record fills the datagram; EE: the low bits of the epoch. We write S always, since a burst of losses may be longer than 8
 * bits can bridge, and L where records share a datagram.
 */
const UNIFIED = 0x20;
const UNIFIED_MASK = 0xe0;
const UNIFIED_CID = 0x10;
const UNIFIED_SEQUENCE_16 = 0x08;
const UNIFIED_LENGTH = 0x04;
const UNIFIED_EPOCH = 0x03;
const UNIFIED_HEADER_BYTES = 5;
/** Without length. */
const SHORT_HEADER_BYTES = 3;
/** What a protected record of DTLS 1.3 adds to its plaintext. */
export const OVERHEAD_13 = UNIFIED_HEADER_BYTES + 1 + TAG_BYTES;

/**
 * RFC 6347 §4.1: "Implementations MUST … close or rehandshake prior to allowing the sequence number to wrap." RFC 9147 §4.2.1
 * keeps 48 bits as the limit.
 */
export const MAX_SEQUENCE = 2 ** 48 - 1;
/** RFC 5246 §6.2.1, RFC 8446 §5.1: the longest content of a record. */
const MAX_PLAINTEXT_BYTES = 2 ** 14;
/** RFC 9147 §4.5.3: records that may fail to open under one AES-128-GCM key before the connection must end. */
const MAX_FORGERIES = 2 ** 36;

export interface RecordEvents {
  /** The content of one record, authentic if `epoch` > 0; at `offset` of the datapath's memory until the call returns. */
  content(now: number, epoch: number, type: number, offset: number, length: number, sequence: number): void;
  /** A protected record whose epoch has no key yet; borrowed. */
  unreadable(now: number, record: Uint8Array): void;
  /** An authentic record that is not as it must be. */
  refused(alert: AlertDescription): void;
  /** So many records failed to open that the key must not be used any more. */
  forgeryLimit(): void;
}

/** Where finished datagrams go. */
export interface DatagramSink {
  /** Borrowed. */
  transmit(datagram: Uint8Array): void;
}

/** Where application data goes: `length` authentic bytes at `offset` of the datapath's memory until the call returns. */
export interface DataSink {
  applicationDataAt(offset: number, length: number): void;
}

/** Takes records out of datagrams and puts records into datagrams. Knows epochs and keys, but no handshake. */
export class RecordLayer {
  readonly epochs: Epochs;
  /**
   * Takes application data without a detour, once the handshake leaves nothing to be asked for it. Until then it is
   * {@link RecordEvents.content} like the rest.
   */
  dataSink: DataSink | undefined;
  readonly #datapath: Datapath;
  #datagramSink: DatagramSink;
  /** The datagram under construction: where it stands and how long it is. */
  #pending = 0;
  #pendingBytes = 0;
  #closed = false;
  /** Largest datagram, in bytes. May be lowered when datagrams seem not to get through. */
  mtuBytes: number;
  readonly #drops: DropCounters;
  readonly #events: RecordEvents;

  constructor(
    datapath: Datapath,
    mtuBytes: number,
    drops: DropCounters,
    events: RecordEvents,
    datagramSink: DatagramSink,
  ) {
    this.epochs = new Epochs(datapath);
    this.#datapath = datapath;
    this.mtuBytes = mtuBytes;
    this.#drops = drops;
    this.#events = events;
    this.#datagramSink = datagramSink;
  }

  /** The longest plaintext of a record that fits a datagram in the present epoch. */
  get maxPlaintextBytes(): number {
    return this.mtuBytes - overhead(this.epochs.current);
  }

  /** Datagrams go there from now on. Where data goes is asked anew. */
  handOverTo(datagramSink: DatagramSink): void {
    this.#datagramSink = datagramSink;
    this.dataSink = undefined;
  }

  /** Wipes all keys. Nothing is read or written any more. */
  close(): void {
    this.#closed = true;
    this.epochs.close();
  }

  /** Plaintext bytes that still fit into the datagram under construction; may be negative. */
  room(write: WriteEpoch): number {
    return this.mtuBytes - this.#pendingBytes - overhead(write);
  }

  /** Where the plaintext of the next record goes, starting a new datagram where `length` bytes do not fit. */
  reserve(write: WriteEpoch, length: number): number {
    if (this.#pendingBytes > 0 && length > this.room(write)) this.flush();
    if (this.#pendingBytes === 0) this.#pending = this.#datapath.nextTx();
    return this.#pending + this.#pendingBytes + plaintextAt(write);
  }

  /** Makes a record of the `length` bytes written where {@link reserve} said. */
  add(write: WriteEpoch, type: number, length: number): void {
    this.#pendingBytes += this.#seal(write, type, this.#pending + this.#pendingBytes, length);
  }

  addBytes(write: WriteEpoch, type: number, content: Uint8Array): void {
    this.#datapath.memory.set(content, this.reserve(write, content.length));
    this.add(write, type, content.length);
  }

  /** Sends the datagram under construction, if there is one. */
  flush(): void {
    const length = this.#pendingBytes;
    if (length === 0) return;
    this.#pendingBytes = 0;
    this.#datagramSink.transmit(this.#datapath.bytes(this.#pending, length));
  }

  /** Where the plaintext of a record may be written that {@link commit} then seals in place. */
  begin(): number {
    return this.#datapath.nextTx() + PLAINTEXT_AT_12;
  }

  /** Seals application data in place and sends it: behind the records that wait, or at once in a datagram of its own. */
  commit(plaintextOffset: number, length: number): void {
    const write = this.epochs.current;
    if (this.#pendingBytes > 0 && length > this.room(write)) this.flush();
    if (this.#pendingBytes > 0) {
      const { memory } = this.#datapath;
      memory.copyWithin(this.reserve(write, length), plaintextOffset, plaintextOffset + length);
      this.add(write, CONTENT_APPLICATION_DATA, length);
      return;
    }
    // Alone in its datagram, a record of DTLS 1.3 needs no length.
    const record = plaintextOffset - (write.protection === "1.3" ? SHORT_HEADER_BYTES : plaintextAt(write));
    const recordBytes = this.#seal(write, CONTENT_APPLICATION_DATA, record, length, SHORT_HEADER_BYTES);
    this.#datagramSink.transmit(this.#datapath.bytes(record, recordBytes));
  }

  /** Takes all records out of a datagram, which is copied into the datapath's memory. */
  read(now: number, datagram: Uint8Array): void {
    if (this.#closed) return;
    const { memory, rxOffset, rxBytes } = this.#datapath;
    if (datagram.length > rxBytes) {
      this.#drops.count("dtls-too-large");
      return;
    }
    let at = rxOffset;
    memory.set(datagram, at);
    const end = at + datagram.length;
    while (at < end && !this.#closed) at = this.#readRecord(now, at, end);
  }

  /** Reads the record at `at` and returns where the next one begins. */
  #readRecord(now: number, at: number, end: number): number {
    const { memory, view } = this.#datapath;
    if ((memory[at] & UNIFIED_MASK) === UNIFIED) return this.#readUnified(now, at, end);
    const contentAt = at + HEADER_BYTES;
    const next = contentAt <= end ? contentAt + view.getUint16(at + 11) : end + 1;
    // RFC 6347 §4.1.2.7: "invalid records SHOULD be silently discarded"; and where one ends is not known.
    if (next > end || memory[at + 1] !== 0xfe) return this.#malformed(end);
    const type = memory[at];
    const epoch = view.getUint16(at + 3);
    const sequence = view.getUint16(at + 5) * 0x1_0000_0000 + view.getUint32(at + 7);
    if (epoch === 0) {
      if (next - contentAt > MAX_PLAINTEXT_BYTES) return this.#malformed(end);
      this.#events.content(now, 0, type, contentAt, next - contentAt, sequence);
      return next;
    }
    const read = this.epochs.findRead("1.2", epoch, 0xffff);
    if (read === undefined) {
      this.#events.unreadable(now, memory.subarray(at, next));
    } else if (this.#isFresh(read, sequence)) {
      const length = this.#datapath.open12(read.keySlot, at, next - at);
      if (this.#isAuthentic(read, sequence, length)) {
        if (length > MAX_PLAINTEXT_BYTES) this.#events.refused(ALERT_RECORD_OVERFLOW);
        else this.#handOn(now, epoch, type, at + PLAINTEXT_AT_12, length, sequence);
      }
    }
    return next;
  }

  #readUnified(now: number, at: number, end: number): number {
    const { memory, view } = this.#datapath;
    const first = memory[at];
    const sequenceBytes = first & UNIFIED_SEQUENCE_16 ? 2 : 1;
    const lengthBytes = first & UNIFIED_LENGTH ? 2 : 0;
    const headerBytes = 1 + sequenceBytes + lengthBytes;
    const contentAt = at + headerBytes;
    // RFC 9147 §4: a connection id that was never agreed on makes the record one that cannot be associated.
    if (contentAt > end || first & UNIFIED_CID) return this.#malformed(end);
    const next = lengthBytes === 0 ? end : contentAt + view.getUint16(contentAt - 2);
    if (next > end) return this.#malformed(end);
    // RFC 9147 §4.2.2: of the epochs in use, the one with these low bits.
    const read = this.epochs.findRead("1.3", first & UNIFIED_EPOCH, UNIFIED_EPOCH);
    if (read === undefined) this.#events.unreadable(now, memory.subarray(at, next));
    // RFC 9147 §4.2.3: a ciphertext shorter than the 16 bytes of the mask's input is treated as one that fails to open.
    else if (next - contentAt < TAG_BYTES) this.#isAuthentic(read, 0, -1);
    else this.#open13(now, read, at, headerBytes, sequenceBytes, next - contentAt);
    return next;
  }

  #open13(
    now: number,
    read: ReadEpoch,
    at: number,
    headerBytes: number,
    sequenceBytes: number,
    encryptedBytes: number,
  ): void {
    const { memory } = this.#datapath;
    const mask = this.#datapath.recordNumberMask(read.keySlot, at + headerBytes);
    memory[at + 1] ^= mask >>> 8;
    let low = memory[at + 1];
    if (sequenceBytes === 2) {
      memory[at + 2] ^= mask;
      low = (low << 8) | memory[at + 2];
    }
    const sequence = closestSequence(read.newest + 1, low, sequenceBytes === 2 ? 0x1_0000 : 0x100);
    if (!this.#isFresh(read, sequence)) return;
    const length = this.#datapath.open13(read.keySlot, at, headerBytes, sequence, encryptedBytes);
    if (!this.#isAuthentic(read, sequence, length)) return;
    // RFC 8446 §5.4: the type is the last byte that is not zero; what follows is padding.
    const contentAt = at + headerBytes;
    let typeAt = contentAt + length - 1;
    while (typeAt >= contentAt && memory[typeAt] === 0) typeAt--;
    // §5.4: "the full encoded TLSInnerPlaintext MUST NOT exceed 2^14 + 1 octets", type and padding included.
    if (length > MAX_PLAINTEXT_BYTES + 1) this.#events.refused(ALERT_RECORD_OVERFLOW);
    // §5.4: "If a receiving implementation does not find a non-zero octet …, it MUST terminate the connection".
    else if (typeAt < contentAt) this.#events.refused(ALERT_UNEXPECTED_MESSAGE);
    else this.#handOn(now, read.epoch, memory[typeAt], contentAt, typeAt - contentAt, sequence);
  }

  /** The content of a record that was opened. */
  #handOn(now: number, epoch: number, type: number, offset: number, length: number, sequence: number): void {
    if (this.dataSink !== undefined && type === CONTENT_APPLICATION_DATA && epoch !== HANDSHAKE_EPOCH) {
      this.dataSink.applicationDataAt(offset, length);
    } else this.#events.content(now, epoch, type, offset, length, sequence);
  }

  #isFresh(read: ReadEpoch, sequence: number): boolean {
    const fresh = read.isFresh(sequence);
    if (!fresh) this.#drops.count("dtls-replayed");
    return fresh;
  }

  /** Judges the result of opening a record: a length, or a negative code. */
  #isAuthentic(read: ReadEpoch, sequence: number, result: number): boolean {
    if (result >= 0) {
      read.accept(sequence);
      return true;
    }
    this.#drops.count("dtls-bad-record");
    if (++read.forgeries >= MAX_FORGERIES) this.#events.forgeryLimit();
    return false;
  }

  #malformed(end: number): number {
    this.#drops.count("dtls-malformed");
    return end;
  }

  /** Seals the record at `record` in place; `header13` says which form its header has in DTLS 1.3. Returns its length. */
  #seal(write: WriteEpoch, type: number, record: number, length: number, header13 = UNIFIED_HEADER_BYTES): number {
    const sequence = write.sequence++;
    if (write.protection === "1.3") return this.#seal13(write, type, record, length, sequence, header13);
    if (write.protection === "1.2") {
      return this.#datapath.seal12(write.keySlot, record, type, write.epoch, sequence, length);
    }
    const { view } = this.#datapath;
    view.setUint8(record, type);
    // RFC 6347 §4.1 wants the negotiated version, before which any is accepted; RFC 9147 §4 wants 1.2 whatever comes.
    view.setUint16(record + 1, 0xfefd);
    view.setUint16(record + 3, 0);
    view.setUint16(record + 5, Math.floor(sequence / 0x1_0000_0000));
    view.setUint32(record + 7, sequence % 0x1_0000_0000);
    view.setUint16(record + 11, length);
    return HEADER_BYTES + length;
  }

  #seal13(
    write: WriteEpoch,
    type: number,
    record: number,
    length: number,
    sequence: number,
    headerBytes: number,
  ): number {
    const { memory, view } = this.#datapath;
    const contentAt = record + headerBytes;
    const first = UNIFIED | UNIFIED_SEQUENCE_16 | (write.epoch & UNIFIED_EPOCH);
    memory[record] = headerBytes === SHORT_HEADER_BYTES ? first : first | UNIFIED_LENGTH;
    view.setUint16(record + 1, sequence & 0xffff);
    if (headerBytes !== SHORT_HEADER_BYTES) view.setUint16(record + 3, length + 1 + TAG_BYTES);
    memory[contentAt + length] = type;
    const recordBytes = this.#datapath.seal13(write.keySlot, record, headerBytes, sequence, length + 1);
    // RFC 9147 §4.2.3: the record number is masked last, with a key of its own, by the ciphertext's first block.
    const mask = this.#datapath.recordNumberMask(write.keySlot, contentAt);
    memory[record + 1] ^= mask >>> 8;
    memory[record + 2] ^= mask;
    return recordBytes;
  }
}

/**
 * RFC 9147 §4.2.2: the sequence number "closest to one plus the highest deprotected one" whose low bits are `low`, where those
 * bits count to `span`.
 */
function closestSequence(expected: number, low: number, span: number): number {
  const candidate = expected - (expected % span) + low;
  if (candidate > expected + span / 2 && candidate >= span) return candidate - span;
  return candidate < expected - span / 2 ? candidate + span : candidate;
}

const PLAINTEXT_AT: Readonly<Record<Protection, number>> = {
  none: HEADER_BYTES,
  "1.2": PLAINTEXT_AT_12,
  "1.3": UNIFIED_HEADER_BYTES,
};

const OVERHEAD: Readonly<Record<Protection, number>> = { none: HEADER_BYTES, "1.2": OVERHEAD_12, "1.3": OVERHEAD_13 };

function overhead(write: WriteEpoch): number {
  return OVERHEAD[write.protection];
}

function plaintextAt(write: WriteEpoch): number {
  return PLAINTEXT_AT[write.protection];
}
