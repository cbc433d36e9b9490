/** What a peer may say: values for the fields of an offer, an INIT and a DCEP OPEN, and chunks that nobody expects. */
import { concatBytes, toBase64 } from "../../../src/wire/bytes.ts";
import { writeInit } from "../../../src/sctp/init.ts";
import { CHUNK_HEADER_BYTES } from "../../../src/sctp/packet.ts";
import { tsn } from "../../../src/wire/serial.ts";
import {
  ChunkType,
  decodeParameters,
  encodeParameters,
  type RawChunk,
  type SctpPacket,
  viewOf,
} from "../../sim/browser-peer/sctp-packet.ts";

import { editHello, HELLO_FIELDS } from "./hello.ts";
import type { UdpRogueOptions } from "./udp-rogue.ts";

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

const U16 = [0, 1, 2, 0xffff];
const U32 = [0, 1, 0x7fff_ffff, 0xffff_ffff];
const HUGE = "9".repeat(40);

/** What the lines of an offer may say. */
const OFFER_VALUES: Readonly<Record<string, readonly string[]>> = {
  "max-message-size": [
    "0",
    "1",
    "10",
    "15",
    "16",
    "65535",
    "4294967296",
    "9007199254740993",
    HUGE,
    "-1",
    "1e3",
    "x",
    "",
  ],
  "sctp-port": ["0", "1", "65535", "65536", "-1", HUGE, "x"],
  "ice-ufrag": ["", "abc", "x".repeat(256), "x".repeat(257), "__proto__"],
  "ice-pwd": ["", "x".repeat(21), "x".repeat(256), "x".repeat(8_000)],
  "ice-options": ["", "ice2 sped dtls-in-stun", "x ".repeat(2_000)],
  fingerprint: ["", "sha-1 00", `sha-256 ${"00:".repeat(31)}00`, `sha-256 ${"00:".repeat(2_000)}00`],
  setup: ["active", "passive", "holdconn", ""],
  mid: ["", "__proto__", "x".repeat(65)],
  group: ["BUNDLE", "BUNDLE 0 0 1", "x"],
  "sctp-init": ["", "AA==", "x", "A".repeat(512), "A".repeat(8_000)],
};

const INIT_VALUES: Readonly<Record<keyof typeof INIT_FIELDS, readonly number[]>> = {
  tag: U32,
  window: [...U32, 1_499],
  outboundStreams: U16,
  inboundStreams: U16,
  initialTsn: U32,
};

const OPEN_VALUES: Readonly<Record<keyof typeof OPEN_FIELDS, readonly number[]>> = {
  messageType: [0, 1, 2, 4, 255],
  channelType: [0, 1, 2, 3, 0x7f, 0x80, 0x81, 0x82, 0x83, 255],
  priority: U16,
  reliability: U32,
  labelLength: [0, 3, 5, 0xffff],
  protocolLength: U16,
};

const STREAMS = [1, 2, 3, 1_022, 1_023, 1_024, 65_534, 65_535];

type Row = readonly [name: string, peer: Omit<UdpRogueOptions, "signal">];

/** Every peer that says one thing which nobody expects. */
export const PEERS: readonly Row[] = [
  ...rows("offer", OFFER_VALUES, (name, value) => ({ editOffer: offerLine(name, value) })),
  ...rows("INIT", INIT_VALUES, (name, value) => ({ editPacket: editInit(name, value) })),
  ...rows("sctp-init", INIT_VALUES, (name, value) => ({
    editOffer: offerLine("sctp-init", signalledInit(name, value)),
  })),
  ...rows("OPEN", OPEN_VALUES, (name, value) => ({ editPacket: editOpen(name, value) })),
  ...rows("OPEN", { stream: STREAMS }, (_, value) => ({ editPacket: editOpenStream(value) })),
  ...rows("ClientHello", HELLO_FIELDS, (name, value) => ({ editDatagram: editHello(name, value) })),
  ...Object.keys(MORE).map((name): Row => [`OPEN and ${name}`, { editPacket: openAnd(name as keyof typeof MORE) }]),
  ["INIT without extensions", { editPacket: withoutExtensions }],
];

function rows<Name extends string, Value>(
  what: string,
  values: Readonly<Record<Name, readonly Value[]>>,
  peer: (name: Name, value: Value) => Row[1],
): Row[] {
  return (Object.keys(values) as Name[]).flatMap((name) =>
    values[name].map((value): Row => [`${what} ${name} ${value}`.slice(0, 60), peer(name, value)]),
  );
}

/** An INIT chunk in base64, one field of which is as it should not be. */
function signalledInit(field: keyof typeof INIT_FIELDS, value: number): string {
  const chunk = writeInit({
    initiateTag: 0x01020304,
    receiveWindow: 1_000_000,
    outboundStreams: 1_024,
    inboundStreams: 1_024,
    initialTsn: tsn(1),
    interleaving: true,
  });
  const [at, bytes] = INIT_FIELDS[field];
  write(chunk.subarray(CHUNK_HEADER_BYTES), at, bytes, value);
  return toBase64(chunk);
}
