import type { DtlsVersion } from "../../src/dtls/connection.ts";
import { describe, expect, it } from "vitest";
import { ClientNode, type ClientNodeOptions } from "./client-node.ts";
import { CHROMIUM, FIREFOX } from "./browser-peer/profile.ts";
import { DEFAULT_ENDPOINT_LIMITS } from "../../src/limits.ts";
import type { Fate, Link } from "./link.ts";
import { quantile } from "./opening.ts";
import { SERVER_ADDRESS, UNRELIABLE, World } from "./world.ts";

const RTT_MS = 100;
const CLIENT_ADDRESS = { address: "198.51.100.77", port: 50_777 };

function add(seed: string, options?: ClientNodeOptions, prepare: (up: Link, down: Link) => void = () => {}) {
  const world = new World(seed, {}, options?.dtlsVersions);
  const client = new ClientNode(world, CLIENT_ADDRESS, options);
  client.host.setLine({ rttMs: RTT_MS, reorderMs: 60 });
  prepare(client.host.up, client.host.down);
  return { world, client };
}

function open(seed: string, options?: ClientNodeOptions, prepare?: (up: Link, down: Link) => void) {
  const { world, client } = add(seed, options, prepare);
  const isOpen = () => client.connection.state === "open" && world.server.opened.length > 0;
  if (!world.network.runUntil(30_000, isOpen)) {
    const drops = JSON.stringify([client.drops, world.server.endpoint.drops.snapshot()]);
    throw new Error(
      `not open: ${client.connection.state}, ${JSON.stringify(client.closed)}, ${drops} [seed "${seed}"]`,
    );
  }
  return { world, client, bothMs: world.network.now };
}

function browserOpensAfter(profile: typeof CHROMIUM, version: DtlsVersion): number {
  const world = new World("browser", {}, [version]);
  const { peer } = world.addBrowser({ profile, line: { rttMs: RTT_MS } });
  const channel = peer.createChannel(0, "data", UNRELIABLE);
  world.network.runUntil(30_000, () => channel.state === "open");
  return channel.openedAt;
}

describe("the native client", () => {
  it.each([
    ["1.3", false],
    ["1.3", true],
    ["1.2", false],
  ] as const)(
    "opens over DTLS %s and is heard, or closes, whichever one datagram has a bit changed (INITs by signalling: %s)",
    (version, snap) => {
      const options: ClientNodeOptions = { dtlsVersions: [version], snap };
      const plain = open("plain", options);
      let opened = 0;
      let tried = 0;
      for (const way of ["up", "down"] as const) {
        for (let chosen = 0; chosen < plain.client.host[way].counters.sent; chosen++) {
          for (let bit = 0; bit < 12; bit++) {
            const seed = `corrupt ${version} ${way} ${chosen} ${bit}`;
            const { world, client } = add(seed, options, (up, down) => {
              (way === "up" ? up : down).intercept = (index) => (index === chosen ? "corrupt" : "pass");
            });
            const received: unknown[] = [];
            world.server.onMessage = (_, __, data) => received.push(data);
            const isOver = () => client.closed !== undefined || world.server.opened.length > 0;
            expect(world.network.runUntil(30_000, isOver), seed).toBe(true);
            world.network.at(world.network.now, client.host, (now) => client.send(now, "hello"));
            world.network.runUntil(world.network.now + 1_000);
            tried++;
            if (client.closed !== undefined) continue;
            opened++;
            expect(received, seed).toEqual(["hello"]);
          }
        }
      }
      // What is protected, a check or a packet is sent again; a message in the clear that was changed ends the handshake.
      expect(opened).toBeGreaterThan(tried / 2);
    },
  );

  it.each([
    ["1.3", 2],
    ["1.2", 3],
  ] as const)("over DTLS %s can send after %i round trips, which is fewer than any browser needs", (version, trips) => {
    const { client, bothMs } = open("round trips", { dtlsVersions: [version] });
    expect(client.openedAt / RTT_MS).toBeCloseTo(trips, 1);
    expect(bothMs / RTT_MS).toBeCloseTo(trips + 0.5, 1);
    for (const profile of [CHROMIUM, FIREFOX]) {
      expect(client.openedAt).toBeLessThan(browserOpensAfter(profile, version));
    }
  });

  it.each([
    ["1.3", 3],
    ["1.2", 4],
  ] as const)("over DTLS %s gets the echo of its first message after %i round trips", (version, trips) => {
    const { world, client } = add("first echo", { dtlsVersions: [version] });
    world.server.onMessage = (connection, _, data) => world.server.send(world.network.now, connection, data);
    let echoed: unknown;
    client.onMessage = (_, data) => {
      echoed = data;
    };
    world.network.runUntil(30_000, () => client.connection.state === "open");
    world.network.at(world.network.now, client.host, (now) => client.send(now, "first"));
    world.network.runUntil(30_000, () => echoed !== undefined);
    expect(echoed).toBe("first");
    expect(world.network.now / RTT_MS).toBeCloseTo(trips, 1);
  });

  it.each([
    ["1.3", 1],
    ["1.2", 2],
  ] as const)("over DTLS %s can send after %i round trips where the INITs came by signalling", (version, trips) => {
    const { client, world } = open("snap", { dtlsVersions: [version], snap: true });
    expect(client.openedAt / RTT_MS).toBeCloseTo(trips, 1);
    const received: unknown[] = [];
    world.server.onMessage = (_, __, data) => received.push(data);
    world.network.at(world.network.now, client.host, (now) => client.send(now, "hello"));
    world.network.runUntil(world.network.now + 1_000);
    expect(received).toEqual(["hello"]);
  });

  it.each(["1.3", "1.2"] as const)("over DTLS %s believes nobody who has not answered a check", (version) => {
    const elsewhere = { address: "192.168.0.1", port: 5_000 };
    const alert = Uint8Array.of(21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40);
    for (const candidates of [
      [elsewhere, SERVER_ADDRESS],
      [SERVER_ADDRESS, elsewhere],
    ]) {
      const { world, client } = add("stranger", { dtlsVersions: [version], candidates });
      // Before the server's answer, and until the handshake is complete.
      for (let at = 1; at < 6 * RTT_MS; at += 7) {
        world.network.at(at, client.host, (now) => client.handleDatagram(now, elsewhere, alert));
      }
      world.network.runUntil(30_000, () => client.connection.state === "open" || client.closed !== undefined);
      expect(client.connection.state).toBe("open");
      expect(client.drops).toHaveProperty("unknown-address");
    }
  });

  it.each(["1.3", "1.2"] as const)(
    "over DTLS %s waits for no retransmission where the flight overtakes the check's answer",
    (version) => {
      const openedAt = (prepare?: (up: Link, down: Link) => void) => {
        const options: ClientNodeOptions = { dtlsVersions: [version] };
        return open("overtaken", options, prepare).client.openedAt;
      };
      const late = openedAt((_, down) => {
        down.intercept = (index) => (index === 0 ? "delay" : "pass");
      });
      expect(late - openedAt()).toBeLessThanOrEqual(60);
    },
  );

  it("opens whichever one datagram is lost where the INITs came by signalling", () => {
    const { client } = open("snap", { snap: true });
    for (const direction of ["up", "down"] as const) {
      for (let chosen = 0; chosen < client.host[direction].counters.sent; chosen++) {
        const seed = `snap ${direction} ${chosen}`;
        const lossy = open(seed, { snap: true }, (up, down) => {
          (direction === "up" ? up : down).intercept = (index) => (index === chosen ? "lose" : "pass");
        });
        expect(lossy.bothMs, seed).toBeLessThan(2_000);
      }
    }
  });

  const plain = open("plain");
  const counts = { up: plain.client.host.up.counters.sent, down: plain.client.host.down.counters.sent };
  const fates: Fate[] = ["lose", "duplicate", "delay"];
  for (const fate of fates) {
    for (const direction of ["up", "down"] as const) {
      it(`opens whichever one datagram ${direction === "up" ? "to" : "from"} the server meets "${fate}"`, () => {
        for (let chosen = 0; chosen < counts[direction]; chosen++) {
          const seed = `${direction} ${chosen} ${fate}`;
          const { bothMs } = open(seed, {}, (up, down) => {
            (direction === "up" ? up : down).intercept = (index) => (index === chosen ? fate : "pass");
          });
          expect(bothMs - plain.bothMs, seed).toBeLessThanOrEqual(fate === "duplicate" ? 1 : 1_000 + RTT_MS);
        }
      });
    }
  }

  it("opens each time at 10 % loss", () => {
    const times: number[] = [];
    for (let trial = 0; trial < 60; trial++) {
      const { bothMs } = open(`lossy ${trial}`, {}, (up, down) => [up, down].map((link) => link.set({ loss: 0.1 })));
      times.push(bothMs);
    }
    expect(
      quantile(
        times.sort((a, b) => a - b),
        0.5,
      ),
    ).toBeLessThan(1_000);
  });

  it("opens over a line that does everything wrong at once", () => {
    for (let trial = 0; trial < 10; trial++) {
      open(`rough ${trial}`, {}, (up, down) => {
        for (const link of [up, down]) link.set({ loss: 0.1, jitterMs: 50, reorder: 0.1, duplication: 0.1 });
      });
    }
  });

  it("finds the candidate that works, and sends its ClientHello there without a time-out", () => {
    const nowhere = ["203.0.113.1", "203.0.113.2"].map((address) => ({ address, port: 9 }));
    const { client } = open("candidates", { candidates: [...nowhere, SERVER_ADDRESS] });
    // Two candidates were tried before, 50 ms each, and the ClientHello went out again with the answer: one round trip.
    expect(client.openedAt).toBeLessThanOrEqual(2 * 50 + 4 * RTT_MS + 1);
    expect(client.connection.remote).toEqual(SERVER_ADDRESS);
  });

  it("keeps the connection alive through silence, and its consent fresh", () => {
    const { world, client } = open("alive");
    world.network.runUntil(120_000);
    expect(client.connection.state).toBe("open");
    expect(world.server.closed).toEqual([]);
  });

  it("answers a server that asks silent clients for a sign of life", () => {
    const world = new World("asked", { idleTimeoutMs: 1_500 });
    for (let i = 0; i < 20; i++) {
      const client = new ClientNode(world, { address: "198.51.100.77", port: 50_000 + i }, { snap: true });
      client.host.setLine({ rttMs: 0.4 });
      world.network.runUntil(world.network.now + 11.3);
    }
    world.network.runUntil(30_000);
    expect(world.server.closed).toEqual([]);
  });

  it("closes when the server is gone", () => {
    const { world, client } = open("gone", { idleTimeoutMs: 4_000 });
    world.network.detach(world.server.host);
    const since = world.network.now;
    world.network.runUntil(60_000, () => client.closed !== undefined);
    expect(client.closed?.reason).toBe("idle");
    expect(client.closed!.at - since).toBeLessThanOrEqual(4_000);
  });

  it("gives up when nobody answers", () => {
    const { world, client } = add("nobody", {
      candidates: [{ address: "203.0.113.1", port: 9 }],
      handshakeTimeoutMs: 3_000,
    });
    world.network.runUntil(60_000, () => client.closed !== undefined);
    expect(client.closed).toEqual({ reason: "handshake-timeout", at: 3_000 });
    expect(client.connection.isReached).toBe(false);
    expect(client.host.unreachable).toBeLessThan(25);
  });

  it("hears a server's close, and the server hears its own", () => {
    const first = open("server closes");
    const [connection] = first.world.server.opened;
    first.world.network.at(first.world.network.now, first.world.server.host, (now) => connection.close(now, "local"));
    first.world.network.runUntil(60_000, () => first.client.closed !== undefined);
    expect(first.client.closed?.reason).toBe("remote");

    const second = open("client closes");
    second.world.network.at(second.world.network.now, second.client.host, (now) =>
      second.client.connection.close(now, "local"),
    );
    second.world.network.runUntil(60_000, () => second.world.server.closed.length > 0);
    expect(second.world.server.closed.map(({ reason }) => reason)).toEqual(["remote"]);
  });

  it.each(["of itself", "because it was asked to"])(
    "has a lost KeyUpdate again soon that the server sent %s, on a line where nothing else is sent",
    (why) => {
      const { world, client } = open("key update", { dtlsVersions: ["1.3"] });
      const { network, server } = world;
      const [connection] = server.opened;
      const received: unknown[] = [];
      client.onMessage = (_, data) => received.push(data);
      network.at(network.now, client.host, (now) => client.send(now, "data goes"));
      network.at(network.now, server.host, (now) => server.send(now, connection, "before"));
      network.runUntil(network.now + 2_000);
      client.host.down.intercept = () => "lose";
      if (why === "of itself") {
        network.at(network.now, server.host, (now) => {
          connection.dtls!.updateKey(now);
          server.endpoint.touch(connection);
        });
      } else network.at(network.now, client.host, (now) => client.connection.dtls!.updateKey(now, true));
      network.runUntil(network.now + 120);
      client.host.down.intercept = () => "pass";
      network.runUntil(network.now + 2 * DEFAULT_ENDPOINT_LIMITS.dtlsRetransmitMs + RTT_MS);
      const firstBytes: number[] = [];
      network.onDelivery = (from, _, datagram) => {
        if (from === SERVER_ADDRESS && datagram[0] >= 20) firstBytes.push(datagram[0]);
      };
      network.at(network.now, server.host, (now) => server.send(now, connection, "after"));
      network.runUntil(network.now + RTT_MS);
      expect(received).toEqual(["before", "after"]);
      // The epoch's low bits (RFC 9147 §4): it was the third, now the fourth.
      expect(firstBytes.map((first) => first & 3)).toEqual([0]);
    },
  );

  it("goes on after its own address has changed", () => {
    const { world, client } = open("moves");
    world.network.rebind(client.host, { address: "198.51.100.99", port: 40_000 });
    const received: unknown[] = [];
    client.onMessage = (_, data) => received.push(data);
    world.network.runUntil(world.network.now + 5_200);
    world.network.at(world.network.now, world.server.host, (now) =>
      world.server.send(now, world.server.opened[0], "found you"),
    );
    world.network.runUntil(world.network.now + 1_000);
    expect(received).toEqual(["found you"]);
  });

  it("is not moved by datagrams from elsewhere", () => {
    const { world, client } = open("forged");
    const from = { address: "203.0.113.66", port: 6_666 };
    for (const first of [0, 1, 20, 22, 23, 64, 128, 255]) {
      for (const length of [1, 20, 100])
        client.handleDatagram(world.network.now, from, new Uint8Array(length).fill(first));
    }
    client.handleDatagram(world.network.now, SERVER_ADDRESS, new Uint8Array(0));
    client.handleDatagram(
      world.network.now,
      SERVER_ADDRESS,
      Uint8Array.of(21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 40),
    );
    expect(client.connection.state).toBe("open");
    expect(client.drops).toMatchObject({ "unknown-address": 9, "unknown-protocol": 9 });
  });
});
