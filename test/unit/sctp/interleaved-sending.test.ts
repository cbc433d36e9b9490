import { describe, expect, it } from "vitest";
import type { OutgoingMessage } from "../../../src/sctp/association.ts";
import { toHex } from "../../../src/wire/bytes.ts";
import {
  bytesOf,
  chunk,
  chunksOf,
  type Established,
  establishedParty,
  hex16,
  hex32,
  packet,
  PACKET_BYTES,
  sack,
  type SeenChunk,
} from "./support.ts";

/** User data of the largest I-DATA chunk. */
const FULL = ((PACKET_BYTES - 12) & ~3) - 20;
const [BEGIN, END, UNORDERED] = [2, 1, 4];

const interleaved = (options: Parameters<typeof establishedParty>[0] = {}) =>
  establishedParty({ interleaving: true, ...options });

function send(at: Established, now: number, length: number, options: Partial<OutgoingMessage> = {}): void {
  const result = at.party.association.send(now, { streamId: 0, ppid: 53, data: bytesOf(length), ...options });
  expect(["sent", "queued"]).toContain(result);
}

function acknowledge(at: Established, now: number, cumulative: number, gaps: [number, number][] = []): SeenChunk[] {
  at.party.handle(now, packet(at.tag, sack(cumulative, 1_000_000, gaps)));
  return at.party.flush(now);
}

/** Without the I bit. */
const flagsOf = ({ flags }: SeenChunk) => flags & 7;
const shapeOf = (seen: SeenChunk) => [seen.streamId, flagsOf(seen), seen.mid, seen.fsn, seen.value.length - 16];

describe("to a peer with which I-DATA was agreed on", () => {
  it("a message leaves in an I-DATA chunk, byte for byte", () => {
    const at = interleaved();
    send(at, 0, 3, { streamId: 7, ordered: true, ppid: 51 });
    const [seen] = at.party.flush(0);
    expect([seen.name, flagsOf(seen), toHex(seen.value)]).toEqual([
      "I-DATA",
      BEGIN | END,
      `${hex32(5000)}${hex16(7, 0)}${hex32(0, 51)}ababab`,
    ]);
  });

  it("ordered and unordered messages of each stream have numbers of their own", () => {
    const at = interleaved();
    for (const ordered of [true, false, false, true]) send(at, 0, 10, { streamId: 1, ordered, maxRetransmits: 0 });
    send(at, 0, 10, { streamId: 2 });
    expect(at.party.flush(0).map((seen) => [seen.streamId, flagsOf(seen), seen.mid])).toEqual([
      [1, BEGIN | END, 0],
      [1, BEGIN | END | UNORDERED, 0],
      [1, BEGIN | END | UNORDERED, 1],
      [1, BEGIN | END, 1],
      [2, BEGIN | END | UNORDERED, 0],
    ]);
  });

  it("the numbers of a stream begin with 0 again when it was reset", () => {
    const at = interleaved();
    for (const ordered of [true, false]) send(at, 0, 10, { streamId: 4, ordered });
    at.party.flush(0);
    acknowledge(at, 10, 5001);
    at.party.association.resetStreams(10, [4]);
    at.party.flush(10);
    at.party.handle(20, packet(at.tag, chunk(130, 0, `0010000c${hex32(5000, 1)}`)));
    expect(at.party.outgoingResets).toEqual([[4]]);
    for (const ordered of [true, false]) send(at, 20, 10, { streamId: 4, ordered });
    expect(at.party.flush(20).map(({ mid }) => mid)).toEqual([0, 0]);
  });

  it("fragments name the PPID first, then their place, and each fills a packet", () => {
    const at = interleaved();
    send(at, 0, 3 * FULL + 100, { streamId: 3, ordered: true, ppid: 51 });
    const sent = at.party.take();
    expect(sent.every((bytes) => bytes.length <= PACKET_BYTES)).toBe(true);
    at.party.association.flush(0);
    const seen = [...sent, ...at.party.take()].flatMap(chunksOf);
    expect(seen.map(({ tsn }) => tsn)).toEqual([5000, 5001, 5002, 5003]);
    const last = 4;
    expect(seen.map((one) => toHex(one.value.slice(4, 16)))).toEqual([
      hex16(3, 0) + hex32(0, 51),
      hex16(3, 0) + hex32(0, 1),
      hex16(3, 0) + hex32(0, 2),
      hex16(3, 0) + hex32(0, 3),
    ]);
    expect(seen.map(flagsOf)).toEqual([BEGIN, 0, 0, END]);
    expect(seen).toHaveLength(last);
  });

  it("messages of several streams alternate, and a small one waits for no end of a large one", () => {
    const at = interleaved();
    send(at, 0, 60_000, { streamId: 1 });
    send(at, 0, 60_000, { streamId: 2, ordered: true });
    at.party.flush(0);
    send(at, 1, 100, { streamId: 9, maxRetransmits: 0 });
    const seen = acknowledge(at, 100, 5003);
    expect(seen[0]).toMatchObject({ streamId: 9 });
    const streams = acknowledge(at, 200, 5007).map(({ streamId }) => streamId);
    expect(Math.abs(streams.filter((id) => id === 1).length - streams.filter((id) => id === 2).length)).toBeLessThan(2);
  });

  it("what is lost is sent again as it was", () => {
    const at = interleaved();
    send(at, 0, 4 * FULL, { streamId: 3, ordered: true });
    const first = [...at.party.take().flatMap(chunksOf), ...at.party.flush(0)];
    const again = acknowledge(at, 100, 5000, [[3, 3]]);
    at.party.association.handleTimeout(at.party.association.nextDeadline);
    const repeated = [...again, ...at.party.take().flatMap(chunksOf)].filter(({ tsn }) => tsn === 5001);
    expect(repeated).toHaveLength(1);
    expect(shapeOf(repeated[0])).toEqual(shapeOf(first[1]));
    expect(toHex(repeated[0].value)).toBe(toHex(first[1].value));
  });

  it("a message is given up as a whole, between others, and named by I-FORWARD-TSN", () => {
    const at = interleaved();
    // The window is full, so that both of the next wait and then alternate.
    send(at, 0, 10 * FULL, { streamId: 9 });
    send(at, 0, 3 * FULL, { streamId: 1, maxRetransmits: 0 });
    send(at, 0, 3 * FULL, { streamId: 2 });
    at.party.flush(0);
    at.party.take();
    acknowledge(at, 100, 5009);
    at.party.take();
    // Stream 1: 5010, 5012, 5014. Its second fragment is lost, and three later messages say so.
    for (const now of [150, 160, 170]) send(at, now, 10, { streamId: 9 });
    at.party.flush(170);
    const seen = [5, 6, 7].flatMap((last) => acknowledge(at, 250 + last, 5011, [[2, last]]));
    expect(seen.map(({ name, value }) => [name, toHex(value)])).toContainEqual([
      "I-FORWARD-TSN",
      hex32(5014) + hex16(1, 1) + hex32(0),
    ]);
    expect(at.party.association.stats.abandonedMessages).toBe(1);
    expect(seen.some(({ tsn, name }) => name === "I-DATA" && [5010, 5012, 5014].includes(tsn))).toBe(false);
  });

  it("what was not sent of a message that is given up never is, and its end is skipped", () => {
    const at = interleaved();
    send(at, 0, 40 * FULL, { streamId: 1, lifetimeMs: 50 });
    send(at, 0, 40 * FULL, { streamId: 2 });
    at.party.flush(0);
    at.party.take();
    const names: string[] = [];
    let last = 4999;
    for (let now = 100; now < 3_000; now += 100) {
      // The first chunk is lost again and again.
      const seen = [
        ...at.party.take().flatMap(chunksOf),
        ...acknowledge(at, now, 4999, [[2, Math.max(2, last - 4999)]]),
      ];
      last = Math.max(last, ...seen.filter(({ name }) => name === "I-DATA").map(({ tsn }) => tsn));
      names.push(
        ...seen.filter(({ streamId, name }) => name === "I-DATA" && streamId === 1).map(({ tsn }) => `${tsn}`),
      );
      if (at.party.association.stats.abandonedMessages > 0) break;
    }
    expect(at.party.association.stats.abandonedMessages).toBe(1);
    const before = at.party.association.stats.queuedBytes;
    const seen = [...at.party.take().flatMap(chunksOf), ...at.party.flush(4_000)];
    expect(seen.filter(({ streamId, name }) => name === "I-DATA" && streamId === 1)).toEqual([]);
    expect(before).toBeLessThan(40 * FULL);
  });

  it("an ordered message that is given up is named as such, and each stream once", () => {
    const at = interleaved();
    for (let i = 0; i < 2; i++) send(at, 0, 10, { streamId: 5, ordered: true, maxRetransmits: 0 });
    for (let i = 0; i < 3; i++) send(at, 0, 10, { streamId: 5, maxRetransmits: 0 });
    at.party.flush(0);
    for (let i = 0; i < 3; i++) {
      send(at, 100 + 50 * i, 10, { streamId: 6 });
      at.party.flush(100 + 50 * i);
    }
    let seen: SeenChunk[] = [];
    for (let i = 0; i < 3; i++) seen = acknowledge(at, 300 + 50 * i, 4999, [[6, 6 + i]]);
    const forward = seen.find(({ name }) => name === "I-FORWARD-TSN")!;
    expect(toHex(forward.value)).toBe(hex32(5004) + hex16(5, 0) + hex32(1) + hex16(5, 1) + hex32(2));
  });

  it("messages go on behind the wrap-around of their numbers' lower half", () => {
    const at = interleaved();
    let tsn = 5000;
    for (let i = 0; i < 0x8002; i++) {
      send(at, i, 1, { streamId: 1, maxRetransmits: 0 });
      const [seen] = at.party.flush(i);
      if (i >= 0x7ffe) expect(seen.mid).toBe(i);
      at.party.handle(i, packet(at.tag, sack(tsn++)));
    }
  });

  it("nothing of the kind goes to a peer without partial reliability", () => {
    const at = interleaved({ forwardTsn: false });
    send(at, 0, 10, { maxRetransmits: 0 });
    expect(at.party.flush(0)).toMatchObject([{ name: "I-DATA" }]);
    at.party.association.handleTimeout(at.party.association.nextDeadline);
    expect(at.party.take().flatMap(chunksOf)).toMatchObject([{ name: "I-DATA", tsn: 5000 }]);
  });
});

it("to a peer without I-DATA everything leaves in DATA", () => {
  const at = establishedParty({ interleaving: false });
  send(at, 0, 3 * FULL);
  const seen = [...at.party.take().flatMap(chunksOf), ...at.party.flush(0)];
  expect(new Set(seen.map(({ name }) => name))).toEqual(new Set(["DATA"]));
});
