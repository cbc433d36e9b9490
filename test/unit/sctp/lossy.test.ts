import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Received, seededRandom } from "./support.ts";
import { Wire, type WireConditions } from "./wire.ts";

const PPID = 53;

/** A message that says which it is. */
function numbered(index: number, length: number): Uint8Array {
  const data = Uint8Array.from({ length: Math.max(4, length) }, (_, i) => index + i);
  new DataView(data.buffer).setUint32(0, index);
  return data;
}

function numbers(messages: readonly Received[], streamId: number): number[] {
  const own = messages.filter((message) => message.streamId === streamId);
  return own.map(({ data }) => {
    const index = new DataView(data.buffer).getUint32(0);
    const isWhole = data.every((byte, i) => i < 4 || byte === ((index + i) & 0xff));
    return isWhole ? index : -1;
  });
}

function connected(conditions: WireConditions, initialTsn?: number, interleaving = true): Wire {
  const options = { interleaving, ...(initialTsn !== undefined && { initialTsn }) };
  const wire = new Wire(conditions, [options, options]);
  wire.parties[0].association.connect(0);
  if (!wire.run(60_000, () => wire.parties.every((party) => party.isEstablished))) throw new Error("not established");
  return wire;
}

const RELIABLE_ORDERED = { streamId: 1, ordered: true };
const RELIABLE = { streamId: 2 };
const ORDERED = { streamId: 3, ordered: true, maxRetransmits: 0 };
const UNRELIABLE = { streamId: 4, maxRetransmits: 0 };
const TIMED = { streamId: 5, lifetimeMs: 150 };
const KINDS = [RELIABLE_ORDERED, RELIABLE, ORDERED, UNRELIABLE, TIMED];

describe("over a line that loses, delays, repeats and reorders", () => {
  const conditions = fc.record({
    seed: fc.integer({ min: 1, max: 1_000_000 }),
    loss: fc.constantFrom(0, 0.01, 0.1, 0.25),
    delayMs: fc.constantFrom(0, 10, 100),
    jitterMs: fc.constantFrom(0, 5, 60),
    duplication: fc.constantFrom(0, 0.1),
  });

  it("no message comes twice or damaged, reliable ones all come, ordered ones in order", () => {
    fc.assert(
      fc.property(conditions, (line) => {
        const wire = connected(line, line.seed % 2 === 0 ? 0xffffffc0 : undefined, line.seed % 3 > 0);
        const random = seededRandom(line.seed + 7);
        for (let index = 0; index < 60; index++) {
          for (const kind of KINDS) {
            for (const from of [0, 1] as const) {
              const length = random() < 0.1 ? random() * 6000 : random() * 300;
              wire.send(from, { ppid: PPID, data: numbered(index, Math.floor(length)), ...kind });
            }
          }
          wire.run(wire.now + 16);
        }
        const all = Array.from({ length: 60 }, (_, index) => index);
        const isDone = () =>
          wire.parties.every(({ messages }) => [1, 2].every((streamId) => numbers(messages, streamId).length >= 60));
        expect(wire.run(wire.now + 120_000, isDone)).toBe(true);
        wire.loss = 0;
        wire.run(wire.now + 10_000);
        for (const party of wire.parties) {
          for (const { streamId } of KINDS) {
            const seen = numbers(party.messages, streamId);
            expect(seen).not.toContain(-1);
            expect(new Set(seen).size).toBe(seen.length);
            if (streamId === 1 || streamId === 3) expect(seen).toEqual([...seen].sort((a, b) => a - b));
            if (streamId <= 2) expect([...seen].sort((a, b) => a - b)).toEqual(all);
            // With a round trip of 200 ms, the window may let a message leave when its 150 ms are over.
            const isInTime = streamId !== TIMED.streamId || line.delayMs < 100;
            if (line.loss === 0 && line.jitterMs <= 5 && isInTime) expect(seen, `${streamId}`).toHaveLength(60);
          }
          expect(party.closedBecause).toBeUndefined();
          expect(party.association.stats).toMatchObject({ flightBytes: 0, queuedBytes: 0 });
          expect(party.association.nextDeadline).toBe(Number.POSITIVE_INFINITY);
        }
      }),
      { seed: 20_261, numRuns: 40 },
    );
  });
});

describe("loss of packets is loss of messages", () => {
  it.each([
    [0.02, 100, 100],
    [0.05, 25, 100],
    [0.1, 50, 100],
    [0.2, 100, 100],
    [0.2, 100, 1000],
    [0.3, 100, 100],
  ])("at %d loss, %d ms each way, %d bytes at 60 Hz both ways", (loss, delayMs, bytes) => {
    const wire = connected({ seed: 1 + bytes, delayMs });
    wire.loss = loss;
    const count = 3000;
    const before = [...wire.carried];
    for (let index = 0; index < count; index++) {
      for (const from of [0, 1] as const) wire.send(from, { ppid: PPID, data: numbered(index, bytes), ...UNRELIABLE });
      wire.run(wire.now + 1000 / 60);
    }
    wire.loss = 0;
    wire.run(wire.now + 5000);
    for (const [from, party] of [
      [0, wire.parties[1]],
      [1, wire.parties[0]],
    ] as const) {
      const seen = numbers(party.messages, UNRELIABLE.streamId);
      const lineLoss = wire.lost[from] / (wire.carried[from] - before[from]);
      const messageLoss = 1 - seen.length / count;
      expect(new Set(seen).size).toBe(seen.length);
      // Packets without messages are lost as well: chance makes the two shares differ by about this much.
      const chance = 3 * Math.sqrt((loss * (1 - loss)) / count);
      expect(Math.abs(messageLoss - lineLoss), `${messageLoss} of ${lineLoss}`).toBeLessThan(chance + 0.002);
    }
    expect(wire.parties[0].association.stats.queuedBytes).toBe(0);
  });

  it("and an ordered flow loses no more than that either", () => {
    const wire = connected({ seed: 5, delayMs: 50 });
    wire.loss = 0.1;
    for (let index = 0; index < 2000; index++) {
      wire.send(0, { ppid: PPID, data: numbered(index, 100), ...ORDERED });
      wire.run(wire.now + 1000 / 60);
    }
    wire.loss = 0;
    wire.send(0, { ppid: PPID, data: numbered(2000, 100), ...ORDERED });
    wire.run(wire.now + 5000);
    const seen = numbers(wire.parties[1].messages, ORDERED.streamId);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.length).toBeGreaterThan(2000 * (1 - 0.1 - 0.025));
    expect(seen.at(-1)).toBe(2000);
  });
});

describe("after an outage", () => {
  it("of five seconds, messages flow again within two, unreliable and reliable", () => {
    const wire = connected({ seed: 3, delayMs: 30 });
    const sendBoth = (index: number) => {
      wire.send(0, { ppid: PPID, data: numbered(index, 100), ...UNRELIABLE });
      wire.send(0, { ppid: PPID, data: numbered(index, 100), ...RELIABLE_ORDERED });
      wire.run(wire.now + 50);
    };
    for (let index = 0; index < 20; index++) sendBoth(index);
    wire.loss = 1;
    for (let index = 20; index < 120; index++) sendBoth(index);
    wire.loss = 0;
    const [, other] = wire.parties;
    const before = numbers(other.messages, 4).length;
    for (let index = 120; index < 160; index++) sendBoth(index);
    expect(numbers(other.messages, 4).length).toBeGreaterThan(before + 30);
    wire.run(wire.now + 3000);
    expect(numbers(other.messages, 1)).toEqual(Array.from({ length: 160 }, (_, index) => index));
  });
});

describe("a bulk transfer", () => {
  it("of a megabyte arrives in order at 5 % loss, and unreliable messages beside it keep flowing", () => {
    const wire = connected({ seed: 11, delayMs: 15 });
    wire.loss = 0.05;
    const total = 64;
    let sent = 0;
    let flow = 0;
    const [sender, receiver] = wire.parties;
    while (numbers(receiver.messages, 1).length < total) {
      while (sent < total) {
        const result = sender.association.send(wire.now, {
          ppid: PPID,
          data: numbered(sent, 16_000),
          ...RELIABLE_ORDERED,
        });
        if (result === "queue-full") break;
        sent++;
      }
      wire.send(0, { ppid: PPID, data: numbered(flow++, 100), ...UNRELIABLE });
      wire.run(wire.now + 1000 / 60);
      if (wire.now > 300_000) break;
    }
    expect(numbers(receiver.messages, 1)).toEqual(Array.from({ length: total }, (_, index) => index));
    const arrived = numbers(receiver.messages, 4).length / flow;
    expect(arrived).toBeGreaterThan(0.85);
  });
});

it("a ping-pong takes two packets a round, SACKs and all", () => {
  const wire = connected({ seed: 2, delayMs: 10 });
  const [a, b] = wire.parties;
  b.onMessage = ({ data }) => b.association.send(wire.now, { ppid: PPID, data, ...UNRELIABLE });
  a.onMessage = ({ data }) => {
    if (a.messages.length < 100) a.association.send(wire.now, { ppid: PPID, data, ...UNRELIABLE });
  };
  const before = wire.carried[0] + wire.carried[1];
  wire.send(0, { ppid: PPID, data: numbered(1, 100), ...UNRELIABLE });
  wire.run(wire.now + 20 * 101);
  expect(a.messages).toHaveLength(100);
  expect(wire.carried[0] + wire.carried[1] - before).toBeLessThanOrEqual(201);
});
