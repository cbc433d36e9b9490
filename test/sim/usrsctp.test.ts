import { describe, expect, it } from "vitest";
import { Network } from "./network.ts";
import { SctpPair, sendBulk, sendSteadily } from "./sctp-pair.ts";
import type { UsrsctpNode } from "./usrsctp/node.ts";

const BULK_BYTES = 4096;
const MESSAGES = 100;
const PACKET_HEADER_BYTES = 12;
const DATA = 0;
/** RFC 8260 §2.1. */
const I_DATA = 64;

/** A lossy exchange, and everything that went over the line in it. */
function trace(seed: string, near: "ours" | "usrsctp"): { arrivals: string[]; delivered: number } {
  const network = new Network(seed);
  const pair = new SctpPair(network, { near, far: "usrsctp" });
  const arrivals: string[] = [];
  try {
    pair.nearHost.setLine({ rttMs: 60, loss: 0.05 });
    network.onDelivery = (_from, to, datagram) => {
      arrivals.push(`${network.now} ${to.address} ${Buffer.from(datagram).toString("base64")}`);
    };
    pair.establish();
    const flow = sendBulk(pair.near, { streamId: 1, messageBytes: BULK_BYTES, messages: MESSAGES });
    pair.receive((_now, _streamId, message) => void flow.receive(message));
    network.at(network.now, pair.nearHost, () => {});
    network.runUntil(network.now + 60_000, () => flow.delivered === MESSAGES);
    return { arrivals, delivered: flow.delivered };
  } finally {
    pair.close();
  }
}

describe("usrsctp in virtual time", () => {
  it.each(["ours", "usrsctp"] as const)("does the same again with the same seed, %s sending", (near) => {
    const [first, second] = [trace("again", near), trace("again", near)];
    expect(first.delivered).toBe(MESSAGES);
    expect(second).toEqual(first);
    expect(trace("another", near).arrivals).not.toEqual(first.arrivals);
  });

  it("waits by the network's clock: a lost packet with nothing behind it comes again after the RTO of a second", () => {
    const network = new Network("timer");
    const pair = new SctpPair(network, { near: "usrsctp", far: "usrsctp" });
    try {
      pair.nearHost.setLine({ rttMs: 60 });
      pair.establish();
      network.runUntil(network.now + 1000);
      let toLose = 1;
      pair.nearHost.up.intercept = () => (toLose-- > 0 ? "lose" : "pass");
      const steady = { streamId: 1, messages: 1, messageBytes: 100, rateHz: 60, ordered: true };
      const flow = sendSteadily(network, pair, steady);
      pair.receive((now, _streamId, message) => flow.receive(now, message));
      network.runUntil(network.now + 10_000);
      expect(flow.latencies).toHaveLength(1);
      expect(flow.latencies[0]).toBeGreaterThanOrEqual(1000);
      expect(flow.latencies[0]).toBeLessThan(1200);
    } finally {
      pair.close();
    }
  });

  it.each([true, false])("sends I-DATA where both offer it, and else DATA: %s", (interleaving) => {
    const network = new Network("interleaving");
    const pair = new SctpPair(network, { near: "usrsctp", far: "usrsctp", interleaving });
    const types = new Set<number>();
    network.onDelivery = (_from, _to, datagram) => types.add(datagram[PACKET_HEADER_BYTES]);
    try {
      pair.establish();
      sendSteadily(network, pair, { streamId: 1, messages: 10, messageBytes: 100, rateHz: 60, ordered: true });
      network.runUntil(network.now + 1000);
      expect([types.has(DATA), types.has(I_DATA)]).toEqual([!interleaving, interleaving]);
    } finally {
      pair.close();
    }
  });

  it("resets a stream with ours, and says so", () => {
    const network = new Network("reset");
    const pair = new SctpPair(network, { near: "usrsctp", far: "ours" });
    try {
      pair.nearHost.setLine({ rttMs: 60 });
      pair.establish();
      const usrsctp = pair.near as UsrsctpNode;
      network.at(network.now, pair.nearHost, (now) => {
        usrsctp.offer(now, { streamId: 3, ppid: 53, data: Uint8Array.of(1), ordered: true });
      });
      network.at(network.now + 500, pair.nearHost, (now) => usrsctp.resetStream(now, 3));
      network.runUntil(network.now + 2000);
      expect(usrsctp.events).toEqual(["up", "reset out 3"]);
    } finally {
      pair.close();
    }
  });
});
