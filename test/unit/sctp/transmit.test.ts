import { describe, expect, it } from "vitest";
import {
  bytesOf,
  chunksOf,
  type Established,
  establishedParty,
  LIMITS,
  namesOf,
  packet,
  PACKET_BYTES,
  sack,
  type SeenChunk,
} from "./support.ts";
import type { OutgoingMessage, SendResult } from "../../../src/sctp/association.ts";

const RELIABLE = {};
const UNRELIABLE = { maxRetransmits: 0 };

function send(
  at: Established,
  now: number,
  length: number,
  options: Partial<OutgoingMessage> = UNRELIABLE,
): SendResult {
  return at.party.association.send(now, { streamId: 0, ppid: 53, data: bytesOf(length), ...options });
}

/** Sends a message of 100 bytes each `stepMs`, flushed each for itself. */
function sendEach(
  at: Established,
  from: number,
  count: number,
  stepMs: number,
  options: Partial<OutgoingMessage> = UNRELIABLE,
): void {
  for (let i = 0; i < count; i++) {
    send(at, from + i * stepMs, 100, options);
    at.party.association.flush(from + i * stepMs);
  }
}

function acknowledge(
  at: Established,
  now: number,
  cumulative: number,
  gaps: readonly [number, number][] = [],
): SeenChunk[] {
  at.party.handle(now, packet(at.tag, sack(cumulative, 1_000_000, gaps)));
  return at.party.flush(now);
}

function tsnsOf(chunks: readonly SeenChunk[]): number[] {
  return chunks.filter(({ name }) => name === "DATA").map(({ tsn }) => tsn);
}

describe("sending", () => {
  it("puts the messages of one turn into one packet, and nothing leaves before the flush", () => {
    const at = establishedParty();
    for (let i = 0; i < 5; i++) expect(send(at, 0, 100 + i)).toBe("sent");
    expect(at.party.sent).toHaveLength(0);
    at.party.association.flush(0);
    const packets = at.party.take();
    expect(packets.map(namesOf)).toEqual([["DATA", "DATA", "DATA", "DATA", "DATA"]]);
    expect(
      chunksOf(packets[0]).map(({ tsn, flags, streamId, ssn, ppid, data }) => [
        tsn,
        flags,
        streamId,
        ssn,
        ppid,
        data.length,
      ]),
    ).toEqual([0, 1, 2, 3, 4].map((i) => [5000 + i, 7, 0, 0, 53, 100 + i]));
  });

  it("fills packets to the last four bytes and never beyond the limit", () => {
    for (const length of [1, 2, 3, 4, 5, 500, 563, 564, 565, 1129, 1130, 1131, 1132]) {
      const at = establishedParty();
      for (let i = 0; i < 4; i++) expect(send(at, 0, length)).toBe("sent");
      at.party.association.flush(0);
      const packets = at.party.take();
      for (const bytes of packets) {
        expect(bytes.length).toBeLessThanOrEqual(PACKET_BYTES);
        expect(bytes.length % 4).toBe(0);
      }
      expect(packets.flatMap(chunksOf).map((chunk) => chunk.data.length)).toEqual([length, length, length, length]);
    }
  });

  it("cuts a message only where it fits into no packet", () => {
    const at = establishedParty();
    send(at, 0, 1132);
    send(at, 0, 1133);
    at.party.association.flush(0);
    expect(at.party.takeChunks().map(({ flags, data }) => [flags, data.length])).toEqual([
      [7, 1132],
      [6, 1132],
      [5, 1],
    ]);
  });

  it("copies what it sends", () => {
    const at = establishedParty();
    const bytes = bytesOf(10, 1);
    at.party.association.send(0, { streamId: 0, ppid: 53, data: bytes });
    bytes.fill(9);
    expect([...at.party.flush(0)[0].data]).toEqual(new Array(10).fill(1));
    at.party.association.handleTimeout(400);
    expect([...at.party.takeChunks()[0].data]).toEqual(new Array(10).fill(1));
  });

  it("numbers ordered messages in each stream, and unordered ones not at all", () => {
    const at = establishedParty();
    for (const [streamId, ordered] of [
      [1, true],
      [1, true],
      [2, true],
      [1, false],
      [1, true],
    ] as const) {
      send(at, 0, 10, { streamId, ordered });
    }
    expect(at.party.flush(0).map(({ streamId, ssn, flags }) => [streamId, ssn, flags & 4])).toEqual([
      [1, 0, 0],
      [1, 1, 0],
      [2, 0, 0],
      [1, 0, 4],
      [1, 2, 0],
    ]);
  });

  it("counts TSNs across the wrap-around", () => {
    const at = establishedParty({ initialTsn: 0xffffffff });
    for (let i = 0; i < 3; i++) send(at, 0, 10, RELIABLE);
    expect(tsnsOf(at.party.flush(0))).toEqual([0xffffffff, 0, 1]);
    expect(tsnsOf(acknowledge(at, 50, 0xffffffff, [[2, 2]]))).toEqual([]);
    at.party.association.handleTimeout(50 + 1000);
    expect(tsnsOf(at.party.takeChunks())).toEqual([0]);
    acknowledge(at, 1100, 1);
    expect(at.party.association.stats.flightBytes).toBe(0);
  });

  it("refuses what is too large, empty, or on a stream that does not exist", () => {
    const at = establishedParty({ peerStreams: 4 });
    expect(send(at, 0, LIMITS.maxMessageBytes + 1)).toBe("too-large");
    expect(() => send(at, 0, 0)).toThrow(new RangeError("data must have 1 byte or more"));
    expect(send(at, 0, 1, { streamId: 4 })).toBe("closed");
    expect(send(at, 0, 1, { streamId: -1 })).toBe("closed");
    expect(at.party.association.maxMessageBytes).toBe(65_536);
    expect(establishedParty({ remoteMaxMessageBytes: 1200 }).party.association.maxMessageBytes).toBe(1200);
    expect(establishedParty({ remoteMaxMessageBytes: 0 }).party.association.maxMessageBytes).toBe(65_536);
  });
});

describe("the window", () => {
  it("holds back what exceeds it, and sends it as SACKs open it", () => {
    const at = establishedParty();
    const results = Array.from({ length: 14 }, () => send(at, 0, 1132, RELIABLE));
    expect(results.filter((result) => result === "sent")).toHaveLength(10);
    expect(results.slice(10)).toEqual(["queued", "queued", "queued", "queued"]);
    expect(tsnsOf(at.party.flush(0))).toHaveLength(10);
    expect(tsnsOf(acknowledge(at, 50, 5001))).toEqual([5010, 5011, 5012]);
    expect(tsnsOf(acknowledge(at, 60, 5003))).toEqual([5013]);
  });

  it("asks for a SACK at once where it is full and small, and not where SACKs come by themselves", () => {
    const at = establishedParty();
    const asks = (chunks: readonly SeenChunk[]) =>
      chunks.filter(({ name }) => name === "DATA").map(({ flags }) => flags & 8);
    send(at, 0, 100, RELIABLE);
    at.party.flush(0);
    acknowledge(at, 50, 5000);
    for (let i = 0; i < 20; i++) send(at, 60, 1132, RELIABLE);
    expect(asks(at.party.flush(60))).toEqual(new Array(10).fill(0));
    at.party.association.handleTimeout(at.party.association.nextDeadline);
    at.party.association.handleTimeout(at.party.association.nextDeadline);
    at.party.take();
    expect(asks(acknowledge(at, 700, 5010)).at(-1)).toBe(8);
  });

  it("asks for a SACK at once for a reliable message after a silence: no second packet would release it", () => {
    const at = establishedParty();
    const asks = (now: number, options: Partial<OutgoingMessage>) => {
      send(at, now, 100, options);
      return at.party.flush(now)[0].flags & 8;
    };
    expect(asks(0, RELIABLE)).toBe(8);
    expect(asks(10, RELIABLE)).toBe(0);
    acknowledge(at, 50, 5001);
    expect(asks(100, RELIABLE)).toBe(0);
    acknowledge(at, 150, 5002);
    expect([asks(400, UNRELIABLE), asks(410, RELIABLE)]).toEqual([0, 0]);
  });

  it("is the peer's where that is smaller, and one chunk may always probe it", () => {
    const at = establishedParty({ peerWindow: 250 });
    expect([send(at, 0, 100), send(at, 0, 100), send(at, 0, 100)]).toEqual(["sent", "sent", "queued"]);
    at.party.association.flush(0);
    at.party.take();
    at.party.handle(10, packet(at.tag, sack(5001, 0)));
    expect(tsnsOf(at.party.flush(10))).toEqual([5002]);
    send(at, 11, 100);
    expect(tsnsOf(at.party.flush(11))).toEqual([]);
    at.party.handle(12, packet(at.tag, sack(5002, 5000)));
    expect(tsnsOf(at.party.flush(12))).toEqual([5003]);
  });

  it("never keeps an unreliable message waiting without bound: the oldest are dropped and counted", () => {
    const at = establishedParty({ limits: { ...LIMITS, maxQueuedBytes: 5000 } });
    for (let i = 0; i < 12; i++) send(at, 0, 1000);
    for (let i = 0; i < 12; i++) expect(send(at, 0, 1000)).toBe("queued");
    expect(at.party.association.stats).toMatchObject({ queuedBytes: 5000, droppedMessages: 7 });
    expect(Array.from({ length: 6 }, () => send(at, 0, 1000, RELIABLE))).toEqual([
      ...new Array(5).fill("queued"),
      "queue-full",
    ]);
  });

  it("is the RFC's for reliable messages, and what is left of sixteen packets for unreliable ones", () => {
    const at = establishedParty();
    for (let i = 0; i < 10; i++) send(at, 0, 1132, RELIABLE);
    at.party.flush(0);
    for (let miss = 2; miss <= 4; miss++) acknowledge(at, 100 + miss, 4999, [[2, miss]]);
    acknowledge(at, 110, 5009);
    expect(at.party.association.stats).toMatchObject({ congestionWindowBytes: 6 * 1132, flightBytes: 0 });
    const results = (options: Partial<OutgoingMessage>) =>
      Array.from({ length: 20 }, () => send(at, 120, 1132, options));
    expect(results(RELIABLE).filter((result) => result === "sent")).toHaveLength(6);
    expect(results({ ...UNRELIABLE, streamId: 1 }).filter((result) => result === "sent")).toHaveLength(10);
    expect(at.party.association.stats.flightBytes).toBe(16 * 1132);
  });

  it("sends unreliable messages before the reliable ones that wait", () => {
    const at = establishedParty();
    for (let i = 0; i < 20; i++) send(at, 0, 1132, { streamId: 1 });
    send(at, 0, 50, { streamId: 2, maxRetransmits: 0 });
    at.party.association.flush(0);
    at.party.take();
    expect(
      acknowledge(at, 20, 5000)
        .map(({ streamId }) => streamId)
        .slice(0, 2),
    ).toEqual([2, 1]);
  });

  it("grows to send more per round trip while it is the limit", () => {
    const at = establishedParty();
    for (let i = 0; i < 60; i++) send(at, 0, 1132, RELIABLE);
    at.party.association.flush(0);
    at.party.take();
    let acked = 4999;
    const flights: number[] = [];
    for (let round = 1; round <= 3; round++) {
      let sent = 0;
      const flight = at.party.association.stats.flightBytes / 1132;
      for (let i = 0; i < flight; i += 2) {
        acked += 2;
        sent += tsnsOf(acknowledge(at, round * 50 + i, acked)).length;
      }
      flights.push(sent);
    }
    expect(flights).toEqual([15, 24, 11]);
  });
});

describe("a lost reliable message", () => {
  it("is sent again at the third miss indication, once", () => {
    const at = establishedParty();
    sendEach(at, 0, 6, 0, RELIABLE);
    at.party.take();
    expect(tsnsOf(acknowledge(at, 60, 5000, [[2, 2]]))).toEqual([]);
    expect(tsnsOf(acknowledge(at, 61, 5000, [[2, 3]]))).toEqual([]);
    const again = acknowledge(at, 62, 5000, [[2, 4]]);
    expect(tsnsOf(again)).toEqual([5001]);
    expect(again[0].flags & 8).toBe(8);
    expect(tsnsOf(acknowledge(at, 63, 5000, [[2, 5]]))).toEqual([]);
    expect(at.party.association.stats.retransmissions).toBe(1);
    acknowledge(at, 100, 5005);
    expect(at.party.association.stats.flightBytes).toBe(0);
  });

  it("sent again gives the timer a new start where it is the earliest", () => {
    const at = establishedParty();
    sendEach(at, 0, 6, 0, RELIABLE);
    const t3 = () => {
      for (let now = 65; ; now++) if (at.party.association.timersDue(now).includes("t3-rtx")) return now;
    };
    for (const end of [2, 3]) acknowledge(at, 60 + end, 4999, [[2, end]]);
    expect(t3()).toBe(400);
    expect(tsnsOf(acknowledge(at, 64, 4999, [[2, 4]]))).toContain(5000);
    expect(t3()).toBe(64 + 400);
  });

  it("is sent again when the timer fires, with double the time until the next", () => {
    const at = establishedParty();
    send(at, 0, 100, RELIABLE);
    at.party.association.flush(0);
    at.party.take();
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      const now = at.party.association.nextDeadline;
      times.push(now);
      at.party.association.handleTimeout(now);
      expect(tsnsOf(at.party.takeChunks())).toEqual([5000]);
    }
    expect(times).toEqual([400, 1200, 2800, 4800]);
  });

  it("ends the association after ten time-outs in a row, and not before", () => {
    const at = establishedParty();
    send(at, 0, 100, RELIABLE);
    at.party.association.flush(0);
    for (let i = 0; i < 10; i++) at.party.association.handleTimeout(at.party.association.nextDeadline);
    acknowledge(at, 20_000, 5000);
    send(at, 20_000, 100, RELIABLE);
    at.party.association.flush(20_000);
    for (let i = 0; i < 10; i++) at.party.association.handleTimeout(at.party.association.nextDeadline);
    expect(at.party.closedBecause).toBeUndefined();
    at.party.association.handleTimeout(at.party.association.nextDeadline);
    expect(at.party.closedBecause).toBe("timeout");
    expect(at.party.association.send(99_999, { streamId: 0, ppid: 53, data: bytesOf(1) })).toBe("closed");
  });

  it("goes out before anything new", () => {
    const at = establishedParty();
    for (let i = 0; i < 12; i++) send(at, 0, 1132, RELIABLE);
    at.party.association.flush(0);
    at.party.take();
    at.party.association.handleTimeout(400);
    expect(tsnsOf(at.party.takeChunks())).toEqual([5000]);
    expect(tsnsOf(acknowledge(at, 450, 5000))).toEqual([5001, 5002]);
  });

  it("is kept until the cumulative point covers it, because a peer may take a gap block back", () => {
    const at = establishedParty();
    sendEach(at, 0, 3, 0, RELIABLE);
    at.party.take();
    acknowledge(at, 50, 4999, [[2, 3]]);
    expect(at.party.association.stats.flightBytes).toBe(100);
    acknowledge(at, 60, 5000);
    expect(at.party.association.stats.flightBytes).toBe(100);
    at.party.association.handleTimeout(at.party.association.nextDeadline);
    expect(tsnsOf(at.party.takeChunks())).toEqual([5001]);
    acknowledge(at, 500, 5001);
    expect(at.party.association.stats.flightBytes).toBe(100);
    at.party.association.handleTimeout(at.party.association.nextDeadline);
    expect(tsnsOf(at.party.takeChunks())).toEqual([5002]);
  });

  it("may be limited to a number of retransmissions or to a time", () => {
    const at = establishedParty();
    send(at, 0, 100, { maxRetransmits: 2 });
    send(at, 0, 100, { lifetimeMs: 1000 });
    at.party.association.flush(0);
    at.party.take();
    const seen: string[] = [];
    for (let i = 0; i < 4; i++) {
      const now = at.party.association.nextDeadline;
      at.party.association.handleTimeout(now);
      seen.push(
        at.party
          .takeChunks()
          .map(({ name, tsn }) => `${name} ${tsn}`)
          .join(),
      );
    }
    expect(seen).toEqual(["DATA 5000,DATA 5001", "DATA 5000", "FORWARD TSN 5001", "FORWARD TSN 5001"]);
    expect(at.party.association.stats.abandonedMessages).toBe(2);
  });

  it("is sent again for ever where the peer knows no FORWARD TSN", () => {
    const at = establishedParty({ forwardTsn: false });
    send(at, 0, 100, UNRELIABLE);
    at.party.association.flush(0);
    at.party.take();
    at.party.association.handleTimeout(400);
    expect(tsnsOf(at.party.takeChunks())).toEqual([5000]);
  });
});

describe("a SACK", () => {
  it("older than the last, or beyond what was sent, is dropped", () => {
    const at = establishedParty();
    sendEach(at, 0, 4, 16, RELIABLE);
    acknowledge(at, 50, 5002);
    acknowledge(at, 51, 5000);
    acknowledge(at, 52, 5005);
    expect(at.party.association.stats.flightBytes).toBe(100);
    acknowledge(at, 53, 5003);
    expect(at.party.association.stats.flightBytes).toBe(0);
    acknowledge(at, 54, 5003);
    expect([at.party.association.stats.flightBytes, at.party.association.nextDeadline]).toEqual([
      0,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it("with gap blocks that make no sense does no harm", () => {
    const at = establishedParty();
    sendEach(at, 0, 6, 16, RELIABLE);
    at.party.take();
    for (const gaps of [
      [[0, 0]],
      [[3, 2]],
      [[2, 9]],
      [[7, 7]],
      [[65_535, 65_535]],
      [
        [3, 4],
        [2, 2],
      ],
    ] as [number, number][][]) {
      acknowledge(at, 100, 4999, gaps);
      const { flightBytes } = at.party.association.stats;
      expect(flightBytes >= 0 && flightBytes <= 600).toBe(true);
    }
    acknowledge(at, 110, 5005);
    expect(at.party.association.stats.flightBytes).toBe(0);
  });

  it("gives a round-trip time only for chunks that were sent once", () => {
    const at = establishedParty();
    send(at, 0, 100, RELIABLE);
    at.party.association.flush(0);
    at.party.association.handleTimeout(400);
    acknowledge(at, 450, 5000);
    expect(at.party.association.stats.roundTripMs).toBe(0);
    send(at, 500, 100, RELIABLE);
    at.party.association.flush(500);
    acknowledge(at, 580, 5001);
    expect(at.party.association.stats.roundTripMs).toBe(80);
  });

  it("restarts the timer when it moves the cumulative point, and stops it when nothing is left", () => {
    const at = establishedParty();
    sendEach(at, 0, 2, 0, RELIABLE);
    expect(at.party.association.nextDeadline).toBe(400);
    acknowledge(at, 100, 5000);
    expect(at.party.association.nextDeadline).toBe(100 + 320);
    acknowledge(at, 150, 5000);
    expect(at.party.association.nextDeadline).toBe(420);
    acknowledge(at, 200, 5001);
    expect(at.party.association.nextDeadline).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("a time-out", () => {
  it("shrinks the window to one packet where nothing was acknowledged meanwhile, and only then", () => {
    const silent = establishedParty();
    sendEach(silent, 0, 5, 16);
    silent.party.association.handleTimeout(400);
    expect(silent.party.association.stats).toMatchObject({ congestionWindowBytes: 1132, flightBytes: 0 });
    const alive = establishedParty();
    sendEach(alive, 0, 5, 16);
    acknowledge(alive, 300, 4999, [[5, 5]]);
    alive.party.association.handleTimeout(alive.party.association.nextDeadline);
    expect(alive.party.association.stats.congestionWindowBytes).toBe(5_660);
  });

  it("loses only what is as old as that while the path is alive", () => {
    const at = establishedParty();
    sendEach(at, 0, 3, 100);
    at.party.take();
    acknowledge(at, 390, 4999, [[3, 3]]);
    expect(at.party.association.nextDeadline).toBe(400);
    at.party.association.handleTimeout(401);
    expect(at.party.takeChunks().map(({ name, tsn }) => [name, tsn])).toEqual([["FORWARD TSN", 5000]]);
    expect(at.party.association.nextDeadline).toBe(100 + 400);
  });

  it("is no error of the path while acknowledgements come, however many messages it takes one by one", () => {
    const at = establishedParty({ maxRetransmissions: 1 });
    for (let i = 0; i < 20; i++) {
      sendEach(at, i * 10, 1, 16);
      at.party.take();
    }
    acknowledge(at, 395, 4999, [[20, 20]]);
    for (let i = 0; i < 15; i++) at.party.association.handleTimeout(400 + i * 10);
    expect(at.party.association.state).toBe("established");
    expect(at.party.association.stats.abandonedMessages).toBeGreaterThan(10);
  });
});

describe("a message with maxRetransmits 0", () => {
  it("is never sent again, and skipped once three later ones have come", () => {
    const at = establishedParty();
    sendEach(at, 0, 6, 16);
    at.party.take();
    expect(acknowledge(at, 60, 5000, [[2, 2]])).toEqual([]);
    expect(acknowledge(at, 76, 5000, [[2, 3]])).toEqual([]);
    const chunks = acknowledge(at, 92, 5000, [[2, 4]]);
    expect(chunks.map(({ name, tsn }) => [name, tsn])).toEqual([["FORWARD TSN", 5001]]);
    expect(chunks[0].value).toHaveLength(4);
    expect(acknowledge(at, 93, 5004)).toEqual([]);
    expect(at.party.association.stats).toMatchObject({ abandonedMessages: 1, retransmissions: 0, flightBytes: 100 });
  });

  it("leaves the flight with a time-out, so that new messages go out at once", () => {
    const at = establishedParty();
    for (let i = 0; i < 12; i++) send(at, 0, 1000);
    expect(send(at, 1, 1000)).toBe("queued");
    at.party.association.flush(1);
    at.party.take();
    at.party.association.handleTimeout(400);
    const chunks = at.party.takeChunks();
    expect(chunks.map(({ name }) => name)).toEqual(["FORWARD TSN", "DATA"]);
    expect([chunks[0].tsn, chunks[1].tsn]).toEqual([5011, 5012]);
    expect(send(at, 401, 100)).toBe("sent");
  });

  it("is told to the peer again each round trip until it has understood, and with each time-out", () => {
    const at = establishedParty();
    send(at, 0, 100);
    at.party.association.flush(0);
    acknowledge(at, 100, 5000);
    sendEach(at, 200, 4, 30);
    at.party.take();
    for (const [now, last] of [
      [330, 2],
      [360, 3],
      [390, 4],
    ] as const) {
      acknowledge(at, now, 5000, [[2, last]]);
    }
    expect(at.party.association.stats.abandonedMessages).toBe(1);
    sendEach(at, 400, 6, 30);
    at.party.take();
    const told: number[] = [];
    for (let now = 410; now < 640; now += 30) {
      const last = Math.max(4, 4 + Math.floor((now - 470) / 30));
      if (acknowledge(at, now, 5000, [[2, Math.min(last, 10)]]).some(({ name }) => name === "FORWARD TSN"))
        told.push(now);
    }
    expect(told).toEqual([500, 620]);
    const due = at.party.association.nextDeadline;
    at.party.association.handleTimeout(due);
    expect(at.party.takeChunks().map(({ name }) => name)).toEqual(["FORWARD TSN"]);
  });

  it("that is merely overtaken is not given up", () => {
    const at = establishedParty();
    send(at, 0, 100);
    at.party.association.flush(0);
    acknowledge(at, 100, 5000);
    // Five in one turn arrive in another order: no time has passed between their departures.
    for (let i = 0; i < 5; i++) send(at, 200, 100);
    at.party.association.flush(200);
    at.party.take();
    for (const last of [2, 3, 4, 5]) expect(acknowledge(at, 300 + last, 5000, [[2, last]])).toEqual([]);
    acknowledge(at, 310, 5005);
    expect(at.party.association.stats.abandonedMessages).toBe(0);
  });

  it("counts as a loss for the congestion window", () => {
    const at = establishedParty();
    let last = 4999;
    // Full windows, acknowledged at once, make it grow.
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 45; i++) send(at, round, 1132, RELIABLE);
      last += tsnsOf(at.party.flush(round)).length;
      last += tsnsOf(acknowledge(at, round, last)).length;
    }
    while (at.party.association.stats.flightBytes > 0) last += tsnsOf(acknowledge(at, 100, last)).length;
    const before = at.party.association.stats.congestionWindowBytes;
    expect(before).toBeGreaterThan(40 * 1132);
    sendEach(at, 200, 6, 16);
    for (const end of [2, 3, 4]) acknowledge(at, 300, last, [[2, end]]);
    expect(at.party.association.stats.congestionWindowBytes).toBeLessThanOrEqual(before / 2);
  });

  it("is skipped to a TSN behind what was sent, so that the peer forgets it even where all of that has come", () => {
    const at = establishedParty();
    const peer = establishedParty({ peerTsn: at.localTsn, initiateTag: 0x1111 });
    send(at, 0, 20_000);
    at.party.association.flush(0);
    for (const bytes of at.party.take()) peer.party.handle(1, bytes);
    const window = () => {
      peer.party.association.acknowledgeNow();
      peer.party.association.flush(401);
      return peer.party
        .takeChunks()
        .filter(({ name }) => name === "SACK")
        .at(-1)!.window;
    };
    const before = window();
    at.party.association.handleTimeout(400);
    for (const bytes of at.party.take()) peer.party.handle(401, bytes);
    expect(before).toBeLessThan(LIMITS.receiveWindowBytes);
    expect(window()).toBe(LIMITS.receiveWindowBytes);
  });

  it("is abandoned with all its fragments, sent or not", () => {
    const at = establishedParty();
    send(at, 0, 20_000);
    at.party.association.flush(0);
    const sent = tsnsOf(at.party.takeChunks());
    at.party.association.handleTimeout(400);
    const chunks = at.party.takeChunks();
    expect(chunks.map(({ name, tsn }) => [name, tsn])).toEqual([["FORWARD TSN", sent.at(-1)! + 1]]);
    expect(at.party.association.stats).toMatchObject({ queuedBytes: 0, flightBytes: 0, abandonedMessages: 1 });
    send(at, 401, 100);
    expect(at.party.flush(401).map(({ tsn, flags }) => [tsn, flags & 7])).toEqual([[sent.at(-1)! + 2, 7]]);
  });
});

describe("FORWARD TSN", () => {
  const lose = (
    at: Established,
    lost: readonly number[],
    count: number,
    options: (i: number) => Partial<OutgoingMessage>,
  ) => {
    for (let i = 0; i < count; i++) {
      send(at, i * 16, 100, options(i));
      at.party.association.flush(i * 16);
    }
    at.party.take();
    const gaps: [number, number][] = [];
    for (let i = 0; i < count; i++) if (!lost.includes(i)) gaps.push([i + 1, i + 1]);
    const merged: [number, number][] = [];
    for (const [first, last] of gaps) {
      const previous = merged.at(-1);
      if (previous !== undefined && previous[1] + 1 === first) previous[1] = last;
      else merged.push([first, last]);
    }
    at.party.handle(count * 16 + 50, packet(at.tag, sack(4999, 1_000_000, merged)));
    let skipped: SeenChunk[] = [];
    for (let i = 0; i < 20 && at.party.association.stats.flightBytes > 0; i++) {
      at.party.association.handleTimeout(at.party.association.nextDeadline);
      const chunks = at.party.takeChunks();
      skipped = chunks.filter(({ name }) => name === "FORWARD TSN");
      if (chunks.some(({ name }) => name === "DATA")) break;
    }
    return skipped;
  };

  it("skips several losses at once, over unordered messages that have come", () => {
    const chunks = lose(establishedParty(), [0, 2, 3, 6], 8, () => UNRELIABLE);
    expect(chunks.map(({ tsn, value }) => [tsn, value.length])).toEqual([[5006, 4]]);
  });

  it("names the highest skipped sequence number of each ordered stream", () => {
    const chunks = lose(establishedParty(), [0, 1, 2], 4, (i) => ({
      ...UNRELIABLE,
      ordered: true,
      streamId: i === 1 ? 9 : 4,
    }));
    expect(chunks).toHaveLength(1);
    expect([...chunks[0].value]).toEqual([0, 0, 0x13, 0x8a, 0, 4, 0, 1, 0, 9, 0, 0]);
  });

  it("stops in front of an ordered message that has come, and goes on behind it in a chunk of its own", () => {
    const chunks = lose(establishedParty(), [0, 2, 4], 6, () => ({ ...UNRELIABLE, ordered: true }));
    expect(chunks.map(({ tsn, value }) => [tsn, value[7]])).toEqual([
      [5000, 0],
      [5002, 2],
      [5004, 4],
    ]);
  });

  it("does not skip a message that is still to be sent again", () => {
    const chunks = lose(establishedParty(), [0, 1, 2], 4, (i) => (i === 1 ? RELIABLE : UNRELIABLE));
    expect(chunks.map(({ tsn }) => tsn)).toEqual([5000]);
  });
});
