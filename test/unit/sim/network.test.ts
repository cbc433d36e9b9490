import { describe, expect, it } from "vitest";
import type { SocketAddress } from "../../../src/wire/address.ts";
import { type Host, Network, type SimNode } from "../../sim/network.ts";

/** Answers each datagram with the same bytes, and notes all that happens to it. */
class Echo implements SimNode {
  readonly log: string[] = [];
  nextDeadline = Number.POSITIVE_INFINITY;
  host: Host | undefined;
  echoes = true;
  readonly #network: Network;

  constructor(network: Network) {
    this.#network = network;
  }

  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void {
    this.log.push(`${now} ${source.port} ${datagram.join(",")}`);
    if (this.echoes) this.#network.send(this.host!, source, datagram);
  }

  handleTimeout(now: number): void {
    this.log.push(`${now} timeout`);
    this.nextDeadline = Number.POSITIVE_INFINITY;
  }

  flush(now: number): void {
    this.log.push(`${now} flush`);
  }
}

const SERVER = { address: "192.0.2.1", port: 1 };
const CLIENT = { address: "198.51.100.1", port: 2 };

function pair(seed = "network") {
  const network = new Network(seed);
  const [server, client] = [new Echo(network), new Echo(network)];
  client.echoes = false;
  server.host = network.attach(server, SERVER);
  client.host = network.attach(client, CLIENT);
  return { network, server, client };
}

describe("a network", () => {
  it("takes half a round trip each way, in virtual time", () => {
    const { network, server, client } = pair();
    client.host!.setLine({ rttMs: 100 });
    network.at(10, client.host!, () => network.send(client.host!, SERVER, Uint8Array.of(7)));
    network.runUntil(1000);
    expect(server.log).toEqual(["60 2 7", "60 flush"]);
    expect(client.log).toEqual(["10 flush", "110 1 7", "110 flush"]);
    expect(network.now).toBe(1000);
  });

  it("flushes once for all that happened at one instant", () => {
    const { network, server, client } = pair();
    network.at(5, client.host!, () => {
      for (let i = 0; i < 3; i++) network.send(client.host!, SERVER, Uint8Array.of(i));
    });
    network.runUntil(10);
    expect(server.log).toEqual(["5 2 0", "5 2 1", "5 2 2", "5 flush"]);
  });

  it("calls timeouts when they are due", () => {
    const { network, client } = pair();
    client.nextDeadline = 30.5;
    network.runUntil(100);
    expect(client.log).toEqual(["30.5 timeout", "30.5 flush"]);
  });

  it("stops as soon as what was waited for has happened", () => {
    const { network, client } = pair();
    network.every(10, 10, 100, client.host!, () => {});
    expect(network.runUntil(10_000, () => client.log.length === 3)).toBe(true);
    expect(network.now).toBe(30);
    expect(network.runUntil(40, () => false)).toBe(false);
  });

  it("gives a host a new address, and loses what is under way to the old one", () => {
    const { network, server, client } = pair();
    client.host!.setLine({ rttMs: 100 });
    network.send(client.host!, SERVER, Uint8Array.of(1));
    network.runUntil(60);
    network.rebind(client.host!, { ...CLIENT, port: 3 });
    network.send(client.host!, SERVER, Uint8Array.of(2));
    network.runUntil(1000);
    expect(server.log.filter((line) => !line.includes("flush"))).toEqual(["50 2 1", "110 3 2"]);
    expect(client.log.filter((line) => !line.includes("flush"))).toEqual(["160 1 2"]);
  });

  it("forgets a host that is taken off", () => {
    const { network, client, server } = pair();
    network.detach(server.host!);
    network.send(client.host!, SERVER, Uint8Array.of(1));
    network.runUntil(100);
    expect(server.log).toEqual([]);
    expect(client.host!.unreachable).toBe(1);
  });

  it("runs the same for the same seed", () => {
    const run = (seed: string) => {
      const { network, client } = pair(seed);
      client.host!.setLine({ rttMs: 40, loss: 0.2, jitterMs: 30, duplication: 0.1, reorder: 0.1, corruption: 0.1 });
      network.every(0, 5, 200, client.host!, (i) => network.send(client.host!, SERVER, Uint8Array.of(i, i)));
      network.runUntil(5000);
      return client.log;
    };
    expect(run("a")).toEqual(run("a"));
    expect(run("a")).not.toEqual(run("b"));
  });

  it("names the seed and the time when something throws", () => {
    const { network, client } = pair("seed 42");
    network.at(12, client.host!, () => {
      throw new Error("broken");
    });
    expect(() => network.runUntil(100)).toThrow('broken [seed "seed 42", at 12.000 ms]');
  });

  it("does not hang on a deadline that never moves on", () => {
    const { network, client } = pair();
    client.handleTimeout = () => {};
    client.nextDeadline = 10;
    expect(() => network.runUntil(100)).toThrow("does not get past 10 ms: deadlines stand at 198.51.100.1:2: 10");
  });

  it("does not hang on nodes that answer each other without end", () => {
    const { network, client } = pair();
    client.echoes = true;
    network.send(client.host!, SERVER, Uint8Array.of(1));
    expect(() => network.runUntil(100)).toThrow("does not get past 0 ms: nodes answer each other without end");
  });
});
