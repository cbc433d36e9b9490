import { describe, expect, it } from "vitest";
import { CHROMIUM, FIREFOX } from "./browser-peer/profile.ts";
import { exchange } from "./exchange.ts";
import type { LinkConditions } from "./link.ts";
import { World } from "./world.ts";
import { browserEnd, serverEnd } from "./ends.ts";

const ROUGH: Partial<LinkConditions> = {
  loss: 0.05,
  jitterMs: 40,
  reorder: 0.05,
  reorderMs: 60,
  duplication: 0.1,
  corruption: 0.02,
};

function rough(seed: string, profile = CHROMIUM) {
  const world = new World(seed);
  const trace: string[] = [];
  const browser = world.openBrowser({ profile, line: { rttMs: 60 } });
  browser.host.setLine(ROUGH);
  world.network.onDelivery = (from, to, datagram) => {
    trace.push(`${world.network.now} ${from.port} ${to.port} ${datagram.length}`);
  };
  const ends = [browserEnd(browser), serverEnd(world, world.server.opened[0])] as const;
  const flows = exchange(world.network, ...ends, { messages: 2000, messageBytes: 80, intervalMs: 1000 / 60 });
  return { ...flows, trace, world };
}

describe("over a line that loses, reorders, duplicates and corrupts", () => {
  it.each([CHROMIUM, FIREFOX])("no message arrives twice or damaged ($name)", (profile) => {
    const { there, back } = rough("rough", profile);
    for (const flow of [there, back]) {
      expect(flow.duplicates).toBe(0);
      expect(flow.damaged).toBe(0);
      expect(flow.sent).toBe(2000);
      expect(flow.loss).toBeLessThan(0.1);
    }
  });

  it("reordering alone loses nothing", () => {
    const world = new World("reordering");
    const browser = world.openBrowser({ line: { rttMs: 60 } });
    browser.host.setLine({ reorder: 0.2, reorderMs: 60 });
    const ends = [browserEnd(browser), serverEnd(world, world.server.opened[0])] as const;
    const { there, back } = exchange(world.network, ...ends, { messages: 2000, messageBytes: 80, intervalMs: 5 });
    expect([there.delivered, back.delivered]).toEqual([2000, 2000]);
    expect([there.outOfOrder > 100, back.outOfOrder > 100]).toEqual([true, true]);
  });

  it("the same seed gives the same run, another seed another one", () => {
    const first = rough("seed A").trace;
    expect(rough("seed A").trace).toEqual(first);
    expect(rough("seed B").trace).not.toEqual(first);
  });
});
