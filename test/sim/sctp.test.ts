import { describe, expect, it } from "vitest";
import type { AssociationOptions, OutgoingMessage } from "../../src/sctp/association.ts";
import { AssociationNode } from "./association-node.ts";
import { BrowserPeer } from "./browser-peer/browser-peer.ts";
import type { PeerChannel } from "./browser-peer/data-channels.ts";
import { CHROMIUM } from "./browser-peer/profile.ts";
import { plainTransport } from "./browser-peer/secure-transport.ts";
import { Flow } from "./flow.ts";
import type { LinkConditions } from "./link.ts";
import { type Host, Network } from "./network.ts";

const NEAR = { address: "198.51.100.1", port: 1000 };
const FAR = { address: "192.0.2.1", port: 2000 };

const ROUGH: Partial<LinkConditions> = { loss: 0.05, reorder: 0.02, duplication: 0.02, jitterMs: 10, corruption: 0.01 };

type Kind = Pick<OutgoingMessage, "ordered" | "maxRetransmits" | "lifetimeMs">;

/** Two of the product's associations over plaintext. */
class Pair {
  readonly network: Network;
  readonly near: AssociationNode;
  readonly far: AssociationNode;
  readonly hosts: { near: Host; far: Host };

  constructor(seed: string, options: Partial<AssociationOptions> = {}) {
    this.network = new Network(seed);
    const { random } = this.network;
    this.near = new AssociationNode(random.fork("near"), (packet) => this.#send("near", packet), options);
    this.far = new AssociationNode(random.fork("far"), (packet) => this.#send("far", packet), options);
    this.hosts = { near: this.network.attach(this.near, NEAR), far: this.network.attach(this.far, FAR) };
  }

  #send(from: "near" | "far", packet: Uint8Array): void {
    this.network.send(this.hosts[from], from === "near" ? FAR : NEAR, packet);
  }

  connect(both = false): void {
    this.network.at(0, this.hosts.near, (now) => this.near.association.connect(now));
    if (both) this.network.at(0, this.hosts.far, (now) => this.far.association.connect(now));
    const up = () => this.near.isEstablished && this.far.isEstablished;
    expect(this.network.runUntil(30_000, up), `seed "${this.network.random.seed}"`).toBe(true);
  }

  /** Messages both ways, one each `intervalMs`, as fast as the queue takes them. */
  exchange(kind: Kind, count: number, bytes: number, intervalMs: number): { there: Flow; back: Flow } {
    const flows = { there: new Flow(bytes), back: new Flow(bytes) };
    this.near.onMessage = (_stream, _ppid, data) => flows.back.receive(data);
    this.far.onMessage = (_stream, _ppid, data) => flows.there.receive(data);
    const message = { streamId: 0, ppid: 53, ...kind };
    const start = this.network.now;
    this.network.every(start, intervalMs, count, this.hosts.near, (_, now) => {
      this.near.send(now, { ...message, data: flows.there.next() });
    });
    this.network.every(start, intervalMs, count, this.hosts.far, (_, now) => {
      this.far.send(now, { ...message, data: flows.back.next() });
    });
    this.network.runUntil(start + count * intervalMs + 30_000);
    return flows;
  }
}

describe("two associations over a line that loses, reorders, duplicates and corrupts", () => {
  it.each([
    ["one side asks", false],
    ["both ask at once", true],
  ])("come up, where %s", (_name, both) => {
    for (let trial = 0; trial < 50; trial++) {
      const pair = new Pair(`up ${both} ${trial}`);
      pair.hosts.near.setLine({ rttMs: 80, ...ROUGH, loss: 0.2 });
      pair.connect(both);
    }
  });

  it("carry reliable, ordered messages of many packets each, all of them and in order", () => {
    const pair = new Pair("reliable");
    pair.connect();
    pair.hosts.near.setLine({ rttMs: 40, ...ROUGH });
    const { there, back } = pair.exchange({ ordered: true }, 100, 8000, 60);
    for (const { delivered, duplicates, damaged, outOfOrder } of [there, back]) {
      expect({ delivered, duplicates, damaged, outOfOrder }).toEqual({
        delivered: 100,
        duplicates: 0,
        damaged: 0,
        outOfOrder: 0,
      });
    }
  });

  it("carry reliable messages over the wrap-around of their TSNs", () => {
    const pair = new Pair("wrap", { initialTsn: 0xffff_ff00 });
    pair.connect();
    pair.hosts.near.setLine({ rttMs: 40, ...ROUGH });
    const { there, back } = pair.exchange({ ordered: true }, 1000, 300, 5);
    expect([there.delivered, back.delivered]).toEqual([1000, 1000]);
    expect([there.outOfOrder, back.outOfOrder, there.damaged, back.damaged]).toEqual([0, 0, 0, 0]);
  });

  it("lose unreliable messages as the line loses packets, and deliver none twice", () => {
    const pair = new Pair("unreliable");
    pair.connect();
    pair.hosts.near.setLine({ rttMs: 100, loss: 0.1 });
    const { there, back } = pair.exchange({ maxRetransmits: 0 }, 4000, 100, 1000 / 60);
    for (const flow of [there, back]) {
      expect(flow.loss).toBeLessThan(0.12);
      expect(flow.loss).toBeGreaterThan(0.08);
      expect(flow.duplicates + flow.damaged).toBe(0);
    }
  });

  it("lose fewer where one retransmission is allowed, and none to speak of with three", () => {
    const losses = [1, 3].map((maxRetransmits) => {
      const pair = new Pair(`retransmits ${maxRetransmits}`);
      pair.connect();
      pair.hosts.near.setLine({ rttMs: 40, loss: 0.1 });
      const { there, back } = pair.exchange({ maxRetransmits }, 2000, 100, 1000 / 60);
      return (there.loss + back.loss) / 2;
    });
    expect(losses[0]).toBeLessThan(0.02);
    expect(losses[1]).toBeLessThan(0.002);
  });

  it("send again within a message's lifetime, and not after it", () => {
    const pair = new Pair("lifetime");
    pair.connect();
    pair.hosts.near.setLine({ rttMs: 40, loss: 0.1 });
    const long = pair.exchange({ lifetimeMs: 2000 }, 2000, 100, 1000 / 60);
    expect(long.there.loss).toBeLessThan(0.005);
    const short = pair.exchange({ lifetimeMs: 50 }, 2000, 100, 1000 / 60);
    expect(short.there.loss).toBeGreaterThan(0.05);
  });

  it("keep unordered messages whole and in one piece when they take many packets", () => {
    const pair = new Pair("fragments");
    pair.connect();
    pair.hosts.near.setLine({ rttMs: 40, loss: 0.02 });
    const { there, back } = pair.exchange({ maxRetransmits: 0 }, 500, 5000, 50);
    for (const flow of [there, back]) {
      expect(flow.damaged + flow.duplicates).toBe(0);
      // Five packets each, and one lost packet is a lost message.
      expect(flow.loss).toBeLessThan(0.2);
    }
  });
});

describe("an association and the browser-like peer's, over plaintext", () => {
  it("carry a megabyte to the browser, reliably and in order, at 5 % loss", () => {
    const network = new Network("to the browser");
    const browser = new BrowserPeer({
      profile: CHROMIUM,
      random: network.random.fork("browser"),
      transport: plainTransport,
      ice: false,
      send: (packet) => network.send(host, FAR, packet),
    });
    const node = new AssociationNode(network.random.fork("node"), (packet) => network.send(far, NEAR, packet));
    const host = network.attach(browser, NEAR);
    const far = network.attach(node, FAR);
    const channel: PeerChannel = browser.createChannel(0, "bulk", { ordered: true });
    node.onMessage = (streamId) => {
      node.send(network.now, { streamId, ppid: 50, data: Uint8Array.of(2), ordered: true });
    };
    network.at(0, host, (now) => browser.start(now));
    expect(network.runUntil(5000, () => channel.acknowledged)).toBe(true);
    host.setLine({ rttMs: 30, loss: 0.05 });
    const flow = new Flow(16_384);
    browser.events.message = (_now, _channel, data) => flow.receive(data);
    // The queue holds 256 KiB: a message each 100 ms is within what the line carries.
    network.every(network.now, 100, 64, far, (_, now) => {
      expect(node.send(now, { streamId: 0, ppid: 53, data: flow.next(), ordered: true })).not.toBe("queue-full");
    });
    network.runUntil(network.now + 60_000, () => flow.delivered === 64);
    const { delivered, damaged, duplicates, outOfOrder } = flow;
    expect({ delivered, damaged, duplicates, outOfOrder }).toEqual({
      delivered: 64,
      damaged: 0,
      duplicates: 0,
      outOfOrder: 0,
    });
  });
});
