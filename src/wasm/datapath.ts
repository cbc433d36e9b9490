import { checkNames, type Names } from "../application/names.ts";
import { instantiateKernels, type KernelBuild, type KernelExports, preferredBuild } from "./kernels.ts";
import {
  CHUNK_TABLE,
  IV_INPUT,
  KEY_BYTES,
  KEY_INPUT,
  MAC_KEY,
  MAC_KEY_BYTES,
  PACKET_SLOT_BYTES,
  RX,
  RX_BYTES,
  TX,
  TX_BYTES,
} from "./layout.ts";

export * from "./layout.ts";

export interface DatapathOptions {
  /** Key slots, one per epoch and direction. Default 1,024. A slot takes 1,216 bytes of address space, and of memory once used. */
  keySlots?: number;
  /** Datagrams in each of the two TX rings. Default 64. */
  txSlots?: number;
  /** Packets that may be under construction at once. Default 4,096. One takes 3,008 bytes of address space, and of memory once used. */
  packetSlots?: number;
  /** Which kernels. Default: the fastest this runtime accepts. */
  build?: KernelBuild;
}

const DATAPATH_OPTIONS: Names<DatapathOptions> = { keySlots: true, txSlots: true, packetSlots: true, build: true };
const PAGE_BYTES = 65_536;
/** 1.13 GiB of the 4 GiB that a memory can have. */
export const MAX_KEY_SLOTS = 1_000_000;
const MAX_TX_SLOTS = 65_536;
const MAX_PACKET_SLOTS = 65_536;

/**
 * Typed view of the WebAssembly exports: AES-128-GCM records, SCTP packets and the HMAC of STUN, in place, in one linear memory.
 *
 * Offsets are absolute in {@link memory}. Nothing here allocates per call, and the memory never grows, so views of it stay
 * valid. RX and TX are borrowed for one synchronous call: what must live longer is copied out, or stands in a packet
 * slot. Results ≥ 0 are lengths or
 * counts, results < 0 are codes of `layout.ts`.
 *
 * @example
 * const path = new Datapath({ keySlots: 2 });
 * const slot = path.acquireKey(key, salt);
 * const record = path.nextTx();
 * path.memory.set(message, record + 21);
 * const length = path.seal12(slot, record, 23, 1, sequence, message.length);
 * socket.send(path.memory.subarray(record, record + length));
 */
export class Datapath {
  /** The whole linear memory; never detaches. */
  readonly memory: Uint8Array<ArrayBuffer>;
  /** The same memory, for fields in network byte order. */
  readonly view: DataView<ArrayBuffer>;
  /** The same memory in words; the chunk table is read from it. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** RX scratch: one received datagram is copied here and opened in place. */
  readonly rxOffset: number = RX;
  readonly rxBytes: number = RX_BYTES;
  /** Size of a TX slot. */
  readonly txBytes: number = TX_BYTES;
  readonly txSlots: number;
  /** Index into {@link words} of the first chunk descriptor; `CHUNK_WORDS` words each. */
  readonly chunkTable: number = CHUNK_TABLE >>> 2;
  readonly keySlots: number;
  readonly build: KernelBuild;

  readonly #buffer: ArrayBuffer;
  readonly #kernels: KernelExports;
  readonly #freeKeys: Int32Array;
  #freeCount: number;
  /** Of the two TX rings the one in use. */
  #txStart = TX;
  #tx = TX;
  /** Where the packet slots are that nobody has, the one given back last on top: it is in the caches. */
  readonly #freePackets: Int32Array;
  #freePacketCount: number;
  /** The system may hold on to the bytes of the next packet slot that is given back. */
  #keepsNextPacket = false;
  /** The packet slot that is kept from use on account of that. */
  #keptPacket = -1;

  constructor(options: DatapathOptions = {}) {
    checkNames("options", options, DATAPATH_OPTIONS, "an option of Datapath");
    const { keySlots = 1024, txSlots = 64, packetSlots = 4_096, build = preferredBuild() } = options;
    checkCount("keySlots", keySlots, MAX_KEY_SLOTS);
    checkCount("txSlots", txSlots, MAX_TX_SLOTS);
    checkCount("packetSlots", packetSlots, MAX_PACKET_SLOTS);
    this.keySlots = keySlots;
    this.txSlots = txSlots;
    this.build = build;
    const keys = (TX + 2 * txSlots * TX_BYTES + 63) & ~63;
    const packets = keys + keySlots * KEY_BYTES;
    const pages = Math.ceil((packets + packetSlots * PACKET_SLOT_BYTES) / PAGE_BYTES);
    // Initial = maximum: the memory never grows, so its ArrayBuffer never detaches. Untouched pages cost nothing.
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#buffer = memory.buffer;
    this.memory = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.words = new Uint32Array(memory.buffer);
    this.#kernels = instantiateKernels(build, memory);
    this.#kernels.initialize(keys, keySlots);
    // A stack of free slots; the lowest is handed out first so that few connections touch few pages.
    this.#freeKeys = Int32Array.from({ length: keySlots }, (_, index) => keySlots - 1 - index);
    this.#freeCount = keySlots;
    this.#freePackets = Int32Array.from(
      { length: packetSlots },
      (_, index) => packets + (packetSlots - 1 - index) * PACKET_SLOT_BYTES,
    );
    this.#freePacketCount = packetSlots;
  }

  /** Offset of the next TX slot. Its bytes stay as they are until {@link txSlots} further calls, or longer: {@link switchTx}. */
  nextTx(): number {
    const offset = this.#tx;
    const next = offset + TX_BYTES;
    this.#tx = next === this.#txStart + this.txSlots * TX_BYTES ? this.#txStart : next;
    return offset;
  }

  /**
   * For when the system still holds on to the bytes that were sent last: they stay as they are until the next call. Goes on with
   * the other TX ring, and where they stood in a packet slot, that one is the next to be given back, and not used meanwhile.
   */
  switchTx(): void {
    this.#txStart = this.#txStart === TX ? TX + this.txSlots * TX_BYTES : TX;
    this.#tx = this.#txStart;
    if (this.#keptPacket !== -1) this.#freePackets[this.#freePacketCount++] = this.#keptPacket;
    this.#keptPacket = -1;
    this.#keepsNextPacket = true;
  }

  /**
   * Offset of a slot of `PACKET_SLOT_BYTES` for a packet that is put together over several calls, during which others use the TX
   * ring; -1 where none is free. Whoever has it gives it back as soon as the packet was sent.
   */
  acquirePacket(): number {
    return this.#freePacketCount === 0 ? -1 : this.#freePackets[--this.#freePacketCount];
  }

  releasePacket(offset: number): void {
    if (this.#keepsNextPacket) {
      this.#keepsNextPacket = false;
      this.#keptPacket = offset;
    } else this.#freePackets[this.#freePacketCount++] = offset;
  }

  /** A view of some bytes of {@link memory}: what `subarray` gives, at two thirds of its cost. */
  bytes(offset: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#buffer, offset, length);
  }

  /** Key slots that are free. */
  get freeKeySlots(): number {
    return this.#freeCount;
  }

  /**
   * Expands an AES-128 key into a free slot.
   *
   * @param key 16 bytes
   * @param iv 4 bytes (the salt of DTLS 1.2, RFC 5288) or 12 (the iv of DTLS 1.3, RFC 8446 section 5.3)
   * @returns the slot, or -1 where none is free
   */
  acquireKey(key: Uint8Array, iv: Uint8Array): number {
    checkKey("key", key);
    if (iv.length !== 4 && iv.length !== 12) throw new RangeError(`iv must have 4 or 12 bytes, not ${iv.length}`);
    if (this.#freeCount === 0) return -1;
    const slot = this.#freeKeys[--this.#freeCount] as number;
    this.memory.set(key, KEY_INPUT);
    this.memory.set(iv, IV_INPUT);
    this.#kernels.installKey(slot);
    return slot;
  }

  /** Adds the record number key (`sn_key`, 16 bytes) of RFC 9147 section 4.2.3 to a slot. */
  setRecordNumberKey(slot: number, key: Uint8Array): void {
    checkKey("key", key);
    this.memory.set(key, KEY_INPUT);
    if (this.#kernels.installNumberKey(slot) !== 0) throw notInUse(slot);
  }

  /** Zeroes a slot and makes it free. A slot that is not in use throws: releasing twice would hand it out twice. */
  releaseKey(slot: number): void {
    if (this.#kernels.wipeKey(slot) !== 0) throw notInUse(slot);
    this.#freeKeys[this.#freeCount++] = slot;
  }

  /**
   * Writes one DTLS 1.2 record around the `plaintextLength` bytes at `recordOffset + 21`: header (13) and explicit nonce (8)
   * before, tag (16) behind (RFC 5288 section 3).
   *
   * @param sequence the record's 48-bit sequence number
   * @returns length of the record: `plaintextLength + 37`
   */
  seal12(
    slot: number,
    recordOffset: number,
    contentType: number,
    epoch: number,
    sequence: number,
    plaintextLength: number,
  ): number {
    const high = (epoch << 16) | Math.floor(sequence / 0x1_0000_0000);
    return this.#kernels.seal12(slot, recordOffset, contentType, high, sequence | 0, plaintextLength);
  }

  /**
   * Verifies one DTLS 1.2 record, then decrypts it in place.
   *
   * @param recordLength header included
   * @returns length of the plaintext, which is at `recordOffset + 21`; or BAD_TAG, TOO_SHORT, BAD_LENGTH, BAD_SLOT, and then
   *   the record is as it was
   */
  open12(slot: number, recordOffset: number, recordLength: number): number {
    return this.#kernels.open12(slot, recordOffset, recordLength);
  }

  /**
   * Encrypts one DTLS 1.3 record in place: nonce = iv XOR sequence (RFC 8446 section 5.3), additional data = the header as
   * written, so with its record number still in clear (RFC 9147 section 4.2.3: the mask is applied afterwards).
   *
   * @param innerLength bytes of DTLSInnerPlaintext (content, type, padding), which stand right behind the header
   * @returns length of the record: `headerLength + innerLength + 16`
   */
  seal13(slot: number, headerOffset: number, headerLength: number, sequence: number, innerLength: number): number {
    const high = Math.floor(sequence / 0x1_0000_0000);
    return this.#kernels.seal13(slot, headerOffset, headerLength, high, sequence | 0, innerLength);
  }

  /**
   * Verifies one DTLS 1.3 record, then decrypts it in place. The header's record number must already be unmasked.
   *
   * @param sequence the reconstructed 64-bit sequence number
   * @param encryptedLength bytes of encrypted_record, tag included, right behind the header
   * @returns length of DTLSInnerPlaintext, which is at `headerOffset + headerLength`; or a code as {@link open12}
   */
  open13(slot: number, headerOffset: number, headerLength: number, sequence: number, encryptedLength: number): number {
    const high = Math.floor(sequence / 0x1_0000_0000);
    return this.#kernels.open13(slot, headerOffset, headerLength, high, sequence | 0, encryptedLength);
  }

  /**
   * The mask of RFC 9147 section 4.2.3 over the 16 bytes at `ciphertextOffset`: its first byte in bits 15…8, its second in
   * bits 7…0. Negative where the slot has no record number key.
   */
  recordNumberMask(slot: number, ciphertextOffset: number): number {
    return this.#kernels.numberMask(slot, ciphertextOffset);
  }

  /** Bare AES-128-GCM with the 12-byte nonce at `nonceOffset`; the tag goes right behind the data. For vectors. */
  sealRaw(
    slot: number,
    nonceOffset: number,
    aadOffset: number,
    aadLength: number,
    dataOffset: number,
    length: number,
  ): number {
    return this.#kernels.sealRaw(slot, nonceOffset, aadOffset, aadLength, dataOffset, length);
  }

  /** The inverse of {@link sealRaw}; `length` without the tag, which stands right behind the data. */
  openRaw(
    slot: number,
    nonceOffset: number,
    aadOffset: number,
    aadLength: number,
    dataOffset: number,
    length: number,
  ): number {
    return this.#kernels.openRaw(slot, nonceOffset, aadOffset, aadLength, dataOffset, length);
  }

  /** AES-128 of the 16 bytes at `offset`, in place. For vectors (FIPS 197). */
  encryptBlock(slot: number, offset: number): number {
    return this.#kernels.encryptBlock(slot, offset);
  }

  /** CRC32c (RFC 9260 Appendix A) as an unsigned number. */
  crc32c(offset: number, length: number): number {
    return this.#kernels.crc32c(offset, length) >>> 0;
  }

  /**
   * Verifies the CRC32c of an SCTP packet and writes one descriptor per chunk to the chunk table (`CHUNK_WORDS` says how).
   *
   * @param acceptZeroChecksum take a checksum field of zero as correct (RFC 9653; only where it was agreed on)
   * @returns number of chunks, or TOO_SHORT, BAD_CHECKSUM, BAD_LENGTH, TRUNCATED, TOO_MANY_CHUNKS; ports and verification
   *   tag are read from {@link view}
   */
  parsePacket(offset: number, length: number, acceptZeroChecksum = false): number {
    return this.#kernels.parsePacket(offset, length, acceptZeroChecksum ? 1 : 0);
  }

  /** Computes and writes the checksum of a packet that is otherwise complete. */
  finishPacket(offset: number, length: number): void {
    this.#kernels.finishPacket(offset, length);
  }

  /**
   * HMAC-SHA1 (RFC 2104) of the `length` bytes at `offset`: 20 bytes to `macOffset`.
   *
   * @param key at most 256 bytes, one a character: passwords of ICE are ASCII (RFC 8839 section 5.4)
   */
  hmacSha1(key: string, offset: number, length: number, macOffset: number): void {
    this.#writeMacKey(key);
    this.#kernels.hmacSha1(key.length, offset, length, macOffset);
  }

  /** Whether the 20 bytes at `macOffset` are what {@link hmacSha1} would write. Takes the same time wherever they differ. */
  verifyHmacSha1(key: string, offset: number, length: number, macOffset: number): boolean {
    this.#writeMacKey(key);
    return this.#kernels.verifyHmacSha1(key.length, offset, length, macOffset) === 1;
  }

  #writeMacKey(key: string): void {
    if (key.length > MAC_KEY_BYTES)
      throw new RangeError(`key must have at most ${MAC_KEY_BYTES} bytes, not ${key.length}`);
    const { memory } = this;
    for (let i = 0; i < key.length; i++) memory[MAC_KEY + i] = key.charCodeAt(i);
  }
}

function notInUse(slot: number): RangeError {
  return new RangeError(`slot must be a key slot in use, not ${slot}`);
}

function checkCount(name: string, value: number, limit: number): void {
  if (!(Number.isInteger(value) && value >= 1 && value <= limit)) {
    throw new RangeError(`${name} must be an integer from 1 to ${limit}, not ${value}`);
  }
}

function checkKey(name: string, key: Uint8Array): void {
  if (key.length !== 16) throw new RangeError(`${name} must have 16 bytes, not ${key.length}`);
}
