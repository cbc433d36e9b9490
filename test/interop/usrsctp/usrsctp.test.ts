import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { Bridge, buildBridge, content, type SeenMessage } from "./bridge.ts";

const COUNT = 150;
const PPID = 53;

/** The four treatments of the issue, each on a stream of its own. */
const KINDS = [
  { streamId: 1, name: "reliable, ordered", ordered: true, maxRetransmits: -1 },
  { streamId: 2, name: "reliable, unordered", ordered: false, maxRetransmits: -1 },
  { streamId: 3, name: "maxRetransmits 0, ordered", ordered: true, maxRetransmits: 0 },
  { streamId: 4, name: "maxRetransmits 0, unordered", ordered: false, maxRetransmits: 0 },
] as const;
/** Of an unreliable flow only so much is asked that its last message has a fair chance; what counts is that none comes twice. */
const LEAST_SHARE = 0.6;

function lengthOf(index: number): number {
  return 4 + ((index * 37) % (index % 10 === 0 ? 5000 : 900));
}

let program: string;
let bridge: Bridge;
beforeAll(() => {
  program = buildBridge();
});
afterEach(() => bridge?.close());

function expectFlows(seen: readonly SeenMessage[], loss: number, who: string): void {
  for (const { streamId, name, ordered, maxRetransmits } of KINDS) {
    const flow = seen.filter((message) => message.streamId === streamId);
    const indices = flow.map(({ index }) => index);
    expect(indices, `${who}, ${name}: content`).not.toContain(-1);
    expect(new Set(indices).size, `${who}, ${name}: twice`).toBe(indices.length);
    for (const { length, index, ppid } of flow) expect([length, ppid]).toEqual([lengthOf(index), PPID]);
    if (ordered) {
      expect(indices, `${who}, ${name}: order`).toEqual([...indices].sort((a, b) => a - b));
    }
    const least = maxRetransmits < 0 || loss === 0 ? COUNT : COUNT * LEAST_SHARE;
    expect(indices.length, `${who}, ${name}: arrived`).toBeGreaterThanOrEqual(least);
  }
}

describe.each([
  { role: "client", loss: 0 },
  { role: "server", loss: 0 },
  { role: "client", loss: 0.1 },
  { role: "server", loss: 0.1 },
] as const)("usrsctp as $role at $loss loss", ({ role, loss }) => {
  it("exchanges messages of every kind, whole, once, and in order where it was promised", async () => {
    bridge = await Bridge.open(program, role, loss, `${role} ${loss}`);
    for (let index = 0; index < COUNT; index++) {
      for (const { streamId, ordered, maxRetransmits } of KINDS) {
        const length = lengthOf(index);
        bridge.sendFromPeer({ streamId, ppid: PPID, ordered, maxRetransmits, length, index });
        bridge.send({
          streamId,
          ppid: PPID,
          ordered,
          data: content(index, length),
          ...(maxRetransmits >= 0 && { maxRetransmits }),
        });
      }
      // A few messages each turn, as a flow would be: not all in the first window.
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
    const reliable = (seen: readonly SeenMessage[]) => seen.filter(({ streamId }) => streamId <= 2).length;
    await bridge.until(() => reliable(bridge.ours) >= 2 * COUNT && reliable(bridge.theirs) >= 2 * COUNT);
    // What is left of the unreliable flows is on its way or lost; a reliable message behind each flushes them out.
    bridge.send({ streamId: 3, ppid: PPID, ordered: true, data: content(9999, 4) });
    bridge.sendFromPeer({ streamId: 3, ppid: PPID, ordered: true, maxRetransmits: -1, length: 4, index: 9999 });
    const isLast = ({ index }: SeenMessage) => index === 9999;
    await bridge.until(() => bridge.ours.some(isLast) && bridge.theirs.some(isLast));
    expectFlows(
      bridge.ours.filter((message) => !isLast(message)),
      loss,
      "ours",
    );
    expectFlows(
      bridge.theirs.filter((message) => !isLast(message)),
      loss,
      "theirs",
    );
    expect(bridge.closedBecause).toBeUndefined();
    expect(bridge.events.filter((event) => event.startsWith("stderr"))).toEqual([]);
  });

  it("resets streams, each side its own, and numbers start over", async () => {
    bridge = await Bridge.open(program, role, loss, `reset ${role} ${loss}`);
    const both = async (index: number) => {
      bridge.send({ streamId: 5, ppid: PPID, ordered: true, data: content(index, 100) });
      bridge.sendFromPeer({ streamId: 5, ppid: PPID, ordered: true, maxRetransmits: -1, length: 100, index });
      await bridge.until(() =>
        [bridge.ours, bridge.theirs].every((seen) => seen.some((message) => message.index === index)),
      );
    };
    await both(1);
    bridge.resetStream(5);
    await bridge.until(() => bridge.events.includes("outgoing reset 5") && bridge.events.includes("reset in 5"));
    bridge.command("reset 5");
    await bridge.until(() => bridge.events.includes("incoming reset 5") && bridge.events.includes("reset out 5"));
    await both(2);
    expect([bridge.ours.length, bridge.theirs.length]).toEqual([2, 2]);
  });

  it("shuts down, and has everything delivered that was sent before", async () => {
    bridge = await Bridge.open(program, role, loss, `shutdown ${role} ${loss}`);
    for (let index = 0; index < 20; index++) {
      bridge.send({ streamId: 1, ppid: PPID, ordered: true, data: content(index, 1000) });
      bridge.sendFromPeer({ streamId: 1, ppid: PPID, ordered: true, maxRetransmits: -1, length: 1000, index });
    }
    bridge.command("shutdown");
    await bridge.until(() => bridge.closedBecause !== undefined || bridge.events.includes("down"));
    expect([bridge.ours.length, bridge.theirs.length]).toEqual([20, 20]);
    if (loss === 0) await bridge.until(() => bridge.closedBecause === "peer-shutdown");
  });
});

// A lost ABORT is not repeated, so this is for a line that loses nothing.
describe.each(["client", "server"] as const)("usrsctp as %s", (role) => {
  it("is told of our ABORT", async () => {
    bridge = await Bridge.open(program, role, 0, `abort ${role}`);
    bridge.abort();
    await bridge.until(() => bridge.events.includes("lost"));
  });

  it("tells us of its own", async () => {
    bridge = await Bridge.open(program, role, 0, `aborted by ${role}`);
    bridge.command("abort");
    await bridge.until(() => bridge.closedBecause === "peer-abort");
  });
});
