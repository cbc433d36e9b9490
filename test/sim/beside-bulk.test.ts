import { describe, expect, it } from "vitest";
import { runBesideBulk } from "./tables/beside-bulk.ts";

const LINE = { megabits: 100, queueMs: 100, loss: 0.01, rttMs: 100, seconds: 10 } as const;

describe.each([1_000, 4_096, 16_384, 65_536])("a game's messages beside messages of %i bytes", (bulkBytes) => {
  it("wait for a packet or two with I-DATA", () => {
    const options = { near: "ours", far: "ours", interleaving: true, bulkBytes, ...LINE } as const;
    const { inTime, p50, bulkMegabits, ended } = runBesideBulk("interleaved", options);
    expect(ended).toBeUndefined();
    // One in a hundred is lost on the line.
    expect(inTime).toBeGreaterThan(0.97);
    expect(p50).toBeLessThan(100);
    expect(bulkMegabits).toBeGreaterThan(0.5);
  });

  it("wait with DATA for the end of one at most", () => {
    const options = { near: "ours", far: "ours", interleaving: false, bulkBytes, ...LINE } as const;
    const { delivered, p50, bulkMegabits, ended } = runBesideBulk("whole", options);
    expect(ended).toBeUndefined();
    expect(delivered).toBeGreaterThan(0.97);
    // The window sends 64 KB in half a second.
    expect(p50).toBeLessThan(bulkBytes > 20_000 ? 350 : 150);
    expect(bulkMegabits).toBeGreaterThan(0.5);
  });
});
