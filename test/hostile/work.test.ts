/**
 * What a peer that is authenticated can ask for by the packet: no packet is more work than its size allows, whatever its chunks
 * and whatever the association holds.
 */
import { expect, test, vi } from "vitest";
import { Channels } from "../../src/channel/channels.ts";
import { Association } from "../../src/sctp/association.ts";
import { DEFAULT_ASSOCIATION_LIMITS } from "../../src/limits.ts";
import { DropCounters } from "../../src/wire/drops.ts";
import {
  chunk,
  data,
  datapath,
  forwardTsn,
  hex16,
  hex32,
  iData,
  iForwardTsn,
  PACKET_BYTES,
  packet,
  sack,
  seededBytes,
} from "../unit/sctp/support.ts";
import { stepsOf } from "./support/steps.ts";

vi.mock("../../src/wire/serial.ts", async (original) => {
  const { countedModule } = await import("./support/counted-module.ts");
  return countedModule(await original<object>());
});

/** Steps for one packet, whatever is in it, and for each byte of it. */
const STEPS_PER_PACKET = 300;
const STEPS_PER_BYTE = 3;
/** Bytes of chunks in a full packet. */
const FULL_BYTES = 1_140;
const PEER_TSN = 1_000;
const LOCAL_TSN = 5_000;
const TAG = 0x2222;

/** A server's association with its channels, whose peer is the test. */
class Victim {
  readonly drops = new DropCounters();
  readonly association: Association;
  readonly channels: Channels;
  tsn = PEER_TSN;
  request = PEER_TSN;
  sentBytes = 0;
  now = 0;

  constructor(interleaving = false) {
    const limits = DEFAULT_ASSOCIATION_LIMITS;
    const nothing = { associationEstablished() {}, associationClosed() {}, channelOpened() {}, channelClosed() {} };
    this.channels = new Channels({ role: "server", limits, drops: this.drops }, { ...nothing, channelMessage() {} });
    const transport = {
      maxPacketBytes: PACKET_BYTES,
      begin: () => datapath.nextTx(),
      commit: (_now: number, _offset: number, length: number) => {
        this.sentBytes += length;
      },
    };
    const own = { initiateTag: TAG, initialTsn: LOCAL_TSN, interleaving };
    const options = { random: seededBytes(1), drops: this.drops, limits, ...own };
    this.association = new Association(options, datapath, transport, this.channels);
    this.channels.attach(this.association);
    const supported = interleaving ? "8008000882c040c2" : "8008000682c00000";
    this.#carry = interleaving ? iData : data;
    const init = chunk(1, 0, hex32(0x1111, 1_000_000) + hex16(1_024, 1_024) + hex32(PEER_TSN) + supported);
    if (!this.association.establishFromInit(0, init)) throw new Error("INIT refused");
  }

  handle(...chunks: readonly Uint8Array[]): void {
    this.association.handlePacket(this.now, packet(TAG, ...chunks));
    this.association.flush(this.now);
  }

  /** The peer opens channels on the first streams of its own. */
  open(count: number): this {
    for (let i = 0; i < count; i++) {
      const open = this.#carry({ tsn: this.tsn++, streamId: 2 * i, ppid: 50, flags: 3, data: OPEN });
      this.handle(open, sack(this.lastSent));
    }
    return this;
  }

  readonly #carry: typeof data | typeof iData;

  get lastSent(): number {
    return LOCAL_TSN + this.#answered++;
  }

  #answered = 0;
}

const BYTE = Uint8Array.of(7);
const OPEN = Uint8Array.from([3, 0x81, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 120]);
const resetAll = (request: number, lastTsn: number, streams = "") =>
  chunk(130, 0, `000d${hex16(16 + streams.length / 2)}${hex32(request, 0, lastTsn)}${streams}`);
const parameters = (count: number, type = "c077") => `${type}0004`.repeat(count);
const streams = (count: number) => hex16(...Array.from({ length: count }, (_, i) => 2 * i));

function gaps(victim: Victim): void {
  victim.open(1);
  for (let i = 0; i < 256; i++) victim.handle(data({ tsn: victim.tsn + 2 * (i + 1), data: BYTE }));
}

function halfMessages(victim: Victim): void {
  victim.open(1);
  for (let i = 0; i < 900; i++) victim.handle(data({ tsn: victim.tsn + 40_000 + i, flags: 6, data: BYTE }));
}

function waitingMessages(victim: Victim): void {
  victim.open(1);
  for (let i = 0; i < 900; i++) {
    victim.handle(data({ tsn: victim.tsn++, streamId: 6, flags: 3, ssn: 25_000 + i, data: BYTE }));
  }
}

/** Parts of 900 unordered messages, in I-DATA: numbers 1,000 to 900,000 of a stream. */
function halfInterleaved(victim: Victim): void {
  victim.open(1);
  for (let i = 1; i <= 900; i++) {
    victim.handle(iData({ tsn: victim.tsn++, streamId: 6, flags: 4, mid: 1_000 * i, fsn: 1, data: BYTE }));
  }
}

function waitingInterleaved(victim: Victim): void {
  victim.open(1);
  for (let i = 1; i <= 900; i++) {
    victim.handle(iData({ tsn: victim.tsn++, streamId: 6, flags: 3, mid: 1_000 * i, data: BYTE }));
  }
}

/** A first fragment, and 900 behind a gap. */
function gapInMessage(victim: Victim): void {
  victim.open(1);
  for (let i = 0; i < 900; i++) {
    victim.handle(iData({ tsn: victim.tsn++, streamId: 6, flags: 4, fsn: 2 * i + 2, data: BYTE }));
  }
}

/** Full of entries. */
const skipping = (v: Victim, entry: (n: number) => [number, boolean, number]) =>
  iForwardTsn(v.tsn++, ...Array.from({ length: 130 }, (_, i) => entry(i)));

interface Kind {
  readonly name: string;
  /** With a peer with which I-DATA was agreed on. */
  readonly interleaving?: true;
  readonly prepare?: (victim: Victim) => void;
  /** The chunk with this number in its packet. */
  readonly chunk: (victim: Victim, n: number) => Uint8Array;
}

const INTERLEAVED: readonly Kind[] = [
  { name: "I-DATA", chunk: (v) => iData({ tsn: v.tsn++, data: BYTE }) },
  {
    name: "I-DATA without an end, each of another message",
    chunk: (v, n) => iData({ tsn: v.tsn++, flags: 6, mid: v.tsn, streamId: 2 * n, data: BYTE }),
  },
  {
    name: "I-DATA of messages whose numbers fall",
    prepare: halfInterleaved,
    chunk: (v) => iData({ tsn: v.tsn++, streamId: 6, flags: 4, mid: 2_000 - v.tsn, fsn: 1, data: BYTE }),
  },
  {
    name: "I-DATA of messages whose turn never comes, and whose numbers fall",
    prepare: waitingInterleaved,
    chunk: (v) => iData({ tsn: v.tsn++, streamId: 6, flags: 3, mid: 3_000 - v.tsn, data: BYTE }),
  },
  {
    name: "I-DATA that fills gaps in its message, one in a packet the first",
    prepare: gapInMessage,
    chunk: (v, n) => iData({ tsn: v.tsn++, streamId: 6, flags: 4, fsn: (v.tsn & 0xff) + 2 * n + 2_001, data: BYTE }),
  },
  { name: "I-FORWARD-TSNs", chunk: (v) => iForwardTsn(v.tsn++) },
  {
    name: "I-FORWARD-TSNs that name as many streams, unordered",
    prepare: halfInterleaved,
    chunk: (v) => skipping(v, (n) => [n, true, v.tsn]),
  },
  {
    name: "I-FORWARD-TSNs that name as many streams, ordered",
    prepare: waitingInterleaved,
    chunk: (v) => skipping(v, (n) => [n, false, v.tsn]),
  },
  {
    name: "I-FORWARD-TSNs whose every entry gives up one of 900 half messages",
    prepare: halfInterleaved,
    chunk: (v) => skipping(v, (n) => [6, true, 1_000 * (n + 130 * (v.tsn % 5))]),
  },
  {
    name: "I-FORWARD-TSNs whose every entry delivers one of 900 messages that wait",
    prepare: waitingInterleaved,
    chunk: (v) => skipping(v, (n) => [6, false, 1_000 * (n + 130 * (v.tsn % 5))]),
  },
];

const KINDS: readonly Kind[] = [
  { name: "messages", chunk: (v) => data({ tsn: v.tsn++, data: BYTE }) },
  { name: "texts that are none", chunk: (v) => data({ tsn: v.tsn++, ppid: 51, data: Uint8Array.of(255) }) },
  { name: "messages for no stream", chunk: (v) => data({ tsn: v.tsn++, streamId: 2_000, data: BYTE }) },
  { name: "messages for no channel", chunk: (v) => data({ tsn: v.tsn++, streamId: 8, data: BYTE }) },
  { name: "fragments without an end", chunk: (v) => data({ tsn: v.tsn++, flags: 4, data: BYTE }) },
  { name: "fragments that all begin", chunk: (v) => data({ tsn: v.tsn++, flags: 6, data: BYTE }) },
  { name: "duplicates in the first of 256 blocks", prepare: gaps, chunk: (v) => data({ tsn: v.tsn + 2, data: BYTE }) },
  { name: "TSNs between 256 blocks", prepare: gaps, chunk: (v, n) => data({ tsn: v.tsn + 3 + 2 * n, data: BYTE }) },
  {
    name: "SSNs that never come up",
    chunk: (v) => data({ tsn: v.tsn++, flags: 3, ssn: 9 + (v.tsn & 0xfff), data: BYTE }),
  },
  { name: "SACKs", chunk: () => sack(LOCAL_TSN - 1) },
  {
    name: "SACKs with blocks",
    chunk: () =>
      sack(
        LOCAL_TSN - 1,
        9,
        Array.from({ length: 250 }, () => [2, 2]),
      ),
  },
  { name: "FORWARD TSNs", chunk: (v) => forwardTsn(v.tsn++) },
  { name: "FORWARD TSNs, 900 half messages further on", prepare: halfMessages, chunk: (v) => forwardTsn(v.tsn++) },
  {
    name: "FORWARD TSNs that name one stream, 900 messages further on",
    prepare: waitingMessages,
    chunk: (v, n) => forwardTsn(v.tsn++, ...Array.from({ length: 60 }, (_, i): [number, number] => [6, 60 * n + i])),
  },
  { name: "HEARTBEATs", chunk: () => chunk(4, 0, "") },
  { name: "HEARTBEAT ACKs", chunk: () => chunk(5, 0, "000100080000000100000002") },
  { name: "INIT ACKs", chunk: () => chunk(2, 0, "") },
  { name: "COOKIE ACKs", chunk: () => chunk(11, 0, "") },
  { name: "ERRORs", chunk: () => chunk(9, 0, "") },
  { name: "ERRORs with causes", chunk: () => chunk(9, 0, parameters(250)) },
  { name: "HEARTBEAT ACKs with parameters", chunk: () => chunk(5, 0, parameters(250)) },
  { name: "SHUTDOWNs", chunk: () => chunk(7, 0, hex32(LOCAL_TSN - 1)) },
  { name: "SHUTDOWN ACKs", chunk: () => chunk(8, 0, "") },
  { name: "unknown chunks to skip", chunk: () => chunk(0xbf, 0, "") },
  { name: "unknown chunks to report", chunk: () => chunk(0xff, 0, "") },
  { name: "RE-CONFIGs with parameters", chunk: () => chunk(130, 0, parameters(250)) },
  { name: "RE-CONFIGs of all streams", chunk: (v) => resetAll(v.request++, v.tsn - 1) },
  {
    name: "RE-CONFIGs of all streams over channels that do not close",
    prepare: (v) => {
      v.open(500);
      v.handle(resetAll(v.request++, v.tsn - 1));
    },
    chunk: (v) => resetAll(v.request++, v.tsn - 1),
  },
  { name: "RE-CONFIGs of many streams", chunk: (v) => resetAll(v.request++, v.tsn - 1, streams(500)) },
  { name: "RE-CONFIGs that were answered", chunk: (v) => resetAll(v.request, v.tsn - 1) },
  { name: "RE-CONFIGs out of sequence", chunk: (v) => resetAll(v.request + 99, v.tsn - 1) },
  { name: "RE-CONFIGs before their DATA", chunk: (v) => resetAll(v.request, v.tsn + 99) },
  { name: "RE-CONFIGs for our streams", chunk: (v) => chunk(130, 0, `000e0008${hex32(v.request++)}`) },
  { name: "RE-CONFIG responses", chunk: () => chunk(130, 0, `0010000c${hex32(1, 1)}`) },
  { name: "OPENs", chunk: (v, n) => data({ tsn: v.tsn++, streamId: 2 * n + 2, ppid: 50, data: OPEN }) },
  {
    name: "OPENs beside 400 channels",
    prepare: (v) => void v.open(400),
    chunk: (v, n) => data({ tsn: v.tsn++, streamId: 800 + 2 * n, ppid: 50, data: OPEN }),
  },
  { name: "OPENs of streams in use", chunk: (v) => data({ tsn: v.tsn++, ppid: 50, data: OPEN }) },
  {
    name: "OPENs of our own streams",
    chunk: (v, n) => data({ tsn: v.tsn++, streamId: 2 * n + 1, ppid: 50, data: OPEN }),
  },
  ...INTERLEAVED.map((kind): Kind => ({ ...kind, interleaving: true })),
];

function fullPacket(kind: Kind, victim: Victim): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let room = FULL_BYTES;
  for (;;) {
    const next = kind.chunk(victim, chunks.length);
    if (next.length > room) return chunks;
    chunks.push(next);
    room -= next.length;
  }
}

test.each(KINDS)(
  "packets full of $name are no more work than their size allows, nor is one with one of them",
  (kind) => {
    const victim = new Victim(kind.interleaving);
    if (kind.prepare === undefined) victim.open(1);
    else kind.prepare(victim);
    // Together: a SACK may answer what came before.
    const packets = [fullPacket(kind, victim), [kind.chunk(victim, 0)], fullPacket(kind, victim)];
    const bytes = packets.flat().reduce((sum, { length }) => sum + length, 0);
    const before = victim.sentBytes;
    const steps = packets.reduce((sum, chunks) => sum + stepsOf(() => victim.handle(...chunks)), 0);
    expect(steps).toBeLessThan(packets.length * STEPS_PER_PACKET + STEPS_PER_BYTE * bytes);
    expect(victim.sentBytes - before, "bytes of the answers").toBeLessThan(packets.length * 300 + 2 * bytes);
  },
);

const OUTSTANDING = 4_000;
/** Steps for each message that was sent, in all that is said of it later. */
const STEPS_PER_SENT = 64;

test.each<readonly [string, (n: number) => readonly [number, number][]]>([
  ["the last message", () => [[OUTSTANDING, OUTSTANDING]]],
  ["one message more each time", (n) => [[OUTSTANDING - n, OUTSTANDING]]],
  ["all but the first message, and the last, in turns", (n) => [[n % 2 === 0 ? 2 : OUTSTANDING, OUTSTANDING]]],
  ["every other message", () => Array.from({ length: 270 }, (_, i) => [2 * i + 2, 2 * i + 2])],
  ["blocks that move", (n) => Array.from({ length: 270 }, (_, i) => [14 * i + 2 + (n % 7), 14 * i + 5 + (n % 7)])],
  ["more than was sent", (n) => [[2 + (n % 2), 65_535]]],
])("SACKs beside 4,000 outstanding messages are no more work than their size allows: %s", (_name, blocks) => {
  const victim = new Victim().open(1);
  const [channel] = victim.channels.open;
  for (let i = 0; i < OUTSTANDING; i++) victim.channels.send(victim.now, channel, BYTE);
  victim.association.flush(victim.now);
  let bytes = 0;
  let steps = 0;
  for (let n = 0; n < 200; n++) {
    // As they come at 2 Mbit/s.
    victim.now += 0.25;
    const chunks = [sack(LOCAL_TSN, 1_000_000, blocks(n))];
    bytes += 12 + chunks[0].length;
    steps += stepsOf(() => victim.handle(...chunks));
  }
  expect(steps).toBeLessThan(200 * STEPS_PER_PACKET + STEPS_PER_BYTE * bytes + STEPS_PER_SENT * OUTSTANDING);
});

test.each([100, 400])("a channel opened or closed is as much work beside %i others as beside none", (others) => {
  const work = (count: number): number => {
    const victim = new Victim().open(count);
    const stream = 2 * count;
    return stepsOf(() => {
      victim.handle(data({ tsn: victim.tsn++, streamId: stream, ppid: 50, flags: 3, data: OPEN }));
      victim.handle(resetAll(victim.request++, victim.tsn - 1, hex16(stream)));
    });
  };
  expect(work(others)).toBeLessThan(work(1) + 20);
});

test("so many channels created are so much work", () => {
  const work = (count: number): number => {
    const victim = new Victim();
    return stepsOf(() => {
      for (let i = 0; i < count; i++) victim.channels.create(victim.now, "x");
    });
  };
  expect(work(400)).toBeLessThan(2.2 * work(200));
});

test("a message whose fragments come from the last to the first is as much work as one in order", () => {
  const work = (backwards: boolean): number => {
    const victim = new Victim().open(1);
    const numbers = Array.from({ length: 1_000 }, (_, i) => (backwards ? 999 - i : i));
    const packets = numbers.map((i) =>
      data({ tsn: victim.tsn + i, flags: 4 | (i === 0 ? 2 : 0) | (i === 999 ? 1 : 0), data: BYTE }),
    );
    return stepsOf(() => {
      for (const one of packets) victim.handle(one);
    });
  };
  expect(work(true)).toBeLessThan(2 * work(false));
});

test("a message in I-DATA whose fragments come from the last to the first is as much work as one in order", () => {
  const work = (backwards: boolean): number => {
    const victim = new Victim(true).open(1);
    const places = Array.from({ length: 1_000 }, (_, i) => (backwards ? 999 - i : i));
    const packets = places.map((fsn, i) =>
      iData({ tsn: victim.tsn + i, flags: 4 | (fsn === 0 ? 2 : 0) | (fsn === 999 ? 1 : 0), fsn, data: BYTE }),
    );
    return stepsOf(() => {
      for (const one of packets) victim.handle(one);
    });
  };
  expect(work(true)).toBeLessThan(2 * work(false));
});

test("what a packet asks for beyond its work is dropped and counted once, and the DATA behind it is taken", () => {
  const victim = new Victim().open(1);
  const heartbeats = Array.from({ length: 100 }, () => chunk(4, 0, ""));
  victim.handle(...heartbeats, data({ tsn: victim.tsn, data: BYTE }));
  expect(victim.drops.snapshot()).toEqual({ "sctp-work-limit": 1 });
  victim.handle(data({ tsn: victim.tsn, data: BYTE }));
  expect(victim.drops.snapshot()).toEqual({ "sctp-work-limit": 1, "sctp-duplicate": 1 });
});

test("an ABORT behind more work than a packet may ask for ends the association", () => {
  const victim = new Victim().open(1);
  victim.handle(...Array.from({ length: 100 }, () => chunk(4, 0, "")), chunk(6, 0, ""));
  expect(victim.association.state).toBe("closed");
});
