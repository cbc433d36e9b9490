import { describe, expect, it } from "vitest";
import { Random } from "../../sim/random.ts";

const take = (random: Random, count: number) => Array.from({ length: count }, () => random.uint32());

describe("seeded randomness", () => {
  it("gives the same stream for the same seed, and others for others", () => {
    expect(take(new Random("7"), 20)).toEqual(take(new Random("7"), 20));
    expect(take(new Random("7"), 20)).not.toEqual(take(new Random("8"), 20));
  });

  it("stays what it is: recorded runs can be repeated from their seed", () => {
    expect(take(new Random("recorded"), 4)).toEqual([1447207653, 551398070, 3971649369, 2822581724]);
  });

  it("forks streams that do not depend on what was drawn before", () => {
    const fresh = new Random("7");
    const used = new Random("7");
    take(used, 100);
    expect(take(used.fork("loss"), 5)).toEqual(take(fresh.fork("loss"), 5));
    expect(take(fresh.fork("loss"), 5)).not.toEqual(take(fresh.fork("jitter"), 5));
  });

  it("is uniform to within three standard deviations", () => {
    const random = new Random("uniform");
    const bins = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) bins[random.below(10)]++;
    for (const bin of bins) expect(Math.abs(bin - 10_000)).toBeLessThan(3 * Math.sqrt(9_000) + 1);
    expect(random.bytes(1000).some((byte) => byte > 250)).toBe(true);
  });
});
