import { describe, expect, it } from "vitest";
import { runBesideBulk } from "./tables/beside-bulk.ts";
import { runFairness } from "./tables/fairness.ts";
import { runReliable } from "./tables/reliable.ts";
import { runTransfer } from "./tables/transfer.ts";

// Small rows, loosely bounded. The tables themselves are `npm run sim`.

describe("a game's messages beside a transfer on the same association", () => {
  const line = { near: "ours", megabits: 100, queueMs: 100, loss: 0.01, rttMs: 100, seconds: 10 } as const;

  it.each(["ours", "usrsctp"] as const)("to %s wait for no more than the message under way, with DATA", (far) => {
    const options = { ...line, far, interleaving: false, bulkBytes: 65_536 };
    const { delivered, p50, p99, bulkMegabits, ended } = runBesideBulk("beside", options);
    expect(ended).toBeUndefined();
    expect(delivered).toBeGreaterThan(0.96);
    expect(p50).toBeLessThan(450);
    expect(p99).toBeLessThan(2000);
    expect(bulkMegabits).toBeGreaterThan(0.5);
  });

  it.each(["ours", "usrsctp"] as const)("to %s arrive as if they were alone, with I-DATA", (far) => {
    const options = { ...line, far, interleaving: true, bulkBytes: 65_536 };
    const { inTime, p50, bulkMegabits, ended } = runBesideBulk("beside", options);
    expect(ended).toBeUndefined();
    expect(inTime).toBeGreaterThan(0.96);
    expect(p50).toBeLessThan(120);
    expect(bulkMegabits).toBeGreaterThan(0.5);
  });
});

describe("a transfer of a megabyte at 20 ms and 100 Mbit/s", () => {
  // Twice what two usrsctps take.
  it.each([
    { far: "ours", loss: 0, most: 0.5 },
    { far: "usrsctp", loss: 0, most: 0.5 },
    { far: "ours", loss: 0.05, most: 8 },
    { far: "usrsctp", loss: 0.05, most: 8 },
  ] as const)("to $far at $loss loss is over in $most s", ({ far, loss, most }) => {
    const line = { megabits: 100, queueMs: 100, loss, rttMs: 20 };
    const { seconds } = runTransfer("transfer", { near: "ours", far, megabytes: 1, ...line });
    expect(seconds).toBeLessThan(most);
  });
});

describe("reliable messages at 60 Hz and 100 ms", () => {
  it.each(["ours", "usrsctp"] as const)("all reach %s at a loss of a tenth, 99 of 100 within half a second", (far) => {
    const line = { loss: 0.1, rttMs: 100, seconds: 20 };
    const { missing, ended, p99 } = runReliable("reliable", { near: "ours", far, ...line });
    expect([missing, ended]).toEqual([0, undefined]);
    expect(p99).toBeLessThan(500);
  });
});

describe("a transfer beside usrsctp's over one bottleneck", () => {
  it("leaves it a share, and takes one", () => {
    const line = { megabits: 3, queueMs: 100, rttMs: 40, seconds: 20 };
    const { megabits } = runFairness("fairness", { flows: ["ours", "usrsctp"], ...line });
    const share = megabits[0] / (megabits[0] + megabits[1]);
    expect(share).toBeGreaterThan(0.25);
    expect(share).toBeLessThan(0.75);
  });

  it("loses about as little at the queue as usrsctp's, which loses a twentieth", () => {
    const line = { megabits: 0.5, queueMs: 100, rttMs: 40, seconds: 20 };
    const { tailDrops, ended } = runFairness("fairness", { flows: ["ours"], ...line });
    expect(ended).toBeUndefined();
    expect(tailDrops).toBeLessThan(0.1);
  });
});
