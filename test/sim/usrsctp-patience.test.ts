import { describe, expect, it } from "vitest";
import type { OutgoingMessage } from "../../src/sctp/association.ts";
import { WAITING_BYTES } from "../../src/shell/kept-backlog.ts";
import { AssociationNode } from "./association-node.ts";
import { type Host, Network } from "./network.ts";
import type { SctpNode } from "./sctp-node.ts";
import { UsrsctpNode } from "./usrsctp/node.ts";

const OURS = { address: "198.51.100.1", port: 1000 };
const THEIRS = { address: "192.0.2.1", port: 2000 };
const RELIABLE = { streamId: 1, ppid: 53, ordered: true };

/** Ours and usrsctp, which connects or is connected to. */
class Pair {
  readonly network: Network;
  readonly ours: AssociationNode;
  readonly theirs: UsrsctpNode;
  readonly hosts: { ours: Host; theirs: Host };

  constructor(seed: string, theirRole: "client" | "server", options: { loss: number; pulls?: boolean }) {
    this.network = new Network(seed);
    const { random } = this.network;
    this.ours = new AssociationNode(random.fork("ours"), (packet) => this.#send("ours", packet));
    const { pulls = false } = options;
    const usrsctp = { role: theirRole, pulls } as const;
    this.theirs = new UsrsctpNode(random.fork("theirs"), (packet) => this.#send("theirs", packet), usrsctp);
    this.hosts = { ours: this.network.attach(this.ours, OURS), theirs: this.network.attach(this.theirs, THEIRS) };
    this.hosts.ours.setLine({ rttMs: 40 });
    const caller = theirRole === "client" ? "theirs" : "ours";
    this.network.at(0, this.hosts[caller], (now) => this[caller].connect(now));
    const isUp = () => this.ours.isEstablished && this.theirs.isEstablished;
    if (!this.network.runUntil(30_000, isUp)) throw new Error(`not established [seed "${seed}"]`);
    this.hosts.ours.setLine({ loss: options.loss });
  }

  get ended(): (string | undefined)[] {
    return [this.ours.closedBecause, this.theirs.closedBecause];
  }

  /** So many messages as fast as the sender takes them. */
  fill(from: "ours" | "theirs", count: number): void {
    const { network, hosts } = this;
    const node: SctpNode = this[from];
    let next = 0;
    const step = (now: number): void => {
      for (; next < count; next++) if (!node.offer(now, { ...RELIABLE, data: numbered(next) })) break;
      if (next < count && this.ended.every((why) => why === undefined)) network.at(now + 20, hosts[from], step);
    };
    network.at(network.now, hosts[from], step);
  }

  run(ms: number, done?: () => boolean): boolean {
    return this.network.runUntil(this.network.now + ms, done);
  }

  #send(from: "ours" | "theirs", packet: Uint8Array): void {
    this.network.send(this.hosts[from], from === "ours" ? THEIRS : OURS, packet);
  }
}

function numbered(index: number): Uint8Array {
  const data = new Uint8Array(1_000).fill(index);
  new DataView(data.buffer).setUint32(0, index);
  return data;
}

const numberOf = (data: Uint8Array) => new DataView(data.buffer, data.byteOffset).getUint32(0);
const inOrder = (count: number) => Array.from({ length: count }, (_, i) => i);

describe.each(["client", "server"] as const)("usrsctp as %s", (role) => {
  it("and we reset a stream 150 times at 20 % loss, among messages of all kinds, and nobody ends", () => {
    const pair = new Pair(`150 resets, ${role}`, role, { loss: 0.2 });
    const { network, hosts, ours, theirs } = pair;
    const kinds: Partial<OutgoingMessage>[] = [{ ordered: true }, {}, { maxRetransmits: 0 }];
    const send = (node: SctpNode) => (index: number, now: number) => {
      const message = { streamId: 3 + (index % 3), ppid: 53, data: numbered(index), ...kinds[index % 3] };
      node.offer(now, message);
    };
    const isReset = (direction: string, count: number) =>
      theirs.events.filter((event) => event === `reset ${direction} 5`).length >= count;
    try {
      network.every(network.now, 100, 1_000_000, hosts.ours, send(ours));
      network.every(network.now, 100, 1_000_000, hosts.theirs, send(theirs));
      for (let count = 1; count <= 150; count++) {
        network.at(network.now, hosts.ours, (now) => ours.association.resetStreams(now, [5]));
        network.at(network.now, hosts.theirs, (now) => void theirs.resetStream(now, 5));
        const isDone = () => !ours.association.isResetting(5) && isReset("in", count) && isReset("out", count);
        // Its own timer doubles up to a minute.
        expect(pair.run(600_000, isDone), `reset ${count}: ${pair.ended}`).toBe(true);
      }
      expect(pair.ended).toEqual([undefined, undefined]);
    } finally {
      theirs.close();
    }
  });

  it.each([0, 0.05])("gets everything when it reads after a minute, at %d loss", (loss) => {
    const pair = new Pair(`reads late ${loss}, ${role}`, role, { loss, pulls: true });
    const { network, hosts, theirs } = pair;
    const read: number[] = [];
    theirs.onMessage = (_stream, _ppid, data) => void read.push(numberOf(data));
    try {
      network.at(network.now, hosts.theirs, (now) => theirs.setReading(now, false));
      pair.fill("ours", 3_000);
      pair.run(60_000);
      expect([read.length, ...pair.ended]).toEqual([0, undefined, undefined]);
      expect(pair.ours.association.stats.queuedBytes).toBeGreaterThan(200_000);
      network.at(network.now, hosts.theirs, (now) => theirs.setReading(now, true));
      pair.run(60_000, () => read.length === 3_000);
      expect(read).toEqual(inOrder(3_000));
    } finally {
      theirs.close();
    }
  });

  it.each([0, 0.05])("has everything arrive at us who read after a minute, at %d loss", (loss) => {
    const pair = new Pair(`is read late ${loss}, ${role}`, role, { loss });
    const { network, hosts, ours, theirs } = pair;
    const waiting: Uint8Array[] = [];
    const read: number[] = [];
    const tell = () => {
      ours.association.unreadBytes = waiting.reduce((sum, { length }) => sum + length + WAITING_BYTES, 0);
    };
    ours.onMessage = (_stream, _ppid, data) => {
      waiting.push(data);
      tell();
    };
    try {
      pair.fill("theirs", 2_000);
      pair.run(60_000);
      expect(pair.ended).toEqual([undefined, undefined]);
      expect(waiting.length).toBeLessThan(500);
      network.every(network.now, 20, 4_000, hosts.ours, () => {
        read.push(...waiting.splice(0).map(numberOf));
        tell();
      });
      pair.run(80_000, () => read.length === 2_000);
      expect(read).toEqual(inOrder(2_000));
    } finally {
      theirs.close();
    }
  });
});
