import type { Datapath } from "../wasm/datapath.ts";
import { PACKET_SLOT_BYTES, RECORD_MARGIN_BYTES } from "../wasm/layout.ts";
import type { MessageNumber, Tsn } from "../wire/serial.ts";
import {
  COMMON_HEADER_BYTES,
  DATA,
  DATA_HEADER_BYTES,
  I_DATA,
  I_DATA_HEADER_BYTES,
  padded,
  SACK_HEADER_BYTES,
} from "./packet.ts";

/** Where finished packets go. `DtlsConnection` is one. */
export interface PacketTransport {
  /** Largest packet, bytes. */
  readonly maxPacketBytes: number;
  /** Offset in the datapath's memory where a packet may be written. */
  begin(): number;
  /**
   * Sends what was written there, or anywhere with `RECORD_MARGIN_BYTES` in front and behind that may be written over. The bytes are
   * done with when the call returns.
   */
  commit(now: number, packetOffset: number, length: number): void;
}

/** Where SACKs come from, which are made at the last moment: the receiving half of the association. */
export interface SackSource {
  /** Bytes of the SACK that would be written now; 0 for none. */
  readonly sackBytes: number;
  writeSack(view: DataView, offset: number, room: number): number;
}

/** Packets' worth of control chunks that may wait for a flush. */
const MAX_CONTROL_PACKETS = 4;

/** Chunks of the largest packet: a slot has room for so much in front of its DATA, and for as much DATA. */
const MAX_CHUNK_BYTES = ((PACKET_SLOT_BYTES - 2 * RECORD_MARGIN_BYTES - COMMON_HEADER_BYTES) / 2) & ~3;
const NO_SLOT = -1;

/**
 * Packs chunks into packets, the fewest possible: DATA is written as it is sent, and the common header and all control chunks are
 * put in front of it when the packet leaves, because "control chunks MUST be placed before DATA chunks" (RFC 9260 §6.10) and a
 * SACK is best written last. So nothing of it is ever moved: it is sealed and sent from where it was written first.
 *
 * A packet leaves when it is full or at the flush. Until then it has a slot of its own in the datapath's memory: a connection may
 * hold one open for a whole turn while a thousand others use the transmit ring. Where more are open than there are slots, a
 * message leaves at once.
 */
export class PacketAssembler {
  readonly #datapath: Datapath;
  /** May be exchanged for another one with packets of the same size. */
  transport: PacketTransport;
  readonly #ports: number;
  /** Chunks behind the common header, bytes; a multiple of four. */
  readonly #capacity: number;
  readonly #control: Uint8Array[] = [];
  #controlBytes = 0;
  /** The packet under construction, while it has DATA: its slot, where its DATA begins, and how much there is. */
  #slot = NO_SLOT;
  #dataAt = 0;
  #dataBytes = 0;
  #discarded = false;
  /** Packets with DATA that have left: the number of the one under construction. */
  packets = 0;
  /** Bytes in front of user data: the header of DATA or of I-DATA, whichever it is put into. */
  #headerBytes = DATA_HEADER_BYTES;
  /** Tag that the peer expects in our packets, in 32 bits with a sign: V8 keeps such a number in the field itself. */
  peerTag = 0;
  /** Known as soon as the peer is. */
  sackSource: SackSource | undefined;

  constructor(datapath: Datapath, transport: PacketTransport, localPort: number, peerPort: number) {
    this.#datapath = datapath;
    this.transport = transport;
    this.#ports = ((localPort << 16) | peerPort) >>> 0;
    this.#capacity = Math.min(transport.maxPacketBytes - COMMON_HEADER_BYTES, MAX_CHUNK_BYTES) & ~3;
  }

  /** User data leaves in I-DATA (RFC 8260 §2.2.1), not in DATA. Not to be changed while a chunk may have to be sent again. */
  set interleaves(interleaves: boolean) {
    this.#headerBytes = interleaves ? I_DATA_HEADER_BYTES : DATA_HEADER_BYTES;
  }

  get interleaves(): boolean {
    return this.#headerBytes === I_DATA_HEADER_BYTES;
  }

  /** User data of the largest DATA chunk, bytes. */
  get maxPayloadBytes(): number {
    return this.#capacity - this.#headerBytes;
  }

  get hasControl(): boolean {
    return this.#control.length > 0;
  }

  get hasData(): boolean {
    return this.#dataBytes > 0;
  }

  /** User data that one more DATA chunk in the packet under construction can hold, bytes; may be negative. */
  get room(): number {
    return this.#capacity - this.#dataBytes - this.#controlBytes - this.#sackBytes() - this.#headerBytes;
  }

  /**
   * A control chunk for the next packet, in order of calls. Left out where it could never fit, or where so much waits
   * already that the peer must be fishing for answers: each of them is one that it asks for again.
   */
  control(chunk: Uint8Array): void {
    if (chunk.length > this.#capacity || this.#controlBytes > MAX_CONTROL_PACKETS * this.#capacity) return;
    this.#control.push(chunk);
    this.#controlBytes += chunk.length;
  }

  /**
   * Adds a DATA chunk of `length` bytes (at most `maxPayloadBytes`) and sends packets that are full. The user data is
   * copied.
   *
   * @param number SSN, or MID of I-DATA
   * @param ppid of I-DATA beyond the first fragment: the FSN
   */
  data(
    now: number,
    flags: number,
    tsn: Tsn,
    streamId: number,
    number: MessageNumber,
    ppid: number,
    data: Uint8Array,
    start: number,
    length: number,
  ): void {
    // Usually one round: what is open leaves. A second: the control chunks alone take too much room for this one.
    while (length > this.room && (this.hasData || this.hasControl || this.#sackBytes() > 0)) this.#leave(now);
    if (this.#discarded) return;
    const chunkBytes = this.#headerBytes + length;
    const end = padded(chunkBytes);
    if (this.#dataBytes === 0) this.#open(end);
    const { memory } = this.#datapath;
    const at = this.#dataAt + this.#dataBytes;
    this.#writeHeader(at, flags, tsn, streamId, number, ppid, chunkBytes);
    memory.set(
      start === 0 && length === data.length ? data : data.subarray(start, start + length),
      at + this.#headerBytes,
    );
    // RFC 9260 §3.2: "The Chunk … padding … all zero bytes".
    for (let i = chunkBytes; i < end; i++) memory[at + i] = 0;
    this.#dataBytes += end;
    if (this.#slot === NO_SLOT) this.#leave(now);
  }

  /** Sends everything: DATA, queued control chunks, and a SACK with them or where it is due on its own. */
  flush(now: number, sackDue: boolean): void {
    if (this.hasData || this.hasControl || sackDue) this.#leave(now);
    while (this.hasData || this.hasControl) this.#leave(now);
  }

  /**
   * Sends one chunk as a packet of its own. INIT, INIT ACK and SHUTDOWN COMPLETE are never bundled (RFC 9260 §6.10), and
   * ABORT waits for nothing. One that fits into no packet is left out: a packet must never reach beyond its slot, behind
   * which others' packets and keys lie.
   */
  alone(now: number, chunk: Uint8Array, tag: number): void {
    if (chunk.length > this.#capacity) return;
    const packet = this.transport.begin();
    this.#datapath.memory.set(chunk, packet + COMMON_HEADER_BYTES);
    this.#finish(now, packet, COMMON_HEADER_BYTES + chunk.length, tag);
  }

  /** Forgets everything that has not left, and takes no more DATA. */
  discard(): void {
    this.#control.length = 0;
    this.#controlBytes = 0;
    this.#discarded = true;
    this.#dataBytes = 0;
    if (this.#slot !== NO_SLOT) this.#datapath.releasePacket(this.#slot);
    this.#slot = NO_SLOT;
  }

  // Not a private getter: V8 calls its runtime for those.
  #sackBytes(): number {
    return this.sackSource === undefined ? 0 : this.sackSource.sackBytes;
  }

  #writeHeader(
    at: number,
    flags: number,
    tsn: Tsn,
    streamId: number,
    number: MessageNumber,
    ppid: number,
    chunkBytes: number,
  ): void {
    const { view } = this.#datapath;
    view.setUint32(at + 4, tsn);
    if (this.#headerBytes === DATA_HEADER_BYTES) {
      view.setUint32(at, (DATA << 24) | (flags << 16) | chunkBytes);
      view.setUint32(at + 8, (streamId << 16) | (number & 0xffff));
      view.setUint32(at + 12, ppid);
    } else {
      view.setUint32(at, (I_DATA << 24) | (flags << 16) | chunkBytes);
      view.setUint32(at + 8, streamId << 16);
      view.setUint32(at + 12, number);
      view.setUint32(at + 16, ppid);
    }
  }

  /** Begins a packet whose first DATA chunk is `bytes` long. */
  #open(bytes: number): void {
    this.#slot = this.#datapath.acquirePacket();
    if (this.#slot !== NO_SLOT) {
      this.#dataAt = this.#slot + RECORD_MARGIN_BYTES + COMMON_HEADER_BYTES + this.#capacity;
      return;
    }
    // In the ring, where it does not stay: what it gets in front of it is known.
    const room = this.#capacity - bytes;
    const control = this.#fittingControl(room);
    this.#dataAt = this.transport.begin() + COMMON_HEADER_BYTES + control + this.#fittingSack(room - control);
  }

  #leave(now: number): void {
    const room = this.#capacity - this.#dataBytes;
    const control = this.#fittingControl(room);
    const sack = this.#fittingSack(room - control);
    const isData = this.#dataBytes > 0;
    const packet = isData ? this.#dataAt - sack - control - COMMON_HEADER_BYTES : this.transport.begin();
    if (control > 0) this.#writeControl(packet + COMMON_HEADER_BYTES, control);
    if (sack > 0) this.sackSource?.writeSack(this.#datapath.view, packet + COMMON_HEADER_BYTES + control, sack);
    const length = COMMON_HEADER_BYTES + control + sack + this.#dataBytes;
    const slot = this.#slot;
    if (isData) this.packets++;
    this.#slot = NO_SLOT;
    this.#dataBytes = 0;
    this.#finish(now, packet, length, this.peerTag);
    if (slot !== NO_SLOT) this.#datapath.releasePacket(slot);
  }

  /** Bytes of the control chunks that are next and fit into `room`. */
  #fittingControl(room: number): number {
    if (this.#controlBytes <= room) return this.#controlBytes;
    let bytes = 0;
    for (const { length } of this.#control) {
      if (bytes + length > room) break;
      bytes += length;
    }
    return bytes;
  }

  /** Bytes of the SACK that fits into `room`; 0 for none. */
  #fittingSack(room: number): number {
    return room < SACK_HEADER_BYTES ? 0 : Math.min(this.#sackBytes(), room);
  }

  #writeControl(start: number, bytes: number): void {
    let at = start;
    let count = 0;
    while (at < start + bytes) {
      const chunk = this.#control[count++];
      this.#datapath.memory.set(chunk, at);
      at += chunk.length;
    }
    this.#control.splice(0, count);
    this.#controlBytes -= bytes;
  }

  #finish(now: number, packet: number, length: number, tag: number): void {
    const { view } = this.#datapath;
    view.setUint32(packet, this.#ports);
    view.setUint32(packet + 4, tag);
    this.#datapath.finishPacket(packet, length);
    this.transport.commit(now, packet, length);
  }
}
