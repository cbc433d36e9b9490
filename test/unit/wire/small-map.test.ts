import { describe, expect, it } from "vitest";
import { SmallMap } from "../../../src/wire/small-map.ts";

describe("a small map", () => {
  it("does what a Map does, for seeded random operations on few keys", () => {
    const small = new SmallMap<number, number>();
    const map = new Map<number, number>();
    let state = 5;
    for (let i = 0; i < 5_000; i++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      const key = (state >>> 8) % 4;
      const action = (state >>> 16) % 7;
      if (action < 3) {
        small.set(key, i);
        map.set(key, i);
      } else if (action < 6) {
        expect(small.delete(key)).toBe(map.delete(key));
      } else if ((state >>> 24) % 8 === 0) {
        small.clear();
        map.clear();
      }
      expect([small.size, small.keys(), small.values()]).toEqual([map.size, [...map.keys()], [...map.values()]]);
      for (let k = 0; k < 4; k++) expect([small.has(k), small.get(k)]).toEqual([map.has(k), map.get(k)]);
    }
  });
});
