import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Channel } from "../../src/channel/channel.ts";
import { type ChannelsOptions, Channels } from "../../src/channel/channels.ts";
import {
  type ChannelParameters,
  MAX_NAME_BYTES,
  PPID_DCEP,
  parseDcep,
  writeAck,
  writeOpen,
} from "../../src/channel/dcep.ts";
import { DEFAULT_ASSOCIATION_LIMITS } from "../../src/limits.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { DropCounters } from "../../src/wire/drops.ts";
import { fuzzTests } from "./support/fuzz.ts";
import { growthOf } from "./support/memory.ts";
import { checkMemory, converse, SctpSide } from "./support/sctp.ts";
import { bitFlips, extremeBytes, truncations, wrongLengths } from "./support/variants.ts";

const PPIDS = [50, 51, 53, 56, 57];

const parameters: ChannelParameters = {
  label: "data",
  protocol: "proto",
  ordered: false,
  maxRetransmits: 0,
  maxPacketLifeTime: null,
  priority: 256,
};
const open = writeOpen(parameters);
/** Lengths of label and protocol (RFC 8832 §5.1). */
const LENGTHS = [
  { offset: 8, bytes: 2 },
  { offset: 10, bytes: 2 },
] as const;

/** A server's channels on a live association, and the association of a peer that may say anything. */
class Bench {
  readonly drops = new DropCounters();
  readonly channels: Channels;
  readonly server: SctpSide;
  readonly peer: SctpSide;
  readonly messages: (string | Uint8Array)[] = [];
  /** Streams of the messages that reached the peer, in this order. */
  readonly heard: number[] = [];
  opened = 0;
  closed = 0;
  #now = 0;

  constructor(options: Partial<ChannelsOptions> = {}) {
    const { drops } = this;
    this.channels = new Channels(
      { role: "server", limits: DEFAULT_ASSOCIATION_LIMITS, drops, ...options },
      {
        associationEstablished: () => {},
        associationClosed: () => {},
        channelOpened: (channel) => {
          assert.equal(channel.state, "open");
          this.opened++;
        },
        channelMessage: (channel, data) => {
          assert(channel.state !== "closed", "a message on a channel that is closed");
          this.messages.push(data);
        },
        channelClosed: (channel) => {
          assert.equal(channel.state, "closed");
          this.closed++;
        },
      },
    );
    this.server = new SctpSide("server", {}, this.channels);
    this.channels.attach(this.server.association);
    this.peer = new SctpSide("peer", {}, { message: (streamId) => this.heard.push(streamId) });
    this.peer.association.connect(0);
    this.run();
    assert.equal(this.peer.association.state, "established");
  }

  /** The peer sends a message, and both sides talk until they are done. */
  say(streamId: number, ppid: number, data: Uint8Array): void {
    this.peer.association.send(this.#now, { streamId, ppid, data, ordered: true });
    this.run();
  }

  run(): void {
    converse(this.peer, this.server, undefined, this.#now, this.#now + 500);
    this.#now += 500;
    for (const side of [this.peer, this.server]) side.messages.length = 0;
    assert(this.opened - this.closed <= DEFAULT_ASSOCIATION_LIMITS.maxStreams);
  }

  /** A true channel on a stream of its own still opens and echoes. */
  expectWorking(streamId = 1000): void {
    const opened = this.opened;
    this.say(streamId, PPID_DCEP, open);
    assert.equal(this.opened, opened + 1);
    this.say(streamId, 51, new TextEncoder().encode("still here"));
    assert.equal(this.messages.at(-1), "still here");
    assert.equal(this.server.association.state, "established");
  }

  end(): void {
    this.server.association.abort(this.#now);
    assert.equal(this.channels.open.length, 0);
    checkMemory();
  }
}

test("an OPEN is taken; every truncation and every wrong length of it is not", () => {
  expect(parseDcep(open)).toEqual({ kind: "open", channel: parameters });
  for (const cut of truncations(open)) expect(parseDcep(cut), `${cut.length} bytes`).toBeUndefined();
  for (const wrong of wrongLengths(open, LENGTHS)) expect(parseDcep(wrong)).toBeUndefined();
  expect(parseDcep(concatBytes(open, Uint8Array.of(0)))).toBeUndefined();
  expect(parseDcep(Uint8Array.of(2, 0))).toBeUndefined();
});

test("any bytes are a message or none, and what is written is read back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      parseDcep(bytes);
      parseDcep(concatBytes(Uint8Array.of(3), bytes));
    }),
    { numRuns: 20_000, seed: 1 },
  );
  const text = fc.string({ unit: "grapheme", maxLength: 60 });
  const channel = fc.record({
    label: text,
    protocol: text,
    ordered: fc.boolean(),
    priority: fc.nat(0xffff),
    limit: fc.nat(),
  });
  fc.assert(
    fc.property(channel, fc.nat(2), ({ limit, ...rest }, kind) => {
      const written = {
        ...rest,
        maxRetransmits: kind === 1 ? limit : null,
        maxPacketLifeTime: kind === 2 ? limit : null,
      };
      assert.deepEqual(parseDcep(writeOpen(written)), { kind: "open", channel: written });
    }),
    { numRuns: 3_000, seed: 2 },
  );
});

test("malformed, repeated and misplaced DCEP messages cost their own channel at most", () => {
  const bench = new Bench();
  const messages = [...truncations(open), ...wrongLengths(open, LENGTHS), ...extremeBytes(open), ...bitFlips(open)];
  messages.push(writeAck(), Uint8Array.of(2, 2), new Uint8Array(1_000), new Uint8Array(60_000).fill(3));
  let stream = 0;
  for (const message of messages) {
    if (message.length > 0) bench.say(stream++ % 1_000, PPID_DCEP, message);
  }
  bench.say(4, PPID_DCEP, open);
  bench.say(4, PPID_DCEP, open);
  expect(bench.drops.get("dcep-malformed")).toBeGreaterThan(20);
  expect(bench.drops.get("dcep-unexpected")).toBeGreaterThan(0);
  bench.expectWorking();
  bench.end();
});

test("labels and protocols of the largest size are refused, and those at the limit taken", () => {
  const bench = new Bench();
  const named = (bytes: number) => writeOpen({ ...parameters, label: "l".repeat(bytes), protocol: "p".repeat(bytes) });
  bench.say(0, PPID_DCEP, named(MAX_NAME_BYTES));
  expect(bench.opened).toBe(1);
  bench.say(2, PPID_DCEP, named(MAX_NAME_BYTES + 1));
  bench.say(4, PPID_DCEP, named(30_000));
  expect(bench.opened).toBe(1);
  expect(bench.drops.get("channel-limit")).toBe(2);
  bench.expectWorking();
  bench.end();
});

test("whatever priorities a peer gives its channels, none of them takes all, none nothing", () => {
  const bench = new Bench();
  const priorities = [0, 1, 256, 1024, 65_535];
  for (const [i, priority] of priorities.entries()) bench.say(2 * i, PPID_DCEP, writeOpen({ ...parameters, priority }));
  const own = bench.channels.create(0, "own", { negotiated: true, id: 99 });
  bench.heard.length = 0;
  const bytes = new Uint8Array(1_000);
  for (let i = 0; i < 40; i++) for (const channel of bench.channels.open) bench.channels.send(0, channel, bytes);
  for (let i = 0; i < 20; i++) bench.run();
  const streams = [...priorities.keys()].map((i) => 2 * i).concat(own.id);
  expect(bench.heard).toHaveLength(40 * streams.length);
  // Weights of 128, 128, 256, 1024, 1024 and 256 while all have something to send, so a 22nd part at least.
  const whileAllSend = bench.heard.slice(10, 90);
  for (const id of streams) expect(whileAllSend.filter((heard) => heard === id).length).toBeGreaterThanOrEqual(3);
  bench.expectWorking();
  bench.end();
});

test("a thousand channels that all have something to send are served in turn", () => {
  const bench = new Bench();
  const count = 1_000;
  for (let i = 0; i < count; i++)
    bench.peer.association.send(0, { streamId: i, ppid: PPID_DCEP, data: open, ordered: true });
  bench.run();
  expect(bench.opened).toBe(count);
  bench.heard.length = 0;
  const bytes = new Uint8Array(80);
  for (let i = 0; i < 3; i++) for (const channel of bench.channels.open) bench.channels.send(0, channel, bytes);
  for (let i = 0; i < 20; i++) bench.run();
  expect(bench.heard).toHaveLength(3 * count);
  // Those beyond the first window, which left at once.
  for (const round of [1, 2]) expect(new Set(bench.heard.slice(round * count, (round + 1) * count)).size).toBe(count);
  bench.end();
});

test("more channels than allowed are refused, and the ones there are go on", () => {
  const bench = new Bench({ maxChannels: 8 });
  for (let stream = 0; stream < 100; stream += 2) bench.say(stream, PPID_DCEP, open);
  expect(bench.opened).toBe(8);
  expect(bench.drops.get("channel-limit")).toBe(42);
  bench.say(0, 53, Uint8Array.of(1));
  expect(bench.messages).toEqual([Uint8Array.of(1)]);
  bench.end();
});

test("messages of every payload identifier on streams that were never opened are dropped", () => {
  const bench = new Bench();
  for (const ppid of [0, ...PPIDS, 52, 54, 55, 58, 0xffff_ffff]) {
    for (const stream of [0, 1, 500, 1_023]) bench.say(stream, ppid, Uint8Array.of(1, 2, 3));
  }
  expect(bench.messages).toEqual([]);
  expect(bench.opened).toBe(0);
  bench.expectWorking();
  bench.end();
});

test("text that is not UTF-8 is dropped and counted", () => {
  const bench = new Bench();
  bench.say(0, PPID_DCEP, open);
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82]]) {
    bench.say(0, 51, Uint8Array.from(bytes));
  }
  expect(bench.messages).toEqual([]);
  expect(bench.drops.get("message-invalid-text")).toBe(5);
  bench.expectWorking();
  bench.end();
});

test("a channel opened and reset 8,000 times leaves nothing behind", () => {
  const bench = new Bench();
  const cycle = (count: number) => {
    for (let i = 0; i < count; i++) {
      bench.say(2, PPID_DCEP, open);
      bench.peer.association.resetStreams(0, [2]);
      bench.run();
    }
  };
  // Compiled code and what it has learnt take up to 1 MB, which is no leak.
  cycle(2_000);
  expect(growthOf(() => cycle(6_000))).toBeLessThan(500_000);
  expect(bench.opened).toBe(8_000);
  expect(bench.closed).toBe(8_000);
  bench.expectWorking();
  bench.end();
});

fuzzTests(() => {
  let bench = new Bench();
  let inputs = 0;
  return {
    name: "dcep",
    recorded: [
      open,
      writeAck(),
      writeOpen({ ...parameters, label: "", protocol: "" }),
      new TextEncoder().encode("text"),
    ],
    iterations: 200_000,
    run(input, random) {
      parseDcep(input);
      if (input.length === 0 || input.length > 60_000) return;
      if (++inputs % 100 === 0) {
        bench.end();
        bench = new Bench();
      }
      const stream = random.below(8);
      bench.say(stream, random.chance(0.7) ? PPID_DCEP : PPIDS[random.below(PPIDS.length)], input);
      const channel: Channel | undefined = bench.channels.first;
      if (channel !== undefined) bench.channels.send(0, channel, input);
      if (random.chance(0.1)) bench.peer.association.resetStreams(0, [random.below(8)]);
      if (random.chance(0.05) && channel !== undefined) bench.channels.close(0, channel);
    },
    settle() {
      bench.end();
      bench = new Bench();
      bench.expectWorking();
    },
  };
});
