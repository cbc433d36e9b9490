import { describe, expect, it } from "vitest";
import { DEFAULT_ASSOCIATION_LIMITS } from "../../src/limits.ts";
import type { AssociationOptions } from "../../src/sctp/association.ts";
import { WAITING_BYTES } from "../../src/shell/kept-backlog.ts";
import { AssociationNode } from "./association-node.ts";
import type { LinkConditions } from "./link.ts";
import { type Host, Network } from "./network.ts";

const NEAR = { address: "198.51.100.1", port: 1000 };
const FAR = { address: "192.0.2.1", port: 2000 };
const RELIABLE = { streamId: 0, ppid: 53, ordered: true };

/** Ours to ours; the far side's application reads when it is told to. */
class Reader {
  readonly network: Network;
  readonly near: AssociationNode;
  readonly far: AssociationNode;
  readonly hosts: readonly [Host, Host];
  readonly waiting: Uint8Array[] = [];
  readonly read: number[] = [];
  mostUnread = 0;
  #unread = 0;

  constructor(seed: string, line: Partial<LinkConditions>, options: Partial<AssociationOptions> = {}) {
    this.network = new Network(seed);
    const { random } = this.network;
    this.near = new AssociationNode(random.fork("near"), (packet) => this.#send(0, packet), options);
    this.far = new AssociationNode(random.fork("far"), (packet) => this.#send(1, packet), options);
    this.hosts = [this.network.attach(this.near, NEAR), this.network.attach(this.far, FAR)];
    this.far.onMessage = (_stream, _ppid, data) => {
      this.waiting.push(data);
      this.#setUnread(this.#unread + data.length + WAITING_BYTES);
    };
    this.network.at(0, this.hosts[0], (now) => this.near.association.connect(now));
    this.network.runUntil(1_000, () => this.near.isEstablished && this.far.isEstablished);
    this.hosts[0].setLine({ delayMs: 20, ...line });
  }

  /** As many messages as there are, as fast as the queue takes them. */
  fill(count: number, length: number): void {
    const { network, near, hosts } = this;
    let next = 0;
    const step = (now: number): void => {
      for (; next < count; next++) {
        const data = new Uint8Array(length).fill(next);
        new DataView(data.buffer).setUint32(0, next);
        if (near.send(now, { ...RELIABLE, data }) === "queue-full") break;
      }
      if (next < count && near.closedBecause === undefined) network.at(now + 20, hosts[0], step);
    };
    network.at(network.now, hosts[0], step);
  }

  /** The application takes up to so many messages. */
  take(count: number): void {
    for (const data of this.waiting.splice(0, count)) {
      this.read.push(new DataView(data.buffer).getUint32(0));
      this.#unread -= data.length + WAITING_BYTES;
    }
    this.#setUnread(this.#unread);
  }

  readEach(intervalMs: number, count: number, atOnce: number): void {
    this.network.every(this.network.now, intervalMs, count, this.hosts[1], () => this.take(atOnce));
  }

  #setUnread(bytes: number): void {
    this.#unread = bytes;
    this.mostUnread = Math.max(this.mostUnread, bytes);
    this.far.association.unreadBytes = bytes;
  }

  #send(from: 0 | 1, packet: Uint8Array): void {
    this.network.send(this.hosts[from], from === 0 ? FAR : NEAR, packet);
  }
}

const inOrder = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("a receiver whose application does not read", () => {
  it.each([0, 0.05, 0.2])("for a minute gets everything when it does, at %d loss", (loss) => {
    const { receiveWindowBytes } = DEFAULT_ASSOCIATION_LIMITS;
    const reader = new Reader(`full ${loss}`, { loss });
    reader.fill(1_000, 1_000);
    reader.network.runUntil(60_000);
    expect(reader.waiting.length).toBeGreaterThan(150);
    // What waited for a missing chunk counts for more once it waits for the application.
    expect(reader.mostUnread).toBeLessThanOrEqual(1.2 * receiveWindowBytes);
    reader.readEach(50, 2_000, 10);
    reader.network.runUntil(160_000);
    expect([reader.near.closedBecause, reader.far.closedBecause]).toEqual([undefined, undefined]);
    expect(reader.read).toEqual(inOrder(1_000));
  });

  it("tells the sender that there is room again, without waiting for its probe", () => {
    const reader = new Reader("update", {});
    reader.fill(1_000, 1_000);
    reader.network.runUntil(30_000);
    const before = reader.waiting.length;
    reader.readEach(1, 1, before);
    reader.network.runUntil(reader.network.now + 100);
    expect(reader.read.length + reader.waiting.length).toBeGreaterThan(before + 20);
  });

  it("opens its window in steps that are worth a packet, however little it reads at a time", () => {
    const reader = new Reader("silly", {});
    reader.fill(3_000, 100);
    reader.network.runUntil(20_000);
    const sent = reader.hosts[0].up.counters.sent + reader.hosts[1].up.counters.sent;
    reader.readEach(10, 1_000, 1);
    reader.network.runUntil(reader.network.now + 10_000);
    const packets = reader.hosts[0].up.counters.sent + reader.hosts[1].up.counters.sent - sent;
    // 1,000 messages of 100 bytes.
    expect(reader.read.length).toBe(1_000);
    expect(packets).toBeLessThan(800);
  });
});

describe("a message as long as the window", () => {
  it.each([0, 0.05])("arrives, at %d loss, and others behind it", (loss) => {
    const bytes = 400_000;
    const limits = {
      ...DEFAULT_ASSOCIATION_LIMITS,
      maxMessageBytes: bytes,
      receiveWindowBytes: bytes,
      maxReassemblyChunks: 1_024,
      maxQueuedBytes: 1_000_000,
    };
    const reader = new Reader(`long ${loss}`, { loss }, { limits, remoteMaxMessageBytes: bytes });
    reader.fill(5, bytes);
    reader.readEach(50, 2_000, 1);
    reader.network.runUntil(60_000);
    expect(reader.read).toEqual(inOrder(5));
  });
});
