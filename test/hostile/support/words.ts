/** What a peer may say: values for the fields of an offer, an INIT and a DCEP OPEN, and chunks that nobody expects. */
import { concatBytes } from "../../../src/wire/bytes.ts";
import {
  ChunkType,
  decodeParameters,
  encodeParameters,
  type RawChunk,
  type SctpPacket,
  viewOf,
} from "../../sim/browser-peer/sctp-packet.ts";

export type PacketEdit = (packet: SctpPacket) => SctpPacket[];

/** Gives a line `a=name:…` another value; one that is missing is added. */
export function offerLine(name: string, value: string): (sdp: string) => string {
  const line = new RegExp(`^a=${name}:.*$`, "m");
  return (sdp) => (line.test(sdp) ? sdp.replace(line, `a=${name}:${value}`) : `${sdp}a=${name}:${value}\r\n`);
}

/** Fields of INIT and INIT ACK behind the chunk's header (RFC 9260 §3.3.2): where, and how many bytes. */
export const INIT_FIELDS = {
  tag: [0, 4],
  window: [4, 4],
  outboundStreams: [8, 2],
  inboundStreams: [10, 2],
  initialTsn: [12, 4],
} as const;
const INIT_FIXED_BYTES = 16;
/** RFC 5061 §4.2.7. */
const SUPPORTED_EXTENSIONS = 0x8008;

/** Fields of a DATA_CHANNEL_OPEN (RFC 8832 §5.1). */
export const OPEN_FIELDS = {
  messageType: [0, 1],
  channelType: [1, 1],
  priority: [2, 2],
  reliability: [4, 4],
  labelLength: [8, 2],
  protocolLength: [10, 2],
} as const;

export function editInit(field: keyof typeof INIT_FIELDS, value: number): PacketEdit {
  return inEachChunk(isInit, ({ value: body }) => {
    const [at, bytes] = INIT_FIELDS[field];
    write(body, at, bytes, value);
  });
}

/** A peer that announces no extension, RE-CONFIG among them. */
export const withoutExtensions: PacketEdit = inEachChunk(isInit, (chunk) => {
  const parameters = decodeParameters(chunk.value.subarray(INIT_FIXED_BYTES)) ?? [];
  const kept = encodeParameters(parameters.filter(({ type }) => type !== SUPPORTED_EXTENSIONS));
  chunk.value = concatBytes(chunk.value.subarray(0, INIT_FIXED_BYTES), kept);
});

/** Behind the 12 bytes of the DATA chunk's own fields. */
export function editOpen(field: keyof typeof OPEN_FIELDS, value: number): PacketEdit {
  const [at, bytes] = OPEN_FIELDS[field];
  return inEachChunk(isOpen, ({ value: body }) => write(body, 12 + at, bytes, value));
}

/** The stream of the DATA chunk that carries the OPEN. */
export function editOpenStream(streamId: number): PacketEdit {
  return inEachChunk(isOpen, ({ value: body }) => write(body, 4, 2, streamId));
}

const MORE = {
  ABORT: () => chunk(ChunkType.abort, new Uint8Array(0)),
  SHUTDOWN: ({ cumulative }: Numbers) => chunk(ChunkType.shutdown, u32(cumulative)),
  RESET: (numbers: Numbers) => chunk(ChunkType.reConfig, resetRequest(numbers, [0])),
  "RESET ALL": (numbers: Numbers) => chunk(ChunkType.reConfig, resetRequest(numbers, [])),
} as const;

/** Puts a chunk behind the DATA chunk with the OPEN, in the same packet. */
export function openAnd(more: keyof typeof MORE): PacketEdit {
  let initialTsn = 0;
  let peerTsn = 0;
  return (packet) => {
    const { chunks } = packet;
    const init = chunks.find(isInit);
    if (init !== undefined) initialTsn = viewOf(init.value).getUint32(12);
    const sack = chunks.find(({ type }) => type === ChunkType.sack);
    if (sack !== undefined) peerTsn = viewOf(sack.value).getUint32(0);
    const open = chunks.find(isOpen);
    if (open === undefined) return [packet];
    const numbers = { initialTsn, lastTsn: viewOf(open.value).getUint32(0), cumulative: peerTsn };
    return [{ ...packet, chunks: [...chunks, MORE[more](numbers)] }];
  };
}

interface Numbers {
  readonly initialTsn: number;
  readonly lastTsn: number;
  readonly cumulative: number;
}

/** Outgoing SSN Reset Request (RFC 6525 §4.1). */
function resetRequest({ initialTsn, lastTsn }: Numbers, streamIds: readonly number[]): Uint8Array {
  const value = new Uint8Array(16 + 2 * streamIds.length);
  const view = viewOf(value);
  view.setUint16(0, 13);
  view.setUint16(2, value.length);
  view.setUint32(4, initialTsn);
  view.setUint32(8, 0);
  view.setUint32(12, lastTsn);
  streamIds.forEach((id, index) => {
    view.setUint16(16 + 2 * index, id);
  });
  return value;
}

function inEachChunk(isMeant: (chunk: RawChunk) => boolean, edit: (chunk: RawChunk) => void): PacketEdit {
  return ({ tag, chunks }) => {
    const copies = chunks.map((chunk) => ({ ...chunk, value: chunk.value.slice() }));
    for (const copy of copies.filter(isMeant)) edit(copy);
    return [{ tag, chunks: copies }];
  };
}

function isInit({ type }: RawChunk): boolean {
  return type === ChunkType.init || type === ChunkType.initAck;
}

/** DATA with the payload protocol of DCEP, and an OPEN in it. */
function isOpen({ type, value }: RawChunk): boolean {
  return type === ChunkType.data && viewOf(value).getUint32(8) === 50 && value[12] === 3;
}

function write(bytes: Uint8Array, at: number, length: number, value: number): void {
  for (let i = 0; i < length; i++) bytes[at + i] = Math.floor(value / 256 ** (length - 1 - i)) & 0xff;
}

function chunk(type: number, value: Uint8Array): RawChunk {
  return { type, flags: 0, value };
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value);
  return bytes;
}
