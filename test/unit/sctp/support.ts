import { Association, type AssociationOptions, type AssociationCloseReason } from "../../../src/sctp/association.ts";
import { DEFAULT_ASSOCIATION_LIMITS, type AssociationLimits } from "../../../src/limits.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { DropCounters } from "../../../src/wire/drops.ts";
import { fromHex, toHex } from "../../../src/wire/bytes.ts";

export const datapath = new Datapath({ keySlots: 1 });
export const LIMITS: AssociationLimits = DEFAULT_ASSOCIATION_LIMITS;
/** What DTLS 1.2 leaves of a 1,200-byte datagram. */
export const PACKET_BYTES = 1163;

/** Numbers from a seed: mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

export function seededBytes(seed: number): (length: number) => Uint8Array {
  const next = seededRandom(seed);
  return (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256));
}

/** A finished packet: ports 5000, tag, the chunks (each padded already), checksum. */
export function packet(tag: number, ...chunks: readonly Uint8Array[]): Uint8Array {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 12);
  const at = datapath.nextTx();
  datapath.view.setUint32(at, (5000 << 16) | 5000);
  datapath.view.setUint32(at + 4, tag);
  let offset = at + 12;
  for (const chunk of chunks) {
    datapath.memory.set(chunk, offset);
    offset += chunk.length;
  }
  datapath.finishPacket(at, length);
  return datapath.memory.slice(at, at + length);
}

/** A chunk from its parts as they stand on the wire; the length field is right and the padding there unless told otherwise. */
export function chunk(type: number, flags: number, value: Uint8Array | string, length?: number): Uint8Array {
  const bytes = typeof value === "string" ? fromHex(value.replaceAll(/\s/g, "")) : value;
  const framed = new Uint8Array((4 + bytes.length + 3) & ~3);
  new DataView(framed.buffer).setUint32(0, ((type << 24) | (flags << 16) | (length ?? 4 + bytes.length)) >>> 0);
  framed.set(bytes, 4);
  return framed;
}

export function hex32(...values: readonly number[]): string {
  return values.map((value) => (value >>> 0).toString(16).padStart(8, "0")).join("");
}

export function hex16(...values: readonly number[]): string {
  return values.map((value) => (value & 0xffff).toString(16).padStart(4, "0")).join("");
}

export interface DataFields {
  tsn: number;
  flags?: number;
  streamId?: number;
  ssn?: number;
  ppid?: number;
  data?: Uint8Array;
}

/** A DATA chunk; unordered, whole and one byte long unless told otherwise. */
export function data({
  tsn,
  flags = 7,
  streamId = 0,
  ssn = 0,
  ppid = 53,
  data = Uint8Array.of(1),
}: DataFields): Uint8Array {
  return chunk(0, flags, hex32(tsn) + hex16(streamId, ssn) + hex32(ppid) + toHex(data));
}

export function sack(cumulative: number, window = 1_000_000, gaps: readonly [number, number][] = []): Uint8Array {
  return chunk(3, 0, hex32(cumulative, window) + hex16(gaps.length, 0, ...gaps.flat()));
}

export function forwardTsn(cumulative: number, ...streams: readonly [number, number][]): Uint8Array {
  return chunk(192, 0, hex32(cumulative) + hex16(...streams.flat()));
}

export interface IDataFields {
  tsn: number;
  flags?: number;
  streamId?: number;
  mid?: number;
  /** Of a fragment that does not begin its message; otherwise `ppid` stands in its place. */
  fsn?: number;
  ppid?: number;
  data?: Uint8Array;
}

/** An I-DATA chunk; unordered, whole and one byte long unless told otherwise. */
export function iData(fields: IDataFields): Uint8Array {
  const { tsn, flags = 7, streamId = 0, mid = 0, fsn = 0, ppid = 53, data: bytes = Uint8Array.of(1) } = fields;
  const last = (flags & 2) !== 0 ? ppid : fsn;
  return chunk(64, flags, hex32(tsn) + hex16(streamId, 0) + hex32(mid, last) + toHex(bytes));
}

/** An I-FORWARD-TSN; each entry is a stream, whether it is about unordered messages, and the last message that is skipped. */
export function iForwardTsn(
  cumulative: number,
  ...entries: readonly [streamId: number, unordered: boolean, mid: number][]
): Uint8Array {
  const skipped = entries.map(([streamId, unordered, mid]) => hex16(streamId, unordered ? 1 : 0) + hex32(mid));
  return chunk(194, 0, hex32(cumulative) + skipped.join(""));
}

/** One chunk of a sent packet, decoded here on its own, not by the code under test. */
export interface SeenChunk {
  readonly name: string;
  readonly flags: number;
  readonly value: Uint8Array;
  readonly tsn: number;
  readonly streamId: number;
  readonly ssn: number;
  readonly ppid: number;
  readonly data: Uint8Array;
  /** I-DATA: in place of `ssn` and, where it does not begin a message, of `ppid`. */
  readonly mid: number;
  readonly fsn: number;
  /** SACK: cumulative TSN ack, window, gap blocks, duplicates. */
  readonly window: number;
  readonly gaps: readonly [number, number][];
  readonly duplicates: readonly number[];
}

const NAMES: Record<number, string> = {
  0: "DATA",
  1: "INIT",
  2: "INIT ACK",
  3: "SACK",
  4: "HEARTBEAT",
  5: "HEARTBEAT ACK",
  6: "ABORT",
  7: "SHUTDOWN",
  8: "SHUTDOWN ACK",
  9: "ERROR",
  10: "COOKIE ECHO",
  11: "COOKIE ACK",
  14: "SHUTDOWN COMPLETE",
  130: "RE-CONFIG",
  64: "I-DATA",
  192: "FORWARD TSN",
  194: "I-FORWARD-TSN",
};

export function tagOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);
}

export function chunksOf(bytes: Uint8Array): SeenChunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const chunks: SeenChunk[] = [];
  for (let at = 12; at < bytes.length; ) {
    const length = view.getUint16(at + 2);
    const type = bytes[at];
    const u32 = (offset: number) => (length >= offset + 4 ? view.getUint32(at + offset) : 0);
    const u16 = (offset: number) => (length >= offset + 2 ? view.getUint16(at + offset) : 0);
    const isIData = type === 64;
    const gapCount = type === 3 ? u16(12) : 0;
    const duplicateCount = type === 3 ? u16(14) : 0;
    chunks.push({
      name: NAMES[type] ?? String(type),
      flags: bytes[at + 1],
      value: bytes.slice(at + 4, at + length),
      tsn: u32(4),
      streamId: u16(8),
      ssn: u16(10),
      ppid: u32(isIData ? 16 : 12),
      data: bytes.slice(at + (isIData ? 20 : 16), at + length),
      mid: u32(12),
      fsn: u32(16),
      window: u32(8),
      gaps: Array.from({ length: gapCount }, (_, i) => [u16(16 + 4 * i), u16(18 + 4 * i)] as [number, number]),
      duplicates: Array.from({ length: duplicateCount }, (_, i) => u32(16 + 4 * (gapCount + i))),
    });
    at += (length + 3) & ~3;
  }
  return chunks;
}

export function namesOf(bytes: Uint8Array): string[] {
  return chunksOf(bytes).map(({ name }) => name);
}

export interface Received {
  streamId: number;
  ppid: number;
  data: Uint8Array;
}

/** An association whose packets and events pile up to be looked at. */
export class Party {
  readonly association: Association;
  readonly drops = new DropCounters();
  readonly sent: Uint8Array[] = [];
  readonly messages: Received[] = [];
  readonly incomingResets: (readonly number[])[] = [];
  readonly outgoingResets: (readonly number[])[] = [];
  readonly log: string[] = [];
  closedBecause: AssociationCloseReason | undefined;
  isEstablished = false;
  onMessage: (message: Received) => void = () => {};
  onIncomingReset: (streamIds: readonly number[]) => void = () => {};

  constructor(options: Partial<AssociationOptions> & { seed?: number; packetBytes?: number } = {}) {
    const { seed = 1, packetBytes = PACKET_BYTES, ...rest } = options;
    const transport = {
      maxPacketBytes: packetBytes,
      begin: () => datapath.nextTx(),
      commit: (_now: number, offset: number, length: number) => {
        this.sent.push(datapath.memory.slice(offset, offset + length));
      },
    };
    this.association = new Association({ random: seededBytes(seed), drops: this.drops, ...rest }, datapath, transport, {
      established: () => {
        this.isEstablished = true;
        this.log.push("established");
      },
      message: (streamId, ppid, bytes) => {
        this.messages.push({ streamId, ppid, data: bytes });
        this.log.push(`message ${streamId}`);
        this.onMessage({ streamId, ppid, data: bytes });
      },
      incomingStreamsReset: (ids) => {
        this.incomingResets.push(ids);
        this.log.push(`incoming reset ${ids.join()}`);
        this.onIncomingReset(ids);
      },
      outgoingStreamsReset: (ids) => {
        this.outgoingResets.push(ids);
        this.log.push(`outgoing reset ${ids.join()}`);
      },
      closed: (reason) => {
        this.closedBecause = reason;
        this.log.push(`closed ${reason}`);
      },
    });
  }

  /** What was sent since the last call. */
  take(): Uint8Array[] {
    return this.sent.splice(0);
  }

  /** The chunks of everything sent since the last call. */
  takeChunks(): SeenChunk[] {
    return this.take().flatMap(chunksOf);
  }

  handle(now: number, bytes: Uint8Array): void {
    this.association.handlePacket(now, bytes);
  }

  flush(now: number): SeenChunk[] {
    this.association.flush(now);
    return this.takeChunks();
  }
}

export interface Established {
  party: Party;
  /** The tag that packets to the party carry. */
  tag: number;
  /** The first TSN of each direction. */
  localTsn: number;
  peerTsn: number;
}

/** A party that took the INIT of a peer played by the test: peer tag 0x1111, its TSNs from `peerTsn`, our own from `localTsn`. */
export function establishedParty(
  options: Partial<AssociationOptions> & {
    seed?: number;
    packetBytes?: number;
    peerTsn?: number;
    forwardTsn?: boolean;
    reconfig?: boolean;
    peerWindow?: number;
    peerStreams?: number;
    /** Both sides offer I-DATA. */
    interleaving?: boolean;
  } = {},
): Established {
  const { peerTsn = 1000, forwardTsn: partial = true, reconfig = true, peerWindow = 1_000_000, ...rest } = options;
  const { peerStreams = 65_535, ...partyOptions } = rest;
  const localTsn = partyOptions.initialTsn ?? 5000;
  const party = new Party({ initiateTag: 0x2222, ...partyOptions, initialTsn: localTsn });
  const extensions = [...(reconfig ? [130] : []), ...(partial ? [192] : [])];
  if (partyOptions.interleaving === true) extensions.push(64, ...(partial ? [194] : []));
  const supported =
    extensions.length === 0 ? "" : `8008${hex16(4 + extensions.length)}${toHex(Uint8Array.from(extensions))}`;
  const init = chunk(1, 0, hex32(0x1111, peerWindow) + hex16(peerStreams, peerStreams) + hex32(peerTsn) + supported);
  if (!party.association.establishFromInit(0, init)) throw new Error("INIT refused");
  party.take();
  return { party, tag: 0x2222, localTsn, peerTsn };
}

export function bytesOf(length: number, fill = 0xab): Uint8Array {
  return new Uint8Array(length).fill(fill);
}
