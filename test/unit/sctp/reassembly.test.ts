import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { Reassembly } from "../../../src/sctp/reassembly.ts";
import { messageNumber, SSN, tsn } from "../../../src/wire/serial.ts";

const B = 2;
const E = 1;
const U = 4;
const limits = { maxMessageBytes: 100, receiveWindowBytes: 300, maxReassemblyChunks: 8 };

let out: string[];
let reassembly: Reassembly;
const sink = {
  message: (streamId: number, ppid: number, data: Uint8Array) => {
    out.push(`${streamId}/${ppid}:${String.fromCharCode(...data)}`);
  },
  tooLarge: () => {
    out.push("too large");
  },
};
beforeEach(() => {
  out = [];
  reassembly = new Reassembly(limits, sink);
});

function add(
  flags: number,
  which: number,
  text: string,
  { streamId = 1, sequence = 0, isNext = false }: { streamId?: number; sequence?: number; isNext?: boolean } = {},
): boolean {
  const memory = Uint8Array.from(`..${text}..`, (character) => character.charCodeAt(0));
  return reassembly.add(flags, tsn(which), streamId, sequence, 53, memory, 2, text.length, isNext);
}

describe("whole messages", () => {
  it("are delivered at once when unordered", () => {
    add(B | E | U, 7, "b");
    add(B | E | U, 3, "a");
    expect(out).toEqual(["1/53:b", "1/53:a"]);
    expect(reassembly.heldBytes).toBe(0);
  });

  it("wait for their turn when ordered, in each stream for itself", () => {
    add(B | E, 3, "c", { sequence: 2 });
    add(B | E, 2, "b", { sequence: 1 });
    add(B | E, 9, "x", { streamId: 2 });
    expect(out).toEqual(["2/53:x"]);
    expect(reassembly.heldBytes).toBe(2);
    add(B | E, 1, "a", { sequence: 0 });
    expect(out).toEqual(["2/53:x", "1/53:a", "1/53:b", "1/53:c"]);
    expect(reassembly.heldBytes).toBe(0);
  });

  it("keep their order across the wrap-around of the stream sequence number", () => {
    reassembly.skip(1, messageNumber(0x7ffe, SSN));
    reassembly.skip(1, messageNumber(0xfffd, SSN));
    add(B | E, 3, "c", { sequence: 0 });
    add(B | E, 2, "b", { sequence: 0xffff });
    add(B | E, 1, "a", { sequence: 0xfffe });
    expect(out.join()).toBe("1/53:a,1/53:b,1/53:c");
  });

  it("with a sequence number that had its turn are dropped", () => {
    add(B | E, 1, "a", { sequence: 0 });
    add(B | E, 2, "again", { sequence: 0 });
    expect(out).toEqual(["1/53:a"]);
  });
});

describe("fragments", () => {
  it("are put together in any order of arrival", () => {
    const parts: [number, number, string][] = [
      [B | U, 10, "ab"],
      [U, 11, "c"],
      [U, 12, "de"],
      [E | U, 13, "f"],
    ];
    const orders = fc.shuffledSubarray(parts, { minLength: 4 });
    fc.assert(
      fc.property(orders, (order) => {
        out = [];
        reassembly = new Reassembly(limits, sink);
        for (const [flags, which, text] of order) add(flags, which, text);
        expect(out).toEqual(["1/53:abcdef"]);
        expect(reassembly.heldBytes).toBe(0);
      }),
      { seed: 1, numRuns: 50 },
    );
  });

  it("of adjacent messages are not mixed up, nor those of different streams or sequence numbers", () => {
    add(E | U, 3, "2");
    add(B | U, 4, "3");
    add(B | U, 2, "1");
    expect(out).toEqual(["1/53:12"]);
    add(E | U, 5, "x", { streamId: 2 });
    expect(out).toHaveLength(1);
    add(B, 20, "p", { sequence: 0 });
    add(E, 21, "q", { sequence: 1 });
    expect(out).toHaveLength(1);
  });

  it("of an ordered message take its turn", () => {
    add(B | E, 3, "second", { sequence: 1 });
    add(E, 2, "st", { sequence: 0 });
    add(B, 1, "fir", { sequence: 0 });
    expect(out).toEqual(["1/53:first", "1/53:second"]);
  });
});

describe("bounds", () => {
  it("refuse what does not fit, but for the chunk that everything waits for", () => {
    for (let i = 0; i < 3; i++) expect(add(B | E, 10 + i, "x".repeat(100), { sequence: 1 + i })).toBe(true);
    expect(add(B | E, 13, "x", { sequence: 4 })).toBe(false);
    expect(add(B, 1, "y".repeat(60), { sequence: 0, isNext: true })).toBe(true);
    expect(add(E, 2, "y".repeat(40), { sequence: 0, isNext: true })).toBe(true);
    expect(out).toHaveLength(4);
    expect(reassembly.heldBytes).toBe(0);
  });

  it("refuse more chunks than are kept", () => {
    for (let i = 0; i < 8; i++) expect(add(U, 2 * i, "x")).toBe(true);
    expect(add(U, 20, "x")).toBe(false);
    expect(add(B | E | U, 22, "whole")).toBe(true);
  });

  it("give up a message that grows too large, at no cost to its stream", () => {
    add(B, 1, "x".repeat(60), { sequence: 0 });
    add(B | E, 3, "next", { sequence: 1 });
    expect(reassembly.heldBytes).toBe(64);
    add(E, 2, "x".repeat(60), { sequence: 0 });
    expect(out).toEqual(["too large", "1/53:next"]);
    add(B | E, 9, "y".repeat(101), { streamId: 4 });
    expect(out.slice(2)).toEqual(["too large"]);
    add(B | E, 10, "z", { streamId: 4, sequence: 1 });
    expect(out.slice(3)).toEqual(["4/53:z"]);
    expect(reassembly.heldBytes).toBe(0);
  });

  it("let go of a too large message even before its end has come", () => {
    for (let i = 0; i < 6; i++) add(i === 0 ? B | U : U, i, "x".repeat(60));
    expect(reassembly.heldBytes).toBeLessThanOrEqual(60);
    add(E | U, 6, "x");
    expect(out).toEqual(["too large"]);
    expect(reassembly.heldBytes).toBe(0);
  });
});

describe("FORWARD TSN", () => {
  it("removes what will never be whole, and nothing else", () => {
    add(B | U, 1, "lost");
    add(U, 5, "tail");
    add(B | U, 8, "live");
    reassembly.forward(tsn(0), tsn(5));
    expect(reassembly.heldBytes).toBe(4);
    add(E | U, 9, "!");
    expect(out).toEqual(["1/53:live!"]);
  });

  it("delivers what waited for the skipped sequence numbers, in order, and then what follows", () => {
    add(B | E, 2, "b", { sequence: 1 });
    add(B | E, 4, "d", { sequence: 3 });
    add(B | E, 5, "e", { sequence: 4 });
    reassembly.skip(1, messageNumber(2, SSN));
    expect(out).toEqual(["1/53:b", "1/53:d", "1/53:e"]);
    reassembly.skip(1, messageNumber(2, SSN));
    add(B | E, 6, "f", { sequence: 5 });
    expect(out).toHaveLength(4);
    expect(reassembly.heldBytes).toBe(0);
  });
});

describe("stream reset", () => {
  it("starts the named streams over, or all of them", () => {
    add(B | E, 1, "a", { streamId: 1 });
    add(B | E, 2, "a", { streamId: 2 });
    add(B | E, 3, "held", { streamId: 2, sequence: 5 });
    reassembly.reset([1]);
    add(B | E, 4, "b", { streamId: 1 });
    add(B | E, 5, "not yet", { streamId: 2 });
    expect(out).toEqual(["1/53:a", "2/53:a", "1/53:b"]);
    reassembly.reset([]);
    add(B | E, 6, "c", { streamId: 1 });
    add(B | E, 7, "c", { streamId: 2 });
    expect(out.slice(3)).toEqual(["1/53:c", "2/53:c"]);
    expect(reassembly.heldBytes).toBe(0);
  });
});

describe("any arrivals whatsoever", () => {
  it("keep within the bounds and leave nothing behind after a FORWARD TSN over all", () => {
    const arrival = fc.record({
      flags: fc.integer({ min: 0, max: 7 }),
      which: fc.integer({ min: 0, max: 30 }),
      length: fc.integer({ min: 1, max: 120 }),
      sequence: fc.integer({ min: 0, max: 3 }),
      streamId: fc.integer({ min: 0, max: 1 }),
    });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 60 }), (arrivals) => {
        out = [];
        reassembly = new Reassembly(limits, sink);
        const seen = new Set<number>();
        for (const { flags, which, length, sequence, streamId } of arrivals) {
          if (seen.has(which)) continue;
          if (add(flags, which, "x".repeat(length), { streamId, sequence })) seen.add(which);
          expect(reassembly.heldBytes).toBeLessThanOrEqual(limits.receiveWindowBytes);
          expect(reassembly.heldBytes).toBeGreaterThanOrEqual(0);
        }
        reassembly.forward(tsn(-1), tsn(31));
        reassembly.reset([]);
        expect(reassembly.heldBytes).toBe(0);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
