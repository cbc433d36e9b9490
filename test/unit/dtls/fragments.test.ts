import { describe, expect, it } from "vitest";
import { Fragments } from "../../../src/dtls/fragments.ts";
import { Reassembly } from "../../../src/dtls/reassembly.ts";
import { growthOf } from "../../hostile/support/memory.ts";
import { Random } from "../../sim/random.ts";

describe("the fragments of a message", () => {
  it("make the message again, however it was cut, overlapped, repeated and shuffled", () => {
    for (let trial = 0; trial < 300; trial++) {
      const random = new Random(`fragments ${trial}`);
      const message = random.bytes(1 + random.below(400));
      const fragments = new Fragments();
      const here = new Set<number>();
      while (here.size < message.length) {
        const start = random.below(message.length);
        const end = Math.min(message.length, start + random.below([3, 30, 300][random.below(3)]));
        fragments.add(start, message.subarray(start, end));
        for (let at = start; at < end; at++) here.add(at);
        expect(fragments.byteCount, random.seed).toBe(here.size);
      }
      expect(fragments.assemble(), random.seed).toEqual(message);
    }
  });

  it("keep the byte that came first, where two contradict each other", () => {
    const fragments = new Fragments();
    fragments.add(1, Uint8Array.of(1, 1));
    fragments.add(0, Uint8Array.of(2, 2, 2, 2));
    expect(fragments.assemble()).toEqual(Uint8Array.of(2, 1, 1, 2));
  });

  it("that come in order are one piece", () => {
    const fragments = new Fragments();
    for (let at = 0; at < 100; at += 2) fragments.add(at, Uint8Array.of(at, at + 1));
    expect(fragments.pieceCount).toBe(1);
    expect(fragments.assemble()).toEqual(Uint8Array.from({ length: 100 }, (_, i) => i));
  });
});

describe("fragments that announce 8 KB", () => {
  const header = (sequence: number, start: number, bytes: number) => {
    const fragment = new Uint8Array(12 + bytes);
    fragment.set([11, 0, 0x20, 0, 0, sequence, 0, start >>> 8, start & 0xff, 0, 0, bytes]);
    return fragment;
  };

  it.each([
    ["empty", 0, 400],
    ["of one byte", 1, 1_200],
  ])("take no 8 KB: %s", (_what, bytes, allowed) => {
    const held: Reassembly[] = [];
    const growth = growthOf(() => {
      for (let i = 0; i < 500; i++) {
        const reassembly = new Reassembly();
        for (let sequence = 0; sequence < 8; sequence++) {
          reassembly.addRecord(0, header(sequence, 4_000, bytes), () => {});
        }
        held.push(reassembly);
      }
    });
    expect(growth / (500 * 8)).toBeLessThan(allowed);
    expect(held).toHaveLength(500);
  });

  it("take at most 48 KB for a handshake in all, whatever comes", () => {
    const held: Reassembly[] = [];
    const growth = growthOf(() => {
      for (let i = 0; i < 50; i++) {
        const random = new Random(`greedy ${i}`);
        const reassembly = new Reassembly();
        // One byte here and there, and then long ones.
        for (let piece = 0; piece < 3_000; piece++) {
          reassembly.addRecord(0, header(random.below(8), random.below(8_000), piece < 1_500 ? 1 : 100), () => {});
        }
        held.push(reassembly);
      }
    });
    expect(growth / 50).toBeLessThan(48_000);
    expect(held).toHaveLength(50);
  });
});
