import { describe, expect, it } from "vitest";
import { unlimitedAccount } from "../../src/wire/memory-ledger.ts";
import { AssociationNode } from "./association-node.ts";
import { Flow } from "./flow.ts";
import { Network } from "./network.ts";

const NEAR = { address: "198.51.100.1", port: 1000 };
const FAR = { address: "192.0.2.1", port: 2000 };
const SIZES = [4, 100, 1_100, 1_300, 5_000, 20_000, 60_000];
const MESSAGES = 60;

const KINDS = [
  { ordered: true },
  { ordered: false },
  { ordered: true, maxRetransmits: 1 },
  { ordered: false, maxRetransmits: 0 },
  { ordered: false, lifetimeMs: 400 },
] as const;

/** One stream of each size and kind, all of them with something to send at once. */
function exchange(seed: string, interleaving: boolean, loss: number) {
  const network = new Network(seed);
  const { random } = network;
  const memory = { near: unlimitedAccount(), far: unlimitedAccount() };
  const near: AssociationNode = new AssociationNode(
    random.fork("near"),
    (packet) => network.send(hosts.near, FAR, packet),
    { interleaving, memory: memory.near },
  );
  const far: AssociationNode = new AssociationNode(
    random.fork("far"),
    (packet) => network.send(hosts.far, NEAR, packet),
    { interleaving, memory: memory.far },
  );
  const hosts = { near: network.attach(near, NEAR), far: network.attach(far, FAR) };
  network.at(0, hosts.near, (now) => near.association.connect(now));
  network.runUntil(5_000, () => near.isEstablished && far.isEstablished);
  hosts.near.setLine({ rttMs: 40, loss, reorder: 0.02, duplication: 0.02, jitterMs: 10 });
  const flows = KINDS.flatMap((kind) => SIZES.map((bytes) => ({ kind, flow: new Flow(bytes) })));
  far.onMessage = (streamId, _ppid, data) => flows[streamId].flow.receive(data);
  const left = flows.map(() => MESSAGES);
  network.every(network.now, 20, 20_000, hosts.near, (_, now) => {
    for (const [streamId, { kind, flow }] of flows.entries()) {
      if (left[streamId] === 0 || near.association.stats.queuedBytes > 150_000) continue;
      left[streamId]--;
      const taken = near.send(now, { streamId, ppid: 53, data: flow.next(), priority: 100 * streamId, ...kind });
      expect(["sent", "queued"], `${taken} [seed "${seed}"]`).toContain(taken);
    }
  });
  network.runUntil(
    network.now + 400_000,
    () => left.every((count) => count === 0) && near.association.stats.queuedBytes === 0,
  );
  network.runUntil(network.now + 60_000);
  return { flows, left, memory, near, far };
}

describe.each([
  ["DATA", false],
  ["I-DATA", true],
])("many streams that send at once, in %s", (_name, interleaving) => {
  it.each([0, 0.05])("keep what each of them promises at %d loss, and the sender holds nothing in the end", (loss) => {
    for (let trial = 0; trial < 2; trial++) {
      const seed = `many ${interleaving} ${loss} ${trial}`;
      const { flows, left, memory, near, far } = exchange(seed, interleaving, loss);
      expect([near.closedBecause, far.closedBecause], seed).toEqual([undefined, undefined]);
      expect(
        left.every((count) => count === 0),
        seed,
      ).toBe(true);
      for (const [streamId, { kind, flow }] of flows.entries()) {
        const name = `stream ${streamId} [seed "${seed}"]`;
        expect([flow.damaged, flow.duplicates], name).toEqual([0, 0]);
        if (kind.ordered) expect(flow.outOfOrder, name).toBe(0);
        const isReliable = !("maxRetransmits" in kind || "lifetimeMs" in kind);
        if (isReliable) expect(flow.delivered, name).toBe(MESSAGES);
        else expect(flow.delivered, name).toBeGreaterThan(flow.bytes > 2_000 ? 0 : MESSAGES / 2);
      }
      expect([near.association.stats.flightBytes, memory.near.bytes], seed).toEqual([0, 0]);
      // Each stream on which something came has a number that is kept.
      expect(memory.far.bytes, seed).toBeLessThanOrEqual(100 * flows.length);
      far.association.abort(1e6);
      expect(memory.far.bytes, seed).toBe(0);
    }
  });
});
