import { describe, expect, it } from "vitest";
import type { Channel } from "../../src/channel/channel.ts";
import type { ChannelOptions } from "../../src/channel/channels.ts";
import { DEFAULT_ASSOCIATION_LIMITS } from "../../src/limits.ts";
import { ChannelsNode } from "./channels-node.ts";
import type { LinkConditions } from "./link.ts";
import { type Host, Network } from "./network.ts";
import type { Random } from "./random.ts";

const NEAR = { address: "198.51.100.1", port: 1000 };
const FAR = { address: "192.0.2.1", port: 2000 };
/** Few streams, so that each is used again and again. */
const LIMITS = { ...DEFAULT_ASSOCIATION_LIMITS, maxStreams: 6 };
const RELIABLE = { ordered: true, maxRetransmits: null };
const KINDS: ChannelOptions[] = [
  RELIABLE,
  { ordered: false, maxRetransmits: null },
  { ordered: true, maxRetransmits: 0 },
  { ordered: false, maxRetransmits: 0 },
  { ordered: true, maxPacketLifeTime: 50 },
];

/** One side, and what it has opened, sent and received. Each channel that is ever opened has a label of its own. */
class Side {
  readonly node: ChannelsNode;
  readonly name: string;
  host!: Host;
  readonly #random: Random;
  /** Channels by label, as this side sees them; those that it has closed itself, or that were closed by the other side. */
  readonly channels = new Map<string, Channel>();
  readonly closed = new Set<string>();
  readonly received: string[] = [];
  readonly misdelivered: string[] = [];
  readonly sentReliably: string[] = [];
  /** A channel of this side's that is closed is opened anew at once. */
  reopens = true;
  #created = 0;
  #sent = 0;

  constructor(name: string, node: ChannelsNode, random: Random) {
    this.name = name;
    this.node = node;
    this.#random = random;
    node.onOpen = (channel) => this.channels.set(channel.label, channel);
    node.onMessage = (channel, data) => {
      this.received.push(String(data));
      if (String(data).split(" ")[0] !== channel.label) this.misdelivered.push(`${data} on ${channel.label}`);
    };
    node.onClose = (channel) => {
      this.closed.add(channel.label);
      if (this.reopens && channel.id >= 0 && channel.label.startsWith(name)) this.create();
    };
  }

  create(options = KINDS[this.#random.below(KINDS.length)]): void {
    const channel = this.node.channels.create(this.node.association.now, `${this.name}${this.#created++}`, options);
    if (channel.state === "closed") return;
    this.channels.set(channel.label, channel);
    if (this.#random.chance(0.5)) this.send(channel);
  }

  /** What the channel is open for: not closed by either side, as far as this one knows. */
  get live(): Channel[] {
    return [...this.channels.values()].filter(({ state }) => state === "open" || state === "connecting");
  }

  send(channel: Channel): void {
    const message = `${channel.label} ${this.name}${this.#sent++}`;
    const filler = this.#random.chance(0.1) ? ".".repeat(this.#random.below(6_000)) : "";
    const result = this.node.channels.send(this.node.association.now, channel, message + filler);
    const isReliable = channel.maxRetransmits === null && channel.maxPacketLifeTime === null;
    if (isReliable && (result === "sent" || result === "queued")) this.sentReliably.push(message + filler);
  }

  act(now: number): void {
    const { live } = this;
    const channel = live[this.#random.below(Math.max(1, live.length))];
    const choice = this.#random.unit();
    if (channel === undefined || choice < 0.1) this.create();
    else if (choice < 0.25) this.node.channels.close(now, channel);
    else this.send(channel);
  }
}

class Pair {
  readonly network: Network;
  readonly sides: readonly [Side, Side];

  constructor(seed: string, line: Partial<LinkConditions> & { rttMs: number }) {
    this.network = new Network(seed);
    const { random } = this.network;
    const make = (index: number, name: string, role: "client" | "server") => {
      const send = (packet: Uint8Array) => this.network.send(this.sides[index].host, index === 0 ? FAR : NEAR, packet);
      return new Side(name, new ChannelsNode(random.fork(name), role, send, LIMITS), random.fork(`acts of ${name}`));
    };
    this.sides = [make(0, "a", "client"), make(1, "b", "server")];
    for (const [i, side] of this.sides.entries()) side.host = this.network.attach(side.node, i === 0 ? NEAR : FAR);
    this.network.at(0, this.sides[0].host, (now) => this.sides[0].node.association.connect(now));
    this.network.runUntil(1_000, () => this.sides.every(({ node }) => node.isEstablished));
    this.sides[0].host.setLine(line);
  }

  run(ms: number): void {
    this.network.runUntil(this.network.now + ms);
  }

  /** Both sides open, close and send at random. */
  play(steps: number): void {
    const { network } = this;
    for (const side of this.sides) {
      network.every(network.now, 15, steps, side.host, (_, now) => side.act(now));
    }
    this.run(steps * 15);
  }

  /** Nothing is lost any more, and nobody begins anything: each channel is closed on both sides, or open on both. */
  settle(): void {
    for (const side of this.sides) side.reopens = false;
    this.sides[0].host.setLine({ loss: 0, reorder: 0, duplication: 0, jitterMs: 0 });
    this.run(60_000);
    for (const side of this.sides) {
      this.network.at(this.network.now, side.host, () => {
        for (const channel of side.live) side.send(channel);
      });
    }
    this.run(10_000);
  }
}

function expectNoneDeadOrMisled(pair: Pair): void {
  const [near, far] = pair.sides;
  const labels = (side: Side) => side.live.map(({ label }) => label).sort();
  expect(labels(near)).toEqual(labels(far));
  for (const side of pair.sides) {
    const other = side === near ? far : near;
    expect(side.node.closedBecause).toBeUndefined();
    expect(side.misdelivered).toEqual([]);
    expect(new Set(side.received).size).toBe(side.received.length);
    expect(side.live.filter(({ state }) => state !== "open")).toEqual([]);
    expect(side.node.association.nextDeadline).toBe(Number.POSITIVE_INFINITY);
    // What is sent reliably on a channel comes, unless its receiver had closed the channel.
    const received = new Set(other.received);
    const missing = side.sentReliably.filter((message) => !received.has(message));
    expect(missing.filter((message) => !other.closed.has(message.split(" ")[0]))).toEqual([]);
  }
}

describe("channels that are closed and opened again", () => {
  it("on lines that lose and reorder: none is dead, and no message comes on another channel than its own", () => {
    const losses = [0, 0.05, 0.2];
    for (let seed = 0; seed < 60; seed++) {
      const line = { rttMs: 20 + 30 * (seed % 4), loss: losses[seed % 3], jitterMs: seed % 5 };
      const rough = seed % 2 === 0 ? {} : { reorder: 0.1, reorderMs: 200, duplication: 0.1 };
      const pair = new Pair(`reuse ${seed}`, { ...line, ...rough });
      try {
        pair.play(150);
        pair.settle();
        expectNoneDeadOrMisled(pair);
      } catch (error) {
        (error as Error).message += ` [seed "reuse ${seed}"]`;
        throw error;
      }
    }
  });
});
