import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryLedger } from "../../../src/wire/memory-ledger.ts";
import {
  bytesOf,
  data,
  type Established,
  establishedParty,
  LIMITS,
  packet,
  sack,
  seededRandom,
  type SeenChunk,
} from "./support.ts";
import { Wire } from "./wire.ts";

const MAX_BYTES = 200_000;
const LEDGER = {
  maxMemoryBytes: 400_000,
  maxMemoryBytesPerConnection: MAX_BYTES,
  maxConnections: 4,
  maxConnectionsPerAddress: 4,
};

function account(limits: Partial<typeof LEDGER> = {}) {
  return new MemoryLedger<string>({ ...LEDGER, ...limits }).open(["192.0.2.1"], "it");
}

/** The number of the last DATA chunk among these, from the first that was ever sent; what it was before where there is none. */
function lastSent(at: Established, chunks: readonly SeenChunk[], before: number): number {
  return chunks.reduce((last, { name, tsn }) => (name === "DATA" ? Math.max(last, tsn - at.localTsn) : last), before);
}

describe("the memory of an association", () => {
  it("is as it was before, once everything is acknowledged, and nothing once it has ended", () => {
    const conditions = fc.record({ seed: fc.integer({ min: 1, max: 1_000_000 }), loss: fc.constantFrom(0, 0.1, 0.25) });
    fc.assert(
      fc.property(conditions, ({ seed, loss }) => {
        const memories = [account(), account()] as const;
        const line = { seed, loss, delayMs: 20, jitterMs: 20, duplication: 0.1 };
        const wire = new Wire(line, [{ memory: memories[0] }, { memory: memories[1] }]);
        wire.parties[0].association.connect(0);
        wire.run(60_000, () => wire.parties.every((party) => party.isEstablished));
        const random = seededRandom(seed);
        const kinds = [
          { ordered: true },
          {},
          { maxRetransmits: 0 },
          { lifetimeMs: 100 },
          { maxRetransmits: 1, ordered: true },
        ];
        for (let i = 0; i < 200; i++) {
          const length = 1 + Math.floor(random() * (random() < 0.2 ? 20_000 : 300));
          const kind = kinds[i % kinds.length];
          wire.send(i % 2 === 0 ? 0 : 1, { streamId: i % kinds.length, ppid: 53, data: bytesOf(length), ...kind });
          if (random() < 0.5) wire.run(wire.now + 5);
        }
        expect(memories[0].bytes).toBeGreaterThan(0);
        wire.run(wire.now + 60_000);
        // Streams are remembered, and a small ring.
        for (const { bytes } of memories) expect(bytes).toBeLessThan(15_000);
        for (const { association } of wire.parties) association.abort(wire.now);
        expect(memories.map(({ bytes }) => bytes)).toEqual([0, 0]);
      }),
      { numRuns: 15, seed: 12 },
    );
  });

  it("is given back when the association ends in the middle of everything", () => {
    const memory = account();
    const at = establishedParty({ memory });
    for (let i = 0; i < 20; i++) {
      at.party.association.send(0, { streamId: i % 3, ppid: 53, data: bytesOf(3_000), ordered: i % 2 === 0 });
    }
    at.party.handle(
      0,
      packet(at.tag, data({ tsn: at.peerTsn + 1, flags: 2 }), data({ tsn: at.peerTsn + 3, flags: 3, ssn: 4 })),
    );
    expect(memory.bytes).toBeGreaterThan(60_000);
    at.party.association.abort(0);
    expect(memory.bytes).toBe(0);
  });

  it("bounds what is sent: a reliable message is refused, an unreliable one makes room by the oldest of its kind", () => {
    const memory = account({ maxMemoryBytes: 40_000, maxMemoryBytesPerConnection: 40_000, maxConnections: 1 });
    const at = establishedParty({ memory, peerWindow: 0 });
    const send = (options: object) =>
      at.party.association.send(0, { streamId: 0, ppid: 53, data: bytesOf(5_000), ...options });
    for (let i = 0; i < 3; i++) expect(send({})).toBe("queued");
    for (let i = 0; i < 20; i++) expect(send({ streamId: 1, maxRetransmits: 0 })).toBe("queued");
    expect(at.party.association.stats.droppedMessages).toBeGreaterThan(10);
    expect(send({})).toBe("queue-full");
    expect(memory.bytes).toBeLessThanOrEqual(40_000);
  });

  it("bounds what waits for a missing chunk, and takes the missing one whatever there is", () => {
    const memory = account({ maxMemoryBytes: 20_000, maxMemoryBytesPerConnection: 20_000, maxConnections: 1 });
    const at = establishedParty({ memory });
    const ordered = (tsn: number, ssn: number) => data({ tsn, ssn, flags: 3, data: bytesOf(1_000) });
    for (let i = 1; i <= 30; i++) at.party.handle(i, packet(at.tag, ordered(at.peerTsn + i, i)));
    expect(memory.bytes).toBeLessThanOrEqual(20_000);
    expect(at.party.drops.get("sctp-reassembly-limit")).toBeGreaterThan(10);
    at.party.handle(40, packet(at.tag, ordered(at.peerTsn, 0)));
    expect(at.party.messages.length).toBeGreaterThan(10);
    expect(memory.bytes).toBeLessThan(200);
  });

  it("counts a stream of its own for each ordered message, until it is reset or the association ends", () => {
    const memory = account();
    const at = establishedParty({ memory });
    for (let i = 0; i < 100; i++)
      at.party.handle(i, packet(at.tag, data({ tsn: at.peerTsn + i, flags: 3, streamId: i })));
    expect(memory.bytes).toBeGreaterThanOrEqual(100 * 80);
    at.party.association.abort(0);
    expect(memory.bytes).toBe(0);
  });
});

describe("a peer that leaves a chunk unacknowledged", () => {
  /** Sends as much as may be, and asks the peer for a SACK each `stepMs`, until the end. Returns when that was, ms. */
  function play(
    at: Established,
    stepMs: number,
    answer: (last: number, now: number) => Uint8Array | undefined,
  ): number {
    let last = -1;
    for (let now = 0; now <= 150_000; now += stepMs) {
      while (at.party.association.send(now, { streamId: 0, ppid: 53, data: bytesOf(900) }) !== "queue-full");
      while (at.party.association.nextDeadline <= now) at.party.association.handleTimeout(now);
      last = lastSent(at, at.party.flush(now), last);
      const bytes = answer(last, now);
      if (bytes !== undefined) at.party.handle(now, bytes);
      if (at.party.closedBecause !== undefined) return now;
    }
    return Number.POSITIVE_INFINITY;
  }

  it("is ended after 30 to 60 s, whatever else it acknowledges; until then its memory is bounded", () => {
    const scene = fc.record({ seed: fc.integer({ min: 1, max: 1_000_000 }), stepMs: fc.constantFrom(20, 150, 400) });
    fc.assert(
      fc.property(scene, ({ seed, stepMs }) => {
        const memory = account();
        const random = seededRandom(seed);
        const at = establishedParty({ memory });
        const end = play(at, stepMs, (last) => {
          // Blocks beyond the first chunk: all, or as luck has it.
          const gaps: [number, number][] = [];
          for (let from = 1; from <= last; ) {
            const to = Math.min(last, from + Math.floor(random() * 200));
            if (gaps.length < 200 && random() < 0.9) gaps.push([from + 1, to + 1]);
            from = to + 2;
          }
          expect(memory.bytes).toBeLessThanOrEqual(MAX_BYTES + 60_000);
          return packet(at.tag, sack(at.localTsn - 1, 1_000_000, gaps));
        });
        expect(end).toBeGreaterThanOrEqual(30_000);
        expect(end).toBeLessThanOrEqual(63_000);
        expect(at.party.closedBecause).toBe("timeout");
        expect(memory.bytes).toBe(0);
      }),
      { numRuns: 12, seed: 12 },
    );
  });

  it("is ended where it acknowledges one chunk at a time, often enough for no time-out, and so holds a thousand for minutes", () => {
    const at = establishedParty({
      memory: account({ maxMemoryBytes: 16_000_000, maxMemoryBytesPerConnection: 4_000_000 }),
    });
    let cumulative = -1;
    const end = play(at, 100, (last) => {
      if (last > 1_000) cumulative++;
      const others: [number, number][] = last > cumulative + 1 ? [[2, last - cumulative]] : [];
      return packet(at.tag, sack(at.localTsn + cumulative, 1_000_000, others));
    });
    expect(cumulative).toBeGreaterThan(100);
    expect(end).toBeLessThanOrEqual(70_000);
  });

  it("is not ended where it is only slow, though more than a hundred chunks are on their way for seconds", () => {
    const at = establishedParty({ memory: account(), rto: { initialMs: 15_000, minMs: 15_000, maxMs: 15_000 } });
    let cumulative = -1;
    let most = 0;
    const end = play(at, 50, (last) => {
      most = Math.max(most, last - cumulative);
      cumulative = Math.min(last, cumulative + 1);
      return packet(at.tag, sack(at.localTsn + cumulative));
    });
    expect(end).toBe(Number.POSITIVE_INFINITY);
    expect(at.party.association.state).toBe("established");
    expect(most).toBeGreaterThan(100);
  });
});

it("what is counted for a message is at least its data, whatever limits an association has", () => {
  const memory = account();
  const at = establishedParty({ memory, limits: { ...LIMITS, maxQueuedBytes: 1_000_000 } });
  for (let i = 1; i <= 30; i++) {
    at.party.association.send(0, { streamId: 0, ppid: 53, data: bytesOf(1_000) });
    expect(memory.bytes).toBeGreaterThan(i * 1_000);
  }
});
