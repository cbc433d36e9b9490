import type { Datapath } from "../wasm/datapath.ts";
import { TX_BYTES } from "../wasm/layout.ts";
import type { Tsn } from "../wire/serial.ts";
import { COMMON_HEADER_BYTES, DATA, DATA_HEADER_BYTES, padded, SACK_HEADER_BYTES } from "./packet.ts";

/** Where finished packets go. `DtlsConnection` is one. */
export interface PacketTransport {
  /** Largest packet, bytes. */
  readonly maxPacketBytes: number;
  /** Offset in the datapath's memory where a packet may be written. */
  begin(): number;
  /** Sends what was written there. */
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

/**
 * Packs chunks into packets, the fewest possible: DATA is staged as it is sent, and the common header and all control
 * chunks are put in front of it when the packet leaves, because "control chunks MUST be placed before DATA chunks"
 * (RFC 9260 §6.10) and a SACK is best written last.
 *
 * A packet leaves when it is full or at the flush. It is staged outside the transmit ring: a connection may hold one open
 * for a whole turn while a thousand others use the ring.
 */
export class PacketAssembler {
  readonly #datapath: Datapath;
  readonly #transport: PacketTransport;
  readonly #ports: number;
  /** Chunks behind the common header, bytes; a multiple of four. */
  readonly #capacity: number;
  readonly #control: Uint8Array[] = [];
  #controlBytes = 0;
  #staged: Staged | undefined;
  #stagedBytes = 0;
  /** Tag that the peer expects in our packets. */
  peerTag = 0;
  /** Known as soon as the peer is. */
  sackSource: SackSource | undefined;

  constructor(datapath: Datapath, transport: PacketTransport, localPort: number, peerPort: number) {
    this.#datapath = datapath;
    this.#transport = transport;
    this.#ports = ((localPort << 16) | peerPort) >>> 0;
    this.#capacity = (Math.min(transport.maxPacketBytes, TX_BYTES) - COMMON_HEADER_BYTES) & ~3;
  }

  /** User data of the largest DATA chunk, bytes. */
  get maxPayloadBytes(): number {
    return this.#capacity - DATA_HEADER_BYTES;
  }

  get hasControl(): boolean {
    return this.#control.length > 0;
  }

  get hasData(): boolean {
    return this.#stagedBytes > 0;
  }

  /** User data that one more DATA chunk in the packet under construction can hold, bytes; may be negative. */
  get room(): number {
    return this.#capacity - this.#stagedBytes - this.#controlBytes - this.#sackBytes() - DATA_HEADER_BYTES;
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
   */
  data(
    now: number,
    flags: number,
    tsn: Tsn,
    streamId: number,
    sequence: number,
    ppid: number,
    data: Uint8Array,
    start: number,
    length: number,
  ): void {
    // Usually one round: what is open leaves. A second: the control chunks alone take too much room for this one.
    while (length > this.room && (this.hasData || this.hasControl || this.#sackBytes() > 0)) this.#leave(now);
    this.#staged ??= takeStaged();
    const { bytes, view } = this.#staged;
    const at = this.#stagedBytes;
    view.setUint32(at, (DATA << 24) | (flags << 16) | (DATA_HEADER_BYTES + length));
    view.setUint32(at + 4, tsn);
    view.setUint32(at + 8, (streamId << 16) | sequence);
    view.setUint32(at + 12, ppid);
    const body = at + DATA_HEADER_BYTES;
    bytes.set(start === 0 && length === data.length ? data : data.subarray(start, start + length), body);
    const end = at + padded(DATA_HEADER_BYTES + length);
    // RFC 9260 §3.2: "The Chunk … padding … all zero bytes".
    for (let i = body + length; i < end; i++) bytes[i] = 0;
    this.#stagedBytes = end;
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
    const packet = this.#transport.begin();
    this.#datapath.memory.set(chunk, packet + COMMON_HEADER_BYTES);
    this.#finish(now, packet, COMMON_HEADER_BYTES + chunk.length, tag);
  }

  /** Forgets everything that has not left. */
  discard(): void {
    this.#control.length = 0;
    this.#controlBytes = 0;
    this.#releaseStaged();
  }

  // Not a private getter: V8 calls its runtime for those.
  #sackBytes(): number {
    return this.sackSource === undefined ? 0 : this.sackSource.sackBytes;
  }

  #leave(now: number): void {
    const { memory, view } = this.#datapath;
    const packet = this.#transport.begin();
    const limit = packet + COMMON_HEADER_BYTES + this.#capacity - this.#stagedBytes;
    let at = this.#writeControl(packet + COMMON_HEADER_BYTES, limit);
    const sacks = this.sackSource;
    if (sacks !== undefined && sacks.sackBytes > 0 && limit - at >= SACK_HEADER_BYTES) {
      at += sacks.writeSack(view, at, limit - at);
    }
    if (this.#stagedBytes > 0 && this.#staged !== undefined) {
      memory.set(this.#staged.bytes.subarray(0, this.#stagedBytes), at);
      at += this.#stagedBytes;
      this.#releaseStaged();
    }
    this.#finish(now, packet, at - packet, this.peerTag);
  }

  #writeControl(start: number, limit: number): number {
    let at = start;
    if (this.#control.length === 0) return at;
    let count = 0;
    while (count < this.#control.length && at + this.#control[count].length <= limit) {
      this.#datapath.memory.set(this.#control[count], at);
      at += this.#control[count].length;
      count++;
    }
    this.#control.splice(0, count);
    this.#controlBytes -= at - start;
    return at;
  }

  #finish(now: number, packet: number, length: number, tag: number): void {
    const { view } = this.#datapath;
    view.setUint32(packet, this.#ports);
    view.setUint32(packet + 4, tag);
    this.#datapath.finishPacket(packet, length);
    this.#transport.commit(now, packet, length);
  }

  #releaseStaged(): void {
    if (this.#staged !== undefined) giveStaged(this.#staged);
    this.#staged = undefined;
    this.#stagedBytes = 0;
  }
}

/** Scratch for one packet under construction. Held from its first DATA chunk to its departure, then lent to the next. */
interface Staged {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** 64 idle ones are about 150 KB; a turn that touches more connections at once allocates, and lets go afterwards. */
const MAX_IDLE = 64;
const idle: Staged[] = [];

function takeStaged(): Staged {
  const staged = idle.pop();
  if (staged !== undefined) return staged;
  const bytes = new Uint8Array(TX_BYTES);
  return { bytes, view: new DataView(bytes.buffer) };
}

function giveStaged(staged: Staged): void {
  if (idle.length < MAX_IDLE) idle.push(staged);
}
