import { describe, expect, it } from "vitest";
import { CHROMIUM, FIREFOX } from "./browser-peer/profile.ts";
import { World } from "./world.ts";

const ADDRESS = { address: "198.51.100.1", port: 50_000 };

describe.each([CHROMIUM, FIREFOX])("a page of $name", (profile) => {
  it("that is closed is closed at the server half a round trip later", () => {
    const world = new World("close");
    const { peer, host } = world.openBrowser({ profile, line: { rttMs: 100 } });
    const closedAt = world.network.now;
    world.network.at(closedAt, host, (now) => peer.close(now));
    world.network.runUntil(closedAt + 1000);
    expect(world.server.closed.map(({ at }) => Math.round(at - closedAt))).toEqual([50]);
  });

  it("that reloads on the same address and port replaces its old connection at once", () => {
    const world = new World("reload");
    const old = world.openBrowser({ profile, address: ADDRESS, line: { rttMs: 50 } });
    // Its ABORT and close_notify are lost, as those of a tab that was killed.
    old.peer.vanish();
    world.network.detach(old.host);
    const start = world.network.now;
    const fresh = world.openBrowser({ profile, address: ADDRESS, line: { rttMs: 50 }, limitMs: 2000 });
    expect(world.network.now - start).toBeLessThan(500);
    expect(world.server.closed.map(({ connection }) => connection)).toEqual([world.server.opened[0]]);
    const received: unknown[] = [];
    world.server.onMessage = (connection, _channel, data) => {
      received.push(data);
      world.server.send(world.network.now, connection, data);
    };
    fresh.peer.events.message = (_now, _channel, data) => received.push(data);
    world.network.at(world.network.now, fresh.host, (now) => fresh.peer.send(now, fresh.channel, "hello again"));
    world.network.runUntil(world.network.now + 1000);
    expect(received).toEqual(["hello again", "hello again"]);
    expect(world.server.endpoint.connectionCount).toBe(1);
  });

  it("whose tab is killed is noticed within 15 s", () => {
    const world = new World("killed");
    const { peer } = world.openBrowser({ profile, line: { rttMs: 50 } });
    world.network.runUntil(world.network.now + 20_000);
    const killedAt = world.network.now;
    peer.vanish();
    expect(world.network.runUntil(killedAt + 15_000, () => world.server.closed.length > 0)).toBe(true);
  });

  it.each([0.05, 0.1])("that says nothing stays connected for ten minutes at %f loss", (loss) => {
    // At 0.1 the browser itself gives up in one run of a hundred; not in this one.
    const world = new World(`silent ${loss}`);
    const { peer, host } = world.openBrowser({ profile, line: { rttMs: 50 } });
    host.setLine({ loss });
    world.network.runUntil(world.network.now + 600_000);
    expect(world.server.closed.map(({ reason, at }) => `${reason} at ${at}`)).toEqual([]);
    expect(peer.state).toBe("connected");
  });
});
