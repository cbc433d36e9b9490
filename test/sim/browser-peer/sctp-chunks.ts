import { ChunkType, decodeParameters, encodeParameters, type Parameter, type RawChunk, viewOf } from "./sctp-packet.ts";

/** TSNs inside this peer are unwrapped: ordinary integers that only grow. The wire carries them modulo 2^32. */
export function wrapTsn(tsn: number): number {
  return tsn % 0x1_0000_0000;
}

/** The unwrapped TSN nearest to `reference` that has this value on the wire. */
export function unwrapTsn(wire: number, reference: number): number {
  return reference + ((wire - wrapTsn(reference)) | 0);
}

export interface DataChunk {
  /** As on the wire. */
  tsn: number;
  streamId: number;
  /** SSN, or in I-DATA the MID. */
  number: number;
  /** I-DATA: the place of the fragment in its message. */
  fsn: number;
  ppid: number;
  unordered: boolean;
  begin: boolean;
  end: boolean;
  /** RFC 7053: the receiver is asked to send its SACK at once. */
  immediate: boolean;
  data: Uint8Array;
}

function flagsOf(chunk: DataChunk): number {
  return (chunk.immediate ? 8 : 0) | (chunk.unordered ? 4 : 0) | (chunk.begin ? 2 : 0) | (chunk.end ? 1 : 0);
}

/** RFC 8260 §2.1: the PPID stands in the first fragment alone, in the place of the others' FSN. */
export function encodeIData(chunk: DataChunk): RawChunk {
  const value = new Uint8Array(16 + chunk.data.length);
  const view = viewOf(value);
  view.setUint32(0, chunk.tsn);
  view.setUint16(4, chunk.streamId);
  view.setUint32(8, chunk.number);
  view.setUint32(12, chunk.begin ? chunk.ppid : chunk.fsn);
  value.set(chunk.data, 16);
  return { type: ChunkType.iData, flags: flagsOf(chunk), value };
}

export function encodeData(chunk: DataChunk): RawChunk {
  const value = new Uint8Array(12 + chunk.data.length);
  const view = viewOf(value);
  view.setUint32(0, chunk.tsn);
  view.setUint16(4, chunk.streamId);
  view.setUint16(6, chunk.number);
  view.setUint32(8, chunk.ppid);
  value.set(chunk.data, 12);
  return { type: ChunkType.data, flags: flagsOf(chunk), value };
}

/** DATA or I-DATA. */
export function decodeData({ type, flags, value }: RawChunk): DataChunk | undefined {
  const interleaved = type === ChunkType.iData;
  const header = interleaved ? 16 : 12;
  // RFC 9260 §6.2: a DATA chunk without user data is an error.
  if (value.length <= header) return undefined;
  const view = viewOf(value);
  const begin = (flags & 2) !== 0;
  return {
    tsn: view.getUint32(0),
    streamId: view.getUint16(4),
    number: interleaved ? view.getUint32(8) : view.getUint16(6),
    fsn: interleaved && !begin ? view.getUint32(12) : 0,
    ppid: view.getUint32(header - 4),
    immediate: (flags & 8) !== 0,
    unordered: (flags & 4) !== 0,
    begin,
    end: (flags & 1) !== 0,
    data: value.subarray(header),
  };
}

export interface Sack {
  cumulativeTsn: number;
  windowBytes: number;
  /** Offsets from the cumulative TSN, both ends included. */
  gaps: { start: number; end: number }[];
  duplicates: number[];
}

export function encodeSack(sack: Sack): RawChunk {
  const value = new Uint8Array(12 + 4 * (sack.gaps.length + sack.duplicates.length));
  const view = viewOf(value);
  view.setUint32(0, sack.cumulativeTsn);
  view.setUint32(4, sack.windowBytes);
  view.setUint16(8, sack.gaps.length);
  view.setUint16(10, sack.duplicates.length);
  let at = 12;
  for (const { start, end } of sack.gaps) {
    view.setUint16(at, start);
    view.setUint16(at + 2, end);
    at += 4;
  }
  for (const duplicate of sack.duplicates) {
    view.setUint32(at, duplicate);
    at += 4;
  }
  return { type: ChunkType.sack, flags: 0, value };
}

export function decodeSack({ value }: RawChunk): Sack | undefined {
  if (value.length < 12) return undefined;
  const view = viewOf(value);
  const gapCount = view.getUint16(8);
  const duplicateCount = view.getUint16(10);
  if (value.length < 12 + 4 * (gapCount + duplicateCount)) return undefined;
  const gaps: Sack["gaps"] = [];
  for (let i = 0; i < gapCount; i++) {
    gaps.push({ start: view.getUint16(12 + 4 * i), end: view.getUint16(14 + 4 * i) });
  }
  const duplicates: number[] = [];
  for (let i = 0; i < duplicateCount; i++) duplicates.push(view.getUint32(12 + 4 * (gapCount + i)));
  return { cumulativeTsn: view.getUint32(0), windowBytes: view.getUint32(4), gaps, duplicates };
}

/** INIT and INIT-ACK share their form (RFC 9260 §3.3.2 and §3.3.3). */
export interface Init {
  tag: number;
  windowBytes: number;
  outboundStreams: number;
  inboundStreams: number;
  initialTsn: number;
  parameters: Parameter[];
}

export function encodeInit(type: number, init: Init): RawChunk {
  const parameters = encodeParameters(init.parameters);
  const value = new Uint8Array(16 + parameters.length);
  const view = viewOf(value);
  view.setUint32(0, init.tag);
  view.setUint32(4, init.windowBytes);
  view.setUint16(8, init.outboundStreams);
  view.setUint16(10, init.inboundStreams);
  view.setUint32(12, init.initialTsn);
  value.set(parameters, 16);
  return { type, flags: 0, value };
}

export function decodeInit({ value }: RawChunk): Init | undefined {
  if (value.length < 16) return undefined;
  const view = viewOf(value);
  const parameters = decodeParameters(value.subarray(16));
  if (parameters === undefined || view.getUint32(0) === 0) return undefined;
  return {
    tag: view.getUint32(0),
    windowBytes: view.getUint32(4),
    outboundStreams: view.getUint16(8),
    inboundStreams: view.getUint16(10),
    initialTsn: view.getUint32(12),
    parameters,
  };
}

/** The last message of a stream that is skipped. In FORWARD TSN only ordered ones are named. */
export interface Skipped {
  streamId: number;
  unordered: boolean;
  /** SSN or MID. */
  number: number;
}

export interface ForwardTsn {
  newCumulativeTsn: number;
  skipped: Skipped[];
}

export function encodeIForwardTsn({ newCumulativeTsn, skipped }: ForwardTsn): RawChunk {
  const value = new Uint8Array(4 + 8 * skipped.length);
  const view = viewOf(value);
  view.setUint32(0, newCumulativeTsn);
  skipped.forEach(({ streamId, unordered, number }, i) => {
    view.setUint16(4 + 8 * i, streamId);
    view.setUint16(6 + 8 * i, unordered ? 1 : 0);
    view.setUint32(8 + 8 * i, number);
  });
  return { type: ChunkType.iForwardTsn, flags: 0, value };
}

export function encodeForwardTsn({ newCumulativeTsn, skipped }: ForwardTsn): RawChunk {
  const value = new Uint8Array(4 + 4 * skipped.length);
  const view = viewOf(value);
  view.setUint32(0, newCumulativeTsn);
  skipped.forEach(({ streamId, number }, i) => {
    view.setUint16(4 + 4 * i, streamId);
    view.setUint16(6 + 4 * i, number);
  });
  return { type: ChunkType.forwardTsn, flags: 0, value };
}

/** FORWARD TSN or I-FORWARD-TSN. */
export function decodeForwardTsn({ type, value }: RawChunk): ForwardTsn | undefined {
  const entry = type === ChunkType.iForwardTsn ? 8 : 4;
  if (value.length < 4 || (value.length - 4) % entry !== 0) return undefined;
  const view = viewOf(value);
  const skipped: Skipped[] = [];
  for (let at = 4; at < value.length; at += entry) {
    const streamId = view.getUint16(at);
    if (entry === 4) skipped.push({ streamId, unordered: false, number: view.getUint16(at + 2) });
    else skipped.push({ streamId, unordered: (view.getUint16(at + 2) & 1) !== 0, number: view.getUint32(at + 4) });
  }
  return { newCumulativeTsn: view.getUint32(0), skipped };
}
