/** A server that begins with a message of many packets, and a browser whose socket holds a few dozen datagrams until it reads them. */
import { describe, expect, it } from "vitest";
import { AssociationNode } from "./association-node.ts";
import { Network } from "./network.ts";

/** What a socket of Chromium holds: 128 KiB, in which each datagram of 1,200 bytes takes some 2,300. */
const SOCKET_DATAGRAMS = 56;
const DATAGRAM_BYTES = 1_200;
/** What a busy browser reads. */
const DATAGRAMS_PER_MS = 6;
const MESSAGE_BYTES = 65_536;

interface Fresh {
  arrived: number[];
  overflowed: number;
  sentAt: number[];
  establishedAt: number;
}

/** Establishes an association, and sends messages as soon as it is there. */
function openAndSend(rttMs: number, messages: readonly number[], maxRetransmits?: number): Fresh {
  const network = new Network("fresh");
  const nodes: AssociationNode[] = [];
  const hosts = [0, 1].map((i) => {
    const send = (packet: Uint8Array) => {
      if (i === 0) result.sentAt.push(network.now);
      network.send(hosts[i], hosts[1 - i].address, packet);
    };
    const node = new AssociationNode(network.random.fork(`node ${i}`), send);
    nodes.push(node);
    return network.attach(node, { address: `192.0.2.${i + 1}`, port: 5000 });
  });
  const result: Fresh = { arrived: [], overflowed: 0, sentAt: [], establishedAt: 0 };
  const [server, browser] = nodes;
  hosts[1].setLine({ rttMs });
  hosts[1].down.set({ bytesPerMs: DATAGRAMS_PER_MS * DATAGRAM_BYTES, queueBytes: SOCKET_DATAGRAMS * DATAGRAM_BYTES });
  browser.onMessage = (_streamId, _ppid, data) => result.arrived.push(data.length);
  network.at(0, hosts[1], (now) => browser.association.connect(now));
  network.runUntil(10_000, () => nodes.every(({ isEstablished }) => isEstablished));
  network.runUntil(network.now + 2 * rttMs);
  result.establishedAt = network.now;
  result.sentAt.length = 0;
  network.at(network.now, hosts[0], (now) => {
    for (const length of messages) {
      const limit = maxRetransmits === undefined ? {} : { maxRetransmits };
      server.send(now, { streamId: 0, ppid: 53, data: new Uint8Array(length), ...limit });
    }
  });
  network.runUntil(network.now + 5_000);
  result.overflowed = hosts[1].down.counters.overflowed;
  return result;
}

describe.each([0, 1, 40, 200])("over %i ms, the first messages of a server", (rttMs) => {
  it("unreliable and of 64 KB, do not overrun the browser's socket", () => {
    const { arrived, overflowed } = openAndSend(rttMs, new Array(4).fill(MESSAGE_BYTES), 0);
    expect([arrived.length, overflowed]).toEqual([4, 0]);
  });

  it("leave at once as far as a first window goes", () => {
    const { sentAt, establishedAt } = openAndSend(rttMs, [10_000], 0);
    expect(sentAt.filter((at) => at === establishedAt)).toHaveLength(9);
  });
});
