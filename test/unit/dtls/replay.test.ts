import { describe, expect, it } from "vitest";
import { ReplayWindow } from "../../../src/dtls/replay.ts";

describe("the replay window", () => {
  it("takes each sequence number once", () => {
    const window = new ReplayWindow();
    for (const sequence of [0, 1, 5, 3, 2, 4]) {
      expect(window.isFresh(sequence)).toBe(true);
      window.accept(sequence);
    }
    for (let sequence = 0; sequence <= 5; sequence++) expect(window.isFresh(sequence)).toBe(false);
    expect(window.isFresh(6)).toBe(true);
  });

  it("changes nothing when asked", () => {
    const window = new ReplayWindow();
    expect(window.isFresh(1_000_000)).toBe(true);
    expect(window.newest).toBe(-1);
    expect(window.isFresh(0)).toBe(true);
  });

  it("takes late records within its size and refuses older ones", () => {
    const window = new ReplayWindow();
    window.accept(10_000);
    expect(window.isFresh(10_000 - ReplayWindow.size + 1)).toBe(true);
    expect(window.isFresh(10_000 - ReplayWindow.size)).toBe(false);
    expect(ReplayWindow.size).toBeGreaterThanOrEqual(64); // RFC 6347 §4.1.2.6
  });

  it("forgets what it knew of the slots that a jump ahead reuses", () => {
    const window = new ReplayWindow();
    for (let sequence = 0; sequence < 2048; sequence++) window.accept(sequence);
    window.accept(2048 + 900);
    for (let sequence = 2048; sequence < 2048 + 900; sequence++) expect(window.isFresh(sequence)).toBe(true);
    expect(window.isFresh(2047)).toBe(false);
  });

  it("agrees with a set where records are mostly in sequence, rarely missing, and later come after all", () => {
    const window = new ReplayWindow();
    const seen = new Set<number>();
    let state = 7;
    let next = 0;
    for (let i = 0; i < 50_000; i++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      const draw = (state >>> 8) % 3000;
      if (draw === 0) next += 1 + ((state >>> 20) % 5);
      const sequence = draw >= 1 && draw <= 60 ? Math.max(0, next - 1 - ((state >>> 12) % 1100)) : next++;
      const expected =
        !seen.has(sequence) && (sequence > window.newest || window.newest - sequence < ReplayWindow.size);
      expect(window.isFresh(sequence), `sequence ${sequence}, newest ${window.newest}`).toBe(expected);
      if (!expected) continue;
      window.accept(sequence);
      seen.add(sequence);
    }
  });

  it("agrees with a set, for seeded random walks up to the largest sequence numbers", () => {
    for (const base of [0, 2 ** 32 - 500, 2 ** 47]) {
      const window = new ReplayWindow();
      const seen = new Set<number>();
      let state = 42;
      let newest = base;
      for (let i = 0; i < 20_000; i++) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        const sequence = Math.max(base, newest + ((state >>> 8) % 1200) - 1100);
        const expected = !seen.has(sequence) && (newest - sequence < ReplayWindow.size || sequence > newest);
        expect(window.isFresh(sequence), `sequence ${sequence}, newest ${newest}`).toBe(expected || window.newest < 0);
        if (!window.isFresh(sequence)) continue;
        window.accept(sequence);
        seen.add(sequence);
        newest = Math.max(newest, sequence);
      }
    }
  });
});
