import { describe, expect, it } from "vitest";
import { type BrowserProfile, CHROMIUM, FIREFOX } from "./browser-peer/profile.ts";
import { runCell, withinBound } from "./cell.ts";

// Small cells: the whole table is `npm run sim`.
const CELLS: [loss: number, lossBurst: number, rttMs: number, profile: BrowserProfile][] = [
  [0, 1, 100, CHROMIUM],
  [0.02, 1, 100, CHROMIUM],
  [0.05, 1, 100, FIREFOX],
  [0.05, 4, 50, CHROMIUM],
  [0.1, 1, 0, FIREFOX],
  [0.2, 4, 100, CHROMIUM],
];

describe("link loss in is message loss out", () => {
  it.each(CELLS)("at %f loss in bursts of %i, RTT %i ms", (loss, lossBurst, rttMs, profile) => {
    const seed = `loss ${loss} ${lossBurst} ${rttMs}`;
    const cell = { seed, loss, lossBurst, rttMs, profile, messages: 3000, messageBytes: 100, rateHz: 60 };
    const result = runCell(cell);
    expect(result.up, seed).toSatisfy(withinBound);
    expect(result.down, seed).toSatisfy(withinBound);
  });

  it("holds where gaps come faster than the browser can skip them, for as long as it takes", () => {
    const cell = { seed: "gaps", loss: 0.2, lossBurst: 1, rttMs: 100, messages: 9000, messageBytes: 100, rateHz: 120 };
    expect(runCell(cell).up, cell.seed).toSatisfy(withinBound);
  });

  it("holds for messages that fill their datagrams", () => {
    const cell = { seed: "large", loss: 0.02, lossBurst: 1, rttMs: 50, messages: 2000, messageBytes: 1100, rateHz: 60 };
    const result = runCell(cell);
    expect(result.up, cell.seed).toSatisfy(withinBound);
    expect(result.down, cell.seed).toSatisfy(withinBound);
  });
});
