import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openCookie, sealCookie } from "../../src/sctp/cookie.ts";
import { parseInit } from "../../src/sctp/init.ts";
import { parseReconfig } from "../../src/sctp/reconfig.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { tsn } from "../../src/wire/serial.ts";
import { EditScript } from "./support/edit-script.ts";
import { fuzzTests } from "./support/fuzz.ts";
import { growthOf } from "./support/memory.ts";
import {
  checkMemory,
  converse,
  initChunk,
  packetOf,
  readRecording,
  type Recording,
  SctpSide,
  sideOf,
  withChecksum,
} from "./support/sctp.ts";
import { bitFlips, extremeBytes, type LengthField, readField, truncations, wrongLengths } from "./support/variants.ts";

const NAMES = [
  "chromium.fwd",
  "firefox.fwd",
  "chromium.hb",
  "firefox.hb",
  "chromium.close-dcclose",
  "firefox.close-pcclose",
];
const recordings = NAMES.map(readRecording);
const [chromium] = recordings;

const DATA = 0;
const SACK = 3;
const FORWARD_TSN = 192;

function chunk(
  type: number,
  flags: number,
  value: Uint8Array | readonly number[],
  length = 4 + value.length,
): Uint8Array {
  const bytes = new Uint8Array((4 + value.length + 3) & ~3);
  bytes.set([type, flags, length >>> 8, length & 0xff]);
  bytes.set(value, 4);
  return bytes;
}

function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

function data(dataTsn: number, streamId = 0, sequence = 0, flags = 3, length = 8): Uint8Array {
  const header = [...u32(dataTsn), ...u32(((streamId << 16) | sequence) >>> 0), ...u32(53)];
  return chunk(DATA, flags, [...header, ...new Uint8Array(length)]);
}

/** Where a packet's chunks and their parameters count something (RFC 9260 §3.2, §3.2.1, §3.3.4). */
function lengthFields(chunks: Uint8Array): LengthField[] {
  const fields: LengthField[] = [];
  for (let at = 0; at + 4 <= chunks.length; ) {
    const length = readField(chunks, at + 2, 2);
    fields.push({ offset: at + 2, bytes: 2 });
    const type = chunks[at];
    if (type === SACK) fields.push({ offset: at + 12, bytes: 2 }, { offset: at + 14, bytes: 2 });
    const parametersAt = type === 1 || type === 2 ? 20 : [4, 5, 6, 9, 130].includes(type) ? 4 : length;
    for (let inner = at + parametersAt; inner + 4 <= at + length; ) {
      fields.push({ offset: inner + 2, bytes: 2 });
      inner += (Math.max(4, readField(chunks, inner + 2, 2)) + 3) & ~3;
    }
    at += (Math.max(4, length) + 3) & ~3;
  }
  return fields;
}

/** Gives an established side of this recording some packets, and then the recorded ones; the memory must be untouched. */
function feed(recording: Recording, packets: readonly Uint8Array[], after = 0): SctpSide {
  const side = sideOf(recording);
  for (const chunks of recording.fromBrowser.slice(0, after)) side.handle(1, packetOf(recording.localTag, chunks));
  for (const packet of packets) side.handle(1, packet);
  for (const chunks of recording.fromBrowser.slice(after)) side.handle(2, packetOf(recording.localTag, chunks));
  settle(side);
  return side;
}

/** Lets all timers run out: what the peer never answers has an end. */
function settle(side: SctpSide): void {
  for (let i = 0; i < 200 && Number.isFinite(side.association.nextDeadline); i++) {
    const now = side.association.nextDeadline;
    side.association.handleTimeout(now);
    side.check();
    assert(side.association.nextDeadline > now, "a deadline that does not move on");
  }
  assert.equal(side.association.nextDeadline, Number.POSITIVE_INFINITY, "a timer that runs for ever");
  checkMemory();
}

test("what the browsers sent is taken", () => {
  for (const recording of recordings) {
    const side = feed(recording, []);
    const dataChunks = recording.fromBrowser.filter((chunks) => chunks[0] === DATA).length;
    expect(side.messages.length, recording.name).toBeGreaterThan(0.5 * dataChunks);
    expect(side.drops.get("sctp-malformed"), recording.name).toBe(0);
  }
});

test("a wrong checksum, port or tag is dropped and counted", () => {
  const { localTag, fromBrowser } = chromium;
  const good = packetOf(localTag, fromBrowser[0]);
  for (const flipped of bitFlips(good)) {
    const side = sideOf(chromium);
    side.handle(1, flipped);
    expect(side.messages).toEqual([]);
    expect(side.sent).toEqual([]);
    expect(side.drops.get("sctp-bad-checksum")).toBe(1);
  }
  const side = sideOf(chromium);
  for (const ports of [0, 0x1388_0000, 0x0000_1388, 0x1388_1389, 0xffff_ffff]) {
    side.handle(1, packetOf(localTag, fromBrowser[0], ports));
  }
  expect(side.drops.get("sctp-bad-ports")).toBe(5);
  for (const tag of [0, 1, localTag ^ 1, localTag ^ 0x8000_0000]) side.handle(1, packetOf(tag >>> 0, fromBrowser[0]));
  expect(side.drops.get("sctp-bad-tag")).toBe(4);
  expect(side.messages).toEqual([]);
  expect(side.association.state).toBe("established");
});

test("every truncation of every recorded packet, its checksum right, is dropped or taken for what is left", () => {
  for (const recording of recordings) {
    for (const chunks of new Set(recording.fromBrowser.slice(0, 12))) {
      for (const cut of truncations(chunks.subarray(0, 120))) feed(recording, [packetOf(recording.localTag, cut)]);
    }
  }
});

test("every length field at 0, 1, 2, 3, off by one and at its largest", () => {
  const kinds = new Map<number, [Recording, Uint8Array]>();
  for (const recording of recordings) {
    for (const chunks of recording.fromBrowser) kinds.set(chunks[0], [recording, chunks]);
  }
  expect([...kinds.keys()].sort((a, b) => a - b)).toEqual([0, 3, 4, 6, 130, 192]);
  for (const [recording, chunks] of kinds.values()) {
    for (const wrong of wrongLengths(chunks, lengthFields(chunks)))
      feed(recording, [packetOf(recording.localTag, wrong)]);
  }
  const init = initChunk();
  for (const wrong of wrongLengths(init, lengthFields(init))) {
    const side = new SctpSide("init");
    side.handle(0, packetOf(0, wrong));
    checkMemory();
  }
});

test("every byte at 0 and 255 in one packet of each kind", () => {
  for (const recording of recordings) {
    const seen = new Set<number>();
    for (const chunks of recording.fromBrowser) {
      if (seen.has(chunks[0])) continue;
      seen.add(chunks[0]);
      for (const wrong of extremeBytes(chunks.subarray(0, 64))) feed(recording, [packetOf(recording.localTag, wrong)]);
    }
  }
});

test("chunks of every type, empty, tiny and large, with every flag", () => {
  for (let type = 0; type < 256; type++) {
    for (const length of [0, 1, 3, 4, 12, 13, 16, 100, 3_000, 60_000]) {
      const side = sideOf(chromium);
      side.handle(1, packetOf(chromium.localTag, chunk(type, 0xff, new Uint8Array(length).fill(1))));
      side.handle(1, packetOf(chromium.localTag, chunk(type, 0, new Uint8Array(length))));
      checkMemory();
    }
  }
});

test("packets of no chunk, of 512, of 513, and of padding alone", () => {
  for (const chunks of [0, 1, 2, 3].map((length) => new Uint8Array(length))) {
    feed(chromium, [packetOf(chromium.localTag, chunks)]);
  }
  for (const type of [4, 10, 11, 14, 63, 64, 127, 128, 191, 193, 255]) {
    for (const count of [512, 513, 16_000]) {
      const many = concatBytes(...Array.from({ length: count }, () => chunk(type, 0, [])));
      const side = feed(chromium, [packetOf(chromium.localTag, many)]);
      expect(side.sent.length, `type ${type}`).toBeLessThan(120);
    }
  }
});

test("an INIT full of parameters that ask to be reported is answered with one packet, not with what fits nowhere", () => {
  for (const count of [1, 200, 400, 5_000, 15_000]) {
    const side = new SctpSide("init");
    const unknown = Uint8Array.of(0xc0, 0x77, 0, 4);
    side.handle(0, packetOf(0, initChunk(...Array.from({ length: count }, () => unknown))));
    checkMemory();
    expect(side.sent.length).toBe(1);
  }
});

test("what fits into no packet is left out", () => {
  const side = new SctpSide("small packets", {}, {}, 100);
  side.handle(0, packetOf(0, initChunk()));
  side.association.connect(0);
  checkMemory();
  expect(side.sent.map(({ length }) => length)).toEqual([44]); // our INIT, but no INIT ACK
});

test("a parameter that runs past its chunk makes the chunk malformed", () => {
  for (const length of [0, 3, 9, 0xffff]) {
    const cut = Uint8Array.of(0xc0, 0x77, length >>> 8, length & 0xff, 1, 2, 3, 4);
    expect(parseInit(initChunk(cut).subarray(4)), `${length}`).toBeUndefined();
    expect(parseReconfig(cut), `${length}`).toBeUndefined();
  }
});

test("parameters inside parameters, to any depth, are looked at once", () => {
  let nested: Uint8Array = Uint8Array.of(0xc0, 1, 0, 4);
  while (nested.length < 60_000) {
    const outer = new Uint8Array(4 + nested.length);
    outer.set([0xc0, 1, outer.length >>> 8, outer.length & 0xff]);
    outer.set(nested, 4);
    nested = outer;
  }
  const side = new SctpSide("nested");
  side.handle(0, packetOf(0, initChunk(nested)));
  expect(side.sent.length).toBe(1);
  feed(chromium, [
    packetOf(chromium.localTag, chunk(9, 0, nested)),
    packetOf(chromium.localTag, chunk(130, 0, nested)),
  ]);
});

test("TSNs, sequence numbers and gap blocks at the edges of their numbers", () => {
  const initialTsn = parseInit(chromium.browserInit.subarray(4))!.initialTsn;
  const far = [0, 1, 2, 255, 256, 65_534, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1];
  for (const distance of far) {
    const dataTsn = (initialTsn + distance) >>> 0;
    for (const flags of [0, 1, 2, 3, 4, 5, 6, 7]) {
      feed(chromium, [packetOf(chromium.localTag, data(dataTsn, 1, distance & 0xffff, flags))]);
    }
    const forward = chunk(FORWARD_TSN, 0, [...u32(dataTsn), 0, 0, 0xff, 0xff]);
    feed(chromium, [packetOf(chromium.localTag, forward)], 5);
    const gaps = [...u32((chromium.localInitialTsn + distance) >>> 0), ...u32(distance), 0, 2, 0, 0];
    for (const blocks of [
      u32(distance).concat(u32(distance)),
      [0, 0, 0, 0, 0xff, 0xff, 0, 0],
      [0, 1, 0xff, 0xff, 0, 1, 0, 1],
    ]) {
      feed(chromium, [packetOf(chromium.localTag, chunk(SACK, 0, [...gaps, ...blocks]))], 3);
    }
  }
});

test("a flood of fragments without beginning or end is held within the limits", () => {
  const limits = {
    maxMessageBytes: 5_000,
    receiveWindowBytes: 20_000,
    maxReceiveWindowBytes: 20_000,
    maxReassemblyChunks: 50,
    maxStreams: 16,
    maxNameCharacters: 1_000,
    maxQueuedBytes: 1_000,
  };
  const side = sideOf(chromium, { limits });
  const initialTsn = parseInit(chromium.browserInit.subarray(4))!.initialTsn;
  const flood = (from: number) => {
    for (let i = from; i < from + 30_000; i++) {
      // Every other TSN is missing; kinds and streams change.
      side.handle(
        1,
        packetOf(chromium.localTag, data(initialTsn + 1 + ((2 * i) & 0xffff), i % 20, i & 0xffff, i % 8, 700)),
      );
      side.take();
    }
  };
  flood(0);
  expect(growthOf(() => flood(30_000))).toBeLessThan(500_000);
  side.association.abort(2);
});

test("a flood of requests for answers costs one packet for each, not a growing queue", () => {
  const side = sideOf(chromium);
  const heartbeat = chunk(4, 0, new Uint8Array(1_000));
  const flood = () => {
    for (let i = 0; i < 20_000; i++) {
      // Nothing is flushed meanwhile, as in one turn of the event loop.
      side.association.handlePacket(1, packetOf(chromium.localTag, heartbeat));
      side.association.handlePacket(1, packetOf(chromium.localTag, chunk(0x7f, 0, new Uint8Array(900))));
    }
  };
  flood();
  expect(growthOf(flood)).toBeLessThan(500_000);
  side.association.flush(1);
  expect(side.sent.length).toBeLessThan(20);
});

test("10,000 INITs to a live association are answered as often as a peer would ask, and change nothing", () => {
  const side = sideOf(chromium);
  let answers = 0;
  const flood = () => {
    for (let i = 0; i < 5_000; i++) {
      side.handle(1, packetOf(0, initChunk()));
      answers += side.take().length;
    }
  };
  flood();
  expect(growthOf(flood)).toBeLessThan(500_000);
  expect(answers).toBe(16);
  expect(side.drops.get("sctp-work-limit")).toBe(10_000 - 16);
  for (const chunks of chromium.fromBrowser) side.handle(2, packetOf(chromium.localTag, chunks));
  expect(side.messages.length).toBeGreaterThan(10);
});

test("a cookie is worth nothing with any bit of it changed", () => {
  const key = new Uint8Array(32).fill(3);
  const cookie = sealCookie(key, {
    localTag: 1,
    peerTag: 2,
    localInitialTsn: tsn(3),
    peerInitialTsn: tsn(4),
    peerWindow: 5,
    peerOutboundStreams: 6,
    peerInboundStreams: 7,
    forwardTsn: true,
    reconfig: true,
    interleaving: true,
    iForwardTsn: false,
    tieLocalTag: 8,
    tiePeerTag: 9,
    createdAt: 10.5,
  });
  expect(openCookie(key, cookie)?.createdAt).toBe(10.5);
  for (const changed of bitFlips(cookie)) expect(openCookie(key, changed)).toBeUndefined();
  for (const cut of truncations(cookie)) expect(openCookie(key, cut)).toBeUndefined();
});

test("any bytes leave the parsers with a value or none", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      parseInit(bytes);
      parseReconfig(bytes);
      openCookie(new Uint8Array(32), bytes);
    }),
    { numRuns: 10_000, seed: 1 },
  );
});

test("any chunks at all leave an association that works or has ended", () => {
  const anyChunk = fc
    .record({
      type: fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192), fc.nat(255)),
      flags: fc.nat(255),
      value: fc.uint8Array({ maxLength: 60 }),
    })
    .map(({ type, flags, value }) => chunk(type, flags, value));
  fc.assert(
    fc.property(fc.array(anyChunk, { minLength: 1, maxLength: 8 }), fc.nat(8), (chunks, after) => {
      feed(chromium, [packetOf(chromium.localTag, concatBytes(...chunks))], after);
    }),
    { numRuns: 3_000, seed: 2 },
  );
});

fuzzTests(() => ({
  name: "sctp-packets",
  recorded: recordings.flatMap(({ fromBrowser, browserInit }) => [...fromBrowser.slice(0, 40), browserInit]),
  iterations: 30_000,
  run(input, random) {
    const recording = recordings[random.below(recordings.length)];
    const packet = packetOf(input[0] === 1 ? 0 : recording.localTag, input.subarray(0, 60_000));
    const side = sideOf(recording);
    // Something of ours is under way, so that there is something to acknowledge.
    for (let i = 0; i < 6; i++) {
      const size = 1 + random.below(3_000);
      side.association.send(0, {
        streamId: i % 3,
        ppid: 53,
        data: new Uint8Array(size),
        maxRetransmits: i % 2,
        ordered: i > 3,
      });
    }
    side.association.flush(0);
    const after = random.below(recording.fromBrowser.length + 1);
    for (const chunks of recording.fromBrowser.slice(0, after)) side.handle(1, packetOf(recording.localTag, chunks));
    side.handle(1, packet);
    side.handle(2, packet);
    for (const chunks of recording.fromBrowser.slice(after)) side.handle(3, packetOf(recording.localTag, chunks));
    if (random.chance(0.2)) settle(side);
    checkMemory();
  },
}));

/** Messages of every kind in both directions, and a stream reset: what an edited session is made of. */
function talk(client: SctpSide, server: SctpSide, now: number): void {
  for (const [i, side] of [client, server, client, server, client].entries()) {
    if (side.association.state !== "established") continue;
    for (const [size, maxRetransmits, ordered] of [
      [10, 0, false],
      [900, 0, false],
      [4_000, 0, false],
      [3_000, undefined, true],
      [40, 1, true],
    ] as const) {
      const data = new Uint8Array(size).fill(i);
      const reliability = maxRetransmits === undefined ? {} : { maxRetransmits };
      side.association.send(now, { streamId: i, ppid: 53, data, ordered, ...reliability });
    }
    side.association.flush(now);
  }
}

fuzzTests(() => ({
  name: "sctp-session",
  recorded: Array.from({ length: 260 }, (_, i) =>
    Uint8Array.of(i % 20, i, (i * 53) & 0xff, (i * 29) & 0xff, i * 11, (i + 2) % 25, i * 3, 1, i, i),
  ),
  iterations: 5_000,
  run(input) {
    const script = new EditScript(input);
    const server = new SctpSide("server");
    const client = new SctpSide("client");
    client.association.connect(0);
    const edited = (packet: Uint8Array) =>
      script.apply(packet).flatMap((result) => (result.length >= 12 ? [withChecksum(result)] : []));
    converse(client, server, edited, 0, 3_000);
    talk(client, server, 3_000);
    converse(client, server, edited, 3_000, 20_000);
    client.association.resetStreams(20_000, [0, 1]);
    talk(client, server, 20_000);
    converse(client, server, edited, 20_000, 90_000);
    client.association.abort(90_000);
    converse(client, server, undefined, 90_000, 90_000);
    for (const side of [client, server]) {
      for (const { data } of side.messages) assert(data.length <= 65_536);
    }
    checkMemory();
  },
}));
