import { describe, expect, it } from "vitest";
import { CHROMIUM, FIREFOX } from "./browser-peer/profile.ts";
import { Flow } from "./flow.ts";
import { World } from "./world.ts";

const REBOUND = { address: "198.51.100.77", port: 61_000 };
/** Both browsers check at least this often (measured: 2.66 s and 4 to 6 s). */
const CHECK_INTERVAL_MS = { chromium: 2660, firefox: 6000 };

describe.each([CHROMIUM, FIREFOX])("a browser behind a NAT that gives it a new address ($name)", (profile) => {
  /** 60 Hz both ways for 40 s, a new address after `afterMs`; message times by index. */
  function rebindInMidFlow(seed: string, afterMs = 10_000) {
    const world = new World(seed);
    const { peer, host, channel } = world.openBrowser({ profile, line: { rttMs: 40 } });
    const connection = world.server.opened[0];
    const up = new Flow(64);
    const down = new Flow(64);
    const arrivals = { up: [] as number[], down: [] as number[] };
    world.server.onMessage = (_connection, _channel, data) => {
      up.receive(data);
      arrivals.up.push(world.network.now);
    };
    peer.events.message = (now, _channel, data) => {
      down.receive(data);
      arrivals.down.push(now);
    };
    const start = world.network.now;
    world.network.every(start, 1000 / 60, 2400, host, (_, now) => peer.send(now, channel, up.next()));
    world.network.every(start + 5, 1000 / 60, 2400, world.server.host, (_, now) => {
      world.server.send(now, connection, down.next());
    });
    const reboundAt = start + afterMs;
    world.network.at(reboundAt, host, () => world.network.rebind(host, REBOUND));
    world.network.runUntil(start + 45_000);
    return { world, connection, up, down, arrivals, reboundAt };
  }

  // After one second the last check is still the one that nominated the path.
  it.each([1_000, 10_000])("is followed there within one check interval, both ways, after %i ms", (afterMs) => {
    const { arrivals, reboundAt } = rebindInMidFlow("follow", afterMs);
    for (const times of [arrivals.up, arrivals.down]) {
      const resumed = times.find((time) => time > reboundAt + 40)!;
      expect(resumed - reboundAt).toBeLessThanOrEqual(CHECK_INTERVAL_MS[profile.name] + 200);
    }
  });

  it("keeps its connection, and everything arrives once again from then on", () => {
    const { world, connection, up, down, arrivals, reboundAt } = rebindInMidFlow("keep");
    expect([...world.server.endpoint.connections()]).toEqual([connection]);
    expect(connection.state).toBe("open");
    expect(connection.remote).toMatchObject(REBOUND);
    expect(world.server.closed).toEqual([]);
    const settled = reboundAt + CHECK_INTERVAL_MS[profile.name] + 1000;
    for (const [flow, times] of [
      [up, arrivals.up],
      [down, arrivals.down],
    ] as const) {
      expect(flow.duplicates + flow.damaged).toBe(0);
      // 40 s of messages, less those of the time up to `settled`, all arrive.
      expect(times.filter((time) => time > settled).length).toBeGreaterThan(
        60 * (40 - (settled - reboundAt) / 1000 - 10) - 60,
      );
    }
  });

  it.each(["has opened", "has moved"])("that falls silent when it %s is asked for a sign of life after 5 s", (when) => {
    const world = new World("silent");
    const { network } = world;
    const { peer, host, channel } = world.openBrowser({ profile, line: { rttMs: 40 } });
    if (when === "has moved") {
      network.runUntil(network.now + 1_000);
      network.at(network.now, host, () => network.rebind(host, REBOUND));
      network.every(network.now, 20, 1_000, host, (_, now) => peer.send(now, channel, "on"));
      const isThere = () => world.server.opened[0].remote.port === REBOUND.port;
      expect(network.runUntil(network.now + 10_000, isThere)).toBe(true);
      // The HEARTBEAT that proves the new address is answered.
      network.runUntil(network.now + 100);
    }
    host.up.intercept = () => "lose";
    // What is on its way, and a retransmission or two.
    network.runUntil(network.now + 1_000);
    const fallenSilentAt = network.now - 1_000;
    const asked: number[] = [];
    network.onDelivery = (_, to, datagram) => {
      if (to.port === host.address.port && datagram[0] >= 20) asked.push(network.now);
    };
    network.runUntil(fallenSilentAt + 5_200);
    expect(asked.length).toBeGreaterThan(0);
  });

  it("is not moved by anything but a check that verifies", () => {
    const world = new World("forged");
    const { host } = world.openBrowser({ profile, line: { rttMs: 40 } });
    const connection = world.server.opened[0];
    const seen: Uint8Array[] = [];
    world.network.onDelivery = (from, _to, datagram) => {
      if (from.port === host.address.port) seen.push(datagram.slice());
    };
    world.network.runUntil(world.network.now + 10_000);
    const attacker = { address: "203.0.113.66", port: 666 };
    for (const datagram of seen) {
      // A copy with another transaction: its integrity no longer holds.
      if (datagram[0] === 0) datagram[10] ^= 1;
      world.server.endpoint.handleDatagram(world.network.now, attacker, datagram);
      world.server.endpoint.flush(world.network.now);
    }
    expect(seen.length).toBeGreaterThan(1);
    expect(connection.remote).toMatchObject(host.address);
    expect(connection.state).toBe("open");
  });
});
