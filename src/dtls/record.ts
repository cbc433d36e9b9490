import type { DropCounters } from "../wire/drops.ts";
import type { Datapath } from "../wasm/datapath.ts";
import { ReplayWindow } from "./replay.ts";

// Content types (RFC 6347 §4.1).
export const CONTENT_CHANGE_CIPHER_SPEC = 0x14;
export const CONTENT_ALERT = 0x15;
export const CONTENT_HANDSHAKE = 0x16;
export const CONTENT_APPLICATION_DATA = 0x17;

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

/** RFC 6347 §4.1: "Implementations MUST … close or rehandshake prior to allowing the sequence number to wrap." */
export const MAX_SEQUENCE = 2 ** 48 - 1;

/** Our side of one epoch. Epoch 0 has no key. */
export interface WriteEpoch {
  readonly epoch: number;
  readonly keySlot: number;
  /** Number of the next record. */
  sequence: number;
}

/** The peer's side of one protected epoch. */
export interface ReadEpoch {
  readonly epoch: number;
  readonly keySlot: number;
  readonly replay: ReplayWindow;
}

const NO_KEY = -1;

export interface RecordEvents {
  /** A finished datagram; borrowed. */
  transmit(datagram: Uint8Array): void;
  /** The content of one record, authentic if `epoch` > 0; at `offset` of the datapath's memory until the call returns. */
  content(epoch: number, type: number, offset: number, length: number): void;
  /** A protected record whose epoch has no key yet; borrowed. */
  unreadable(epoch: number, record: Uint8Array): void;
}

/** Takes records out of datagrams and puts records into datagrams. Knows epochs and keys, but no handshake. */
export class RecordLayer {
  /** Largest datagram, in bytes. May be lowered when datagrams seem not to get through. */
  mtuBytes: number;
  readonly #datapath: Datapath;
  readonly #drops: DropCounters;
  readonly #events: RecordEvents;
  readonly #writeEpochs: WriteEpoch[] = [{ epoch: 0, keySlot: NO_KEY, sequence: 0 }];
  readonly #readEpochs: ReadEpoch[] = [];
  /** The datagram under construction: where it stands and how long it is. */
  #pending = 0;
  #pendingBytes = 0;
  #closed = false;

  constructor(datapath: Datapath, mtuBytes: number, drops: DropCounters, events: RecordEvents) {
    this.#datapath = datapath;
    this.mtuBytes = mtuBytes;
    this.#drops = drops;
    this.#events = events;
  }

  /** Installs the keys of an epoch of DTLS 1.2. False where the datapath has no free key slot. */
  installKeys12(
    epoch: number,
    write: { key: Uint8Array; salt: Uint8Array },
    read: { key: Uint8Array; salt: Uint8Array },
  ): boolean {
    const writeSlot = this.#datapath.acquireKey(write.key, write.salt);
    if (writeSlot < 0) return false;
    const readSlot = this.#datapath.acquireKey(read.key, read.salt);
    if (readSlot < 0) {
      this.#datapath.releaseKey(writeSlot);
      return false;
    }
    this.#writeEpochs.push({ epoch, keySlot: writeSlot, sequence: 0 });
    this.#readEpochs.push({ epoch, keySlot: readSlot, replay: new ReplayWindow() });
    return true;
  }

  writeEpoch(epoch: number): WriteEpoch {
    const found = this.#writeEpochs.find((candidate) => candidate.epoch === epoch);
    if (found === undefined) throw new Error(`no keys for epoch ${epoch}`); // our own bug
    return found;
  }

  /** Wipes all keys. Nothing is read or written any more. */
  close(): void {
    this.#closed = true;
    for (const { keySlot } of [...this.#writeEpochs, ...this.#readEpochs]) {
      if (keySlot !== NO_KEY) this.#datapath.releaseKey(keySlot);
    }
    this.#writeEpochs.length = 0;
    this.#readEpochs.length = 0;
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
    this.#events.transmit(this.#datapath.memory.subarray(this.#pending, this.#pending + length));
  }

  /** Where the plaintext of a record may be written that {@link commit} then seals in place. */
  begin(): number {
    return this.#datapath.nextTx() + PLAINTEXT_AT_12;
  }

  /** Seals application data in place and sends it: behind the records that wait, or at once in a datagram of its own. */
  commit(write: WriteEpoch, plaintextOffset: number, length: number): void {
    const { memory } = this.#datapath;
    const record = plaintextOffset - plaintextAt(write);
    const recordBytes = this.#seal(write, CONTENT_APPLICATION_DATA, record, length);
    if (this.#pendingBytes > 0 && this.#pendingBytes + recordBytes > this.mtuBytes) this.flush();
    if (this.#pendingBytes === 0) {
      this.#events.transmit(memory.subarray(record, record + recordBytes));
      return;
    }
    memory.copyWithin(this.#pending + this.#pendingBytes, record, record + recordBytes);
    this.#pendingBytes += recordBytes;
  }

  /** Takes all records out of a datagram, which is copied into the datapath's memory. */
  read(datagram: Uint8Array): void {
    const { memory, rxOffset, rxBytes } = this.#datapath;
    if (datagram.length > rxBytes) {
      this.#drops.count("dtls-too-large");
      return;
    }
    let at = rxOffset;
    memory.set(datagram, at);
    const end = at + datagram.length;
    while (at < end && !this.#closed) at = this.#readRecord(at, end);
  }

  /** Reads the record at `at` and returns where the next one begins. */
  #readRecord(at: number, end: number): number {
    const { memory, view } = this.#datapath;
    const contentAt = at + HEADER_BYTES;
    const next = contentAt <= end ? contentAt + view.getUint16(at + 11) : end + 1;
    if (next > end || memory[at + 1] !== 0xfe) {
      // RFC 6347 §4.1.2.7: "invalid records SHOULD be silently discarded"; and where one ends is not known.
      this.#drops.count("dtls-malformed");
      return end;
    }
    const type = memory[at];
    const epoch = view.getUint16(at + 3);
    if (epoch === 0) {
      this.#events.content(0, type, contentAt, next - contentAt);
      return next;
    }
    const read = this.#readEpochs.find((candidate) => candidate.epoch === epoch);
    if (read === undefined) this.#events.unreadable(epoch, memory.subarray(at, next));
    else this.#open(read, type, at, next - at);
    return next;
  }

  #open(read: ReadEpoch, type: number, record: number, recordBytes: number): void {
    const { view } = this.#datapath;
    const sequence = view.getUint16(record + 5) * 0x1_0000_0000 + view.getUint32(record + 7);
    if (!read.replay.isFresh(sequence)) {
      this.#drops.count("dtls-replayed");
      return;
    }
    const length = this.#datapath.open12(read.keySlot, record, recordBytes);
    if (length < 0) {
      this.#drops.count("dtls-bad-record");
      return;
    }
    read.replay.accept(sequence);
    this.#events.content(read.epoch, type, record + PLAINTEXT_AT_12, length);
  }

  #seal(write: WriteEpoch, type: number, record: number, length: number): number {
    const sequence = write.sequence++;
    if (write.keySlot !== NO_KEY) {
      return this.#datapath.seal12(write.keySlot, record, type, write.epoch, sequence, length);
    }
    const { view } = this.#datapath;
    view.setUint8(record, type);
    // RFC 6347 §4.1 wants the negotiated version; before that any is accepted. Both browsers' servers send 1.2 here.
    view.setUint16(record + 1, 0xfefd);
    view.setUint16(record + 3, 0);
    view.setUint16(record + 5, Math.floor(sequence / 0x1_0000_0000));
    view.setUint32(record + 7, sequence % 0x1_0000_0000);
    view.setUint16(record + 11, length);
    return HEADER_BYTES + length;
  }
}

function plaintextAt(write: WriteEpoch): number {
  return write.keySlot === NO_KEY ? HEADER_BYTES : PLAINTEXT_AT_12;
}

function overhead(write: WriteEpoch): number {
  return write.keySlot === NO_KEY ? HEADER_BYTES : OVERHEAD_12;
}
