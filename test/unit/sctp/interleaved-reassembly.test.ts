import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { Reassembly } from "../../../src/sctp/reassembly.ts";
import { type MemoryAccount, unlimitedAccount } from "../../../src/wire/memory-ledger.ts";
import { tsn } from "../../../src/wire/serial.ts";

const B = 2;
const E = 1;
const U = 4;
const limits = { maxMessageBytes: 100, receiveWindowBytes: 300, maxReassemblyChunks: 8 };
const PPID = 53;

let out: string[];
let reassembly: Reassembly;
let memory: MemoryAccount;
let nextTsn: number;
const sink = {
  message: (streamId: number, ppid: number, data: Uint8Array) => {
    out.push(`${streamId}/${ppid}:${String.fromCharCode(...data)}`);
  },
  tooLarge: () => {
    out.push("too large");
  },
};

function start(): void {
  out = [];
  nextTsn = 0;
  memory = unlimitedAccount();
  reassembly = new Reassembly(limits, sink, memory, true);
}
beforeEach(start);

interface Where {
  streamId?: number;
  mid?: number;
  fsn?: number;
  ppid?: number;
  which?: number;
  isNext?: boolean;
}

/** A fragment with the next TSN, unless told otherwise. */
function add(flags: number, text: string, where: Where = {}): boolean {
  const { streamId = 1, mid = 0, fsn = 0, ppid = PPID, which = nextTsn++, isNext = false } = where;
  const memory = Uint8Array.from(`..${text}..`, (character) => character.charCodeAt(0));
  const last = (flags & B) !== 0 ? ppid : fsn >>> 0;
  return reassembly.add(flags, tsn(which), streamId, mid >>> 0, last, memory, 2, text.length, isNext);
}

describe("whole messages", () => {
  it("are delivered at once when unordered, whatever their number", () => {
    add(B | E | U, "b", { mid: 7 });
    add(B | E | U, "a", { mid: 3 });
    expect(out).toEqual(["1/53:b", "1/53:a"]);
  });

  it("wait for their turn when ordered, in each stream for itself and apart from the unordered ones", () => {
    add(B | E, "b", { mid: 1 });
    add(B | E | U, "u", { mid: 1 });
    add(B | E, "x", { streamId: 2 });
    add(B | E, "a", { mid: 0 });
    expect(out).toEqual(["1/53:u", "2/53:x", "1/53:a", "1/53:b"]);
    expect(reassembly.heldBytes).toBe(0);
  });

  it("are counted with 32 bits, and keep their order across the wrap-around", () => {
    reassembly.skip(1, 0x7fff_fffe);
    reassembly.skip(1, 0xffff_fffd);
    add(B | E, "c", { mid: 0 });
    add(B | E, "b", { mid: 0xffff_ffff });
    add(B | E, "not now", { mid: 0xfffe });
    add(B | E, "a", { mid: 0xffff_fffe });
    expect(out).toEqual(["1/53:a", "1/53:b", "1/53:c"]);
  });
});

describe("fragments", () => {
  it("are put together by their places, whatever their TSNs, with the PPID of the first", () => {
    const parts: [flags: number, text: string, fsn: number][] = [
      [B | U, "ab", 0],
      [U, "c", 1],
      [U, "de", 2],
      [U, "f", 3],
      [E | U, "g", 4],
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(parts, { minLength: 5 }), (order) => {
        start();
        for (const [flags, text, fsn] of order) expect(add(flags, text, { fsn, ppid: 51 })).toBe(true);
        expect(out).toEqual(["1/51:abcdefg"]);
        expect(reassembly.heldBytes).toBe(0);
      }),
      { seed: 1, numRuns: 120 },
    );
  });

  it("of many messages may alternate: by stream, by order, by number", () => {
    const messages: [Where, number, string][] = [
      [{ streamId: 1, mid: 0 }, 0, "1o0"],
      [{ streamId: 1, mid: 1 }, 0, "1o1"],
      [{ streamId: 1, mid: 0 }, U, "1u0"],
      [{ streamId: 1, mid: 1 }, U, "1u1"],
      [{ streamId: 2, mid: 0 }, 0, "2o0"],
      [{ streamId: 2, mid: 0 }, U, "2u0"],
    ];
    for (const [where, order, text] of messages) add(B | order, text[0], where);
    for (const [where, order, text] of messages) add(order, text[1], { ...where, fsn: 1 });
    for (const [where, order, text] of messages) add(E | order, text[2], { ...where, fsn: 2 });
    expect(out).toEqual(["1/53:1o0", "1/53:1o1", "1/53:1u0", "1/53:1u1", "2/53:2o0", "2/53:2u0"]);
    expect(reassembly.heldBytes).toBe(0);
  });

  it("of an ordered message take its turn", () => {
    add(B, "sec", { mid: 1 });
    add(E, "st", { mid: 0, fsn: 1 });
    add(E, "ond", { mid: 1, fsn: 1 });
    expect(out).toEqual([]);
    add(B, "fir", { mid: 0 });
    expect(out).toEqual(["1/53:first", "1/53:second"]);
  });

  it("of an ordered message that has had its turn are thrown away", () => {
    reassembly.skip(1, 4);
    expect(add(B, "late", { mid: 4 })).toBe(true);
    expect(reassembly.heldBytes).toBe(0);
    add(B, "next", { mid: 5 });
    expect(reassembly.heldBytes).toBe(4);
  });

  it("hand their message over without room to spare", () => {
    add(B | U, "a".repeat(30));
    add(U, "b".repeat(10), { fsn: 1 });
    let buffer: ArrayBufferLike | undefined;
    reassembly = new Reassembly(
      limits,
      { ...sink, message: (_stream, _ppid, data) => (buffer = data.buffer) },
      undefined,
      true,
    );
    for (const [fsn, flags] of [B | U, U, U, E | U].entries()) add(flags, "x".repeat(20), { fsn });
    expect(buffer?.byteLength).toBe(80);
  });
});

describe("a peer that contradicts itself", () => {
  const A: [number, number] = [B | U, 0];
  const CASES: [string, ...[flags: number, fsn: number][]][] = [
    ["a second first fragment", A, A],
    ["a second first fragment behind others", A, [U, 1], [B | U, 0]],
    ["a first place for one that does not begin", [U, 0]],
    ["a first place for one that ends only", [E | U, 0]],
    ["the first place once more", A, [U, 0]],
    ["a place in the middle once more", A, [U, 1], [U, 2], [U, 1]],
    ["a place behind a gap once more", A, [U, 5], [U, 5]],
    ["a second last fragment behind the last", A, [E | U, 3], [E | U, 5]],
    ["a second last fragment before the last", A, [E | U, 3], [E | U, 2]],
    ["a second last fragment in its place", A, [E | U, 3], [E | U, 3]],
    ["a fragment behind the last", A, [E | U, 3], [U, 4]],
    ["a last fragment before another", A, [U, 4], [E | U, 2]],
    ["places further apart than half of all", A, [U, 0x8000_0001]],
    ["a place behind all of them", [U, 0xffff_ffff]],
  ];
  it.each(CASES)("by %s is found out", (_, ...fragments) => {
    for (const [i, [flags, fsn]] of fragments.entries()) {
      const isLast = i === fragments.length - 1;
      expect(add(flags, "x", { fsn }), `fragment ${i}`).toBe(!isLast);
      expect(reassembly.fault).toBe(isLast ? "contradiction" : undefined);
    }
    expect(out).toEqual([]);
  });

  it("by a part of a message that waits whole is found out", () => {
    add(B | E, "whole", { mid: 3 });
    expect(add(B, "part", { mid: 3 })).toBe(false);
    expect(reassembly.fault).toBe("contradiction");
  });

  it("by numbers that have no order is found out", () => {
    add(B | U, "a", { mid: 0 });
    add(B | U, "b", { mid: 0x7fff_ffff });
    add(B | U, "c", { mid: 0x3000_0000 });
    expect(add(B | U, "d", { mid: 0x8000_0000 })).toBe(false);
    expect(reassembly.fault).toBe("contradiction");
  });

  it.each([0x9000_0000, 0xffff_ffff])("by number %i before others that are too far on is found out", (mid) => {
    add(B | U, "a", { mid: 0 });
    add(B | U, "b", { mid: 0x7fff_ffff });
    expect(add(B | U, "c", { mid })).toBe(false);
  });
});

describe("bounds", () => {
  it("hold sixteen windows, since no message can be delivered before its end, and one message more of what is next", () => {
    let held = 0;
    for (let streamId = 0; add(B | U, "x".repeat(100), { streamId: 1_000 + streamId }); streamId++) held += 100;
    expect(held).toBe(800);
    expect(reassembly.windowBytes).toBe(300);
    reassembly = new Reassembly({ ...limits, maxReassemblyChunks: 1_000 }, sink, undefined, true);
    for (held = 0; add(B | U, "x".repeat(100), { streamId: held }); ) held += 100;
    expect(held).toBe(16 * 300);
    expect(reassembly.windowBytes).toBe(0);
    expect(add(B | U, "y".repeat(60), { streamId: 9_999, isNext: true })).toBe(true);
    expect(add(E | U, "y".repeat(40), { streamId: 9_999, fsn: 1, isNext: true })).toBe(true);
    expect(out).toHaveLength(1);
  });

  it("end it where all that is held waits for a chunk for which there is no room", () => {
    for (let streamId = 0; add(B | U, "x".repeat(50), { streamId, isNext: true }); streamId++);
    expect(reassembly.fault).toBeUndefined();
    for (let i = 0; i < 2; i++) expect(add(U, "x", { streamId: 0, fsn: 1, isNext: true })).toBe(false);
    expect(reassembly.fault).toBeUndefined();
    expect(add(U, "x", { streamId: 0, fsn: 1, isNext: true })).toBe(false);
    expect(reassembly.fault).toBe("exhausted");
  });

  it("count what is in order as one chunk, however many fragments it came in", () => {
    for (let fsn = 0; fsn < 90; fsn++) expect(add(fsn === 0 ? B | U : U, "x", { fsn })).toBe(true);
    for (let gap = 0; gap < 7; gap++) expect(add(U, "x", { fsn: 91 + gap })).toBe(true);
    expect(add(U, "x", { fsn: 98 })).toBe(false);
    expect(add(U, "x", { fsn: 90, isNext: true })).toBe(true);
    expect(add(E | U, "x", { fsn: 98 })).toBe(true);
    expect(out).toEqual([`1/53:${"x".repeat(99)}`]);
  });

  it("give up a message that grows too large, at no cost to its stream", () => {
    add(B, "x".repeat(60), { mid: 0 });
    add(B | E, "next", { mid: 1 });
    add(U | B, "beside", { mid: 0 });
    add(0, "x".repeat(60), { mid: 0, fsn: 2 });
    expect(reassembly.heldBytes).toBe(10);
    expect(out).toEqual([]);
    add(E, "x", { mid: 0, fsn: 3 });
    add(0, "x", { mid: 0, fsn: 1 });
    expect(out).toEqual(["too large", "1/53:next"]);
    add(B | E, "y".repeat(101), { streamId: 4 });
    add(B | E, "z", { streamId: 4, mid: 1 });
    expect(out.slice(2)).toEqual(["too large", "4/53:z"]);
    expect(reassembly.heldBytes).toBe(6);
  });
});

describe("I-FORWARD-TSN", () => {
  it("gives up the parts of the messages it names, and delivers what waited for them", () => {
    add(B, "lost", { mid: 0 });
    add(B | E, "b", { mid: 1 });
    add(E, "lost", { mid: 2, fsn: 1 });
    add(B, "liv", { mid: 3 });
    add(B | U, "lost", { mid: 0 });
    add(B | U, "lost", { mid: 2 });
    add(B | U, "liv", { mid: 3 });
    reassembly.skip(1, 2);
    expect(out).toEqual(["1/53:b"]);
    reassembly.skipUnordered(1, 2);
    expect(reassembly.heldBytes).toBe(6);
    add(E | U, "e u", { mid: 3, fsn: 1 });
    add(E, "e o", { mid: 3, fsn: 1 });
    expect(out.slice(1)).toEqual(["1/53:live u", "1/53:live o"]);
    expect(reassembly.heldBytes).toBe(0);
  });

  it("leaves other streams and the other kind alone", () => {
    add(B, "a", { streamId: 2 });
    add(B | U, "b", { streamId: 1 });
    add(B, "c", { streamId: 1 });
    reassembly.skip(1, 7);
    expect(reassembly.heldBytes).toBe(2);
    reassembly.skipUnordered(2, 7);
    expect(reassembly.heldBytes).toBe(2);
  });

  it("keeps nothing of what comes late of an unordered message that it named", () => {
    reassembly.skipUnordered(1, 5);
    expect(add(U, "late", { mid: 5, fsn: 3 })).toBe(true);
    expect(add(B | U, "late", { mid: 0xffff_ffff })).toBe(true);
    expect(reassembly.heldBytes).toBe(0);
    // Number 5 + 2^31 is not late but far on: its turn comes around once in 2^32 messages.
    expect(add(B | U, "next", { mid: 0x8000_0000 })).toBe(true);
    expect(reassembly.heldBytes).toBe(4);
    reassembly.skipUnordered(1, 4);
    expect(add(B | U, "late", { mid: 5 })).toBe(true);
    expect(reassembly.heldBytes).toBe(4);
  });
});

describe("what the peer will not send again, though it has not said so", () => {
  it("is given up where nothing has come of a message since", () => {
    add(B | U, "old", { mid: 0, which: 1 });
    add(B | U, "old", { mid: 1, which: 2 });
    add(U, "new", { mid: 1, fsn: 1, which: 9 });
    reassembly.forsake(tsn(0), tsn(5));
    expect(reassembly.heldBytes).toBe(6);
    add(E | U, "!", { mid: 1, fsn: 2, which: 10 });
    expect(out).toEqual(["1/53:oldnew!"]);
  });
});

describe("stream reset", () => {
  it("starts both counts of the named streams over, or of all", () => {
    for (const streamId of [1, 2]) {
      add(B | E, "a", { streamId });
      add(B, "part", { streamId, mid: 1 });
      add(B | U, "part", { streamId, mid: 3 });
      reassembly.skipUnordered(streamId, 2);
    }
    reassembly.reset([1]);
    expect(reassembly.heldBytes).toBe(8);
    add(B | E, "b", { streamId: 1 });
    add(B | U, "b", { streamId: 1 });
    add(E | U, "c", { streamId: 1, fsn: 1 });
    add(B | E, "not yet", { streamId: 2, mid: 2 });
    expect(out).toEqual(["1/53:a", "2/53:a", "1/53:b", "1/53:bc"]);
    reassembly.reset([]);
    expect(reassembly.heldBytes).toBe(0);
    add(B | E, "d", { streamId: 2 });
    expect(out.slice(4)).toEqual(["2/53:d"]);
  });
});

describe("any arrivals whatsoever", () => {
  const arrival = fc.record({
    flags: fc.integer({ min: 0, max: 7 }),
    fsn: fc.integer({ min: 0, max: 6 }),
    length: fc.integer({ min: 1, max: 120 }),
    mid: fc.integer({ min: 0, max: 3 }),
    streamId: fc.integer({ min: 0, max: 1 }),
    skips: fc.option(fc.boolean(), { freq: 8 }),
    isNext: fc.boolean(),
  });

  it("keep within the bounds and leave nothing behind after a reset", () => {
    const most = 16 * limits.receiveWindowBytes + 2 * limits.maxMessageBytes;
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 60 }), (arrivals) => {
        start();
        for (const { flags, fsn, length, mid, streamId, skips, isNext } of arrivals) {
          if (skips === true) reassembly.skip(streamId, mid);
          else if (skips === false) reassembly.skipUnordered(streamId, mid);
          else add(flags, "x".repeat(length), { fsn, mid, streamId, isNext });
          expect(reassembly.heldBytes).toBeLessThanOrEqual(most);
          expect(reassembly.heldBytes).toBeGreaterThanOrEqual(0);
        }
        reassembly.reset([]);
        expect(reassembly.heldBytes).toBe(0);
        expect(memory.bytes).toBe(0);
      }),
      { seed: 7, numRuns: 1_000 },
    );
  });
});
