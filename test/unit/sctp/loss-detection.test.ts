import { describe, expect, it } from "vitest";
import type { OutgoingMessage } from "../../../src/sctp/association.ts";
import {
  bytesOf,
  chunk,
  type Established,
  establishedParty,
  hex16,
  hex32,
  packet,
  sack,
  type SeenChunk,
} from "./support.ts";

const RELIABLE = {};
const UNRELIABLE = { maxRetransmits: 0 };

/** A party that knows a round trip of 100 ms, and has nothing on its way. Its next TSN is 5001. */
function measured(): Established {
  const at = establishedParty();
  send(at, 0);
  acknowledge(at, 100, 5000);
  return at;
}

/** A message of 100 bytes in a packet of its own. */
function send(at: Established, now: number, options: Partial<OutgoingMessage> = RELIABLE): SeenChunk[] {
  at.party.association.send(now, { streamId: 0, ppid: 53, data: bytesOf(100), ...options });
  return at.party.flush(now);
}

function acknowledge(
  at: Established,
  now: number,
  cumulative: number,
  gaps: readonly [number, number][] = [],
): number[] {
  at.party.handle(now, packet(at.tag, sack(cumulative, 1_000_000, gaps)));
  return tsnsOf(at.party.flush(now));
}

/** A SACK that reports duplicates. */
function reportDuplicates(at: Established, now: number, cumulative: number, ...tsns: readonly number[]): number[] {
  const value = hex32(cumulative, 1_000_000) + hex16(0, tsns.length) + hex32(...tsns);
  at.party.handle(now, packet(at.tag, chunk(3, 0, value)));
  return tsnsOf(at.party.flush(now));
}

function tsnsOf(chunks: readonly SeenChunk[]): number[] {
  return chunks.filter(({ name }) => name === "DATA").map(({ tsn }) => tsn);
}

/** Lets the next timer fire; returns when, and the TSNs sent then. */
function timer(at: Established): [number, number[]] {
  const now = at.party.association.nextDeadline;
  at.party.association.handleTimeout(now);
  return [now, tsnsOf(at.party.takeChunks())];
}

describe("a reliable chunk", () => {
  it("is lost once three packets that left later have come, whatever came between", () => {
    const at = measured();
    for (let i = 0; i < 5; i++) send(at, 200);
    expect(acknowledge(at, 300, 5000, [[3, 3]])).toEqual([]);
    expect(acknowledge(at, 301, 5000, [[3, 5]])).toEqual([5001, 5002]);
  });

  it("is lost a quarter of a round trip after it should have come, where one that left later has come", () => {
    const at = measured();
    send(at, 200);
    send(at, 210);
    expect(acknowledge(at, 310, 5000, [[2, 2]])).toEqual([]);
    expect(timer(at)).toEqual([325, [5001]]);
    expect(at.party.association.stats.retransmissions).toBe(1);
  });

  it("is not lost where it comes within that time", () => {
    const at = measured();
    send(at, 200);
    send(at, 210);
    acknowledge(at, 310, 5000, [[2, 2]]);
    acknowledge(at, 315, 5002);
    expect(at.party.association.nextDeadline).toBe(Number.POSITIVE_INFINITY);
    expect(at.party.association.stats).toMatchObject({ retransmissions: 0, flightBytes: 0 });
  });

  it("sent again and lost again is sent again in the same way, as often as it takes, and no time-out passes", () => {
    const at = measured();
    send(at, 200);
    let last = 1;
    const sentAt: number[] = [];
    for (let now = 210; now < 1000; now += 10) {
      send(at, now);
      last++;
      const come = last - 10;
      const again = come >= 2 ? acknowledge(at, now, 5000, [[2, come]]) : [];
      if (again.includes(5001)) sentAt.push(now);
    }
    expect(sentAt.length).toBeGreaterThanOrEqual(6);
    for (let i = 1; i < sentAt.length; i++) expect(sentAt[i] - sentAt[i - 1]).toBeLessThanOrEqual(130);
  });

  it("is lost by time alone where packets overtake each other by three or more", () => {
    const at = measured();
    for (let i = 0; i < 5; i++) send(at, 200);
    expect(acknowledge(at, 300, 5000, [[2, 5]])).toEqual([5001]);
    acknowledge(at, 301, 5005);
    reportDuplicates(at, 400, 5005, 5001);
    for (let i = 0; i < 5; i++) send(at, 500);
    expect(acknowledge(at, 600, 5005, [[2, 5]])).toEqual([]);
    expect(timer(at)).toEqual([650, [5006]]);
  });

  it("is waited for longer once the peer has reported duplicates, up to a round trip", () => {
    const at = measured();
    send(at, 200);
    expect(timer(at)).toEqual([400, [5001]]);
    acknowledge(at, 500, 5001);
    for (let i = 1; i <= 6; i++) reportDuplicates(at, 500 + 200 * i, 5001, 4999);
    send(at, 2000);
    send(at, 2010);
    expect(acknowledge(at, 2110, 5001, [[2, 2]])).toEqual([]);
    expect(timer(at)).toEqual([2200, [5002]]);
  });

  it("halves the window once, however many of its window are lost", () => {
    const at = measured();
    for (let i = 0; i < 8; i++) send(at, 200);
    const before = at.party.association.stats.congestionWindowBytes;
    acknowledge(at, 300, 5000, [[8, 8]]);
    acknowledge(at, 301, 5002, [[6, 6]]);
    expect(at.party.association.stats.congestionWindowBytes).toBe(Math.floor(before / 2));
  });
});

describe("after two round trips of silence", () => {
  it("the last reliable chunk is sent once more, and asks for a SACK", () => {
    const at = measured();
    for (let i = 0; i < 3; i++) send(at, 200, { data: bytesOf(1000) });
    expect(at.party.association.nextDeadline).toBe(400);
    at.party.association.handleTimeout(400);
    expect(at.party.takeChunks().map(({ tsn, flags }) => [tsn, flags & 8])).toEqual([[5003, 8]]);
    // Once, and T3-rtx leaves it the time for an answer.
    const [now, again] = timer(at);
    expect([now, again[0]]).toEqual([400 + 320, 5001]);
  });

  it("the answer shows what was lost before it", () => {
    const at = measured();
    for (let i = 0; i < 3; i++) send(at, 200, { data: bytesOf(1000) });
    expect(timer(at)).toEqual([400, [5003]]);
    expect(acknowledge(at, 500, 5000, [[3, 3]])).toEqual([5001, 5002]);
  });

  it("a loss that the probe has repaired halves the window, and a duplicate of it does not", () => {
    for (const isDuplicate of [false, true]) {
      const at = measured();
      send(at, 1000);
      expect(timer(at)).toEqual([1200, [5001]]);
      const before = at.party.association.stats.congestionWindowBytes;
      if (isDuplicate) reportDuplicates(at, 1300, 5001, 5001);
      else acknowledge(at, 1300, 5001);
      expect(at.party.association.stats.congestionWindowBytes).toBe(isDuplicate ? before : Math.floor(before / 2));
    }
  });

  it("unreliable messages are not sent again", () => {
    const at = measured();
    for (let i = 0; i < 3; i++) send(at, 200, UNRELIABLE);
    const [now, again] = timer(at);
    expect(now).toBeGreaterThanOrEqual(500);
    expect(again).toEqual([]);
    expect(at.party.association.stats.retransmissions).toBe(0);
  });
});
