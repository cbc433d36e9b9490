import { describe, expect, it } from "vitest";
import type { Channel } from "../../src/channel/channel.ts";
import { CHROMIUM, FIREFOX } from "./browser-peer/profile.ts";
import { Flow } from "./flow.ts";
import { UNRELIABLE, World } from "./world.ts";

const MEGABYTE = 1_048_576;
const PIECE_BYTES = 16_384;
const PIECES = MEGABYTE / PIECE_BYTES;

describe.each([CHROMIUM, FIREFOX])("a reliable, ordered channel to $name at 5 % loss", (profile) => {
  it("carries a megabyte each way, intact and in order, beside an unreliable one that keeps flowing", () => {
    const world = new World("megabyte");
    const { network, server } = world;
    const { peer, host, channel: fast } = world.openBrowser({ profile, line: { rttMs: 30 }, channel: UNRELIABLE });
    const connection = server.opened[0];
    const bulk = peer.createChannel(network.now, "bulk", { ordered: true });
    const incoming: (Uint8Array | string)[] = [];
    let serverBulk: Channel | undefined;
    const flows = { up: new Flow(60), down: new Flow(60) };
    const bulks = { up: new Flow(PIECE_BYTES), down: new Flow(PIECE_BYTES) };
    server.onMessage = (_connection, channel, data) => {
      if (channel.label === "bulk") {
        serverBulk ??= channel;
        bulks.up.receive(data);
        incoming.push(data);
      } else flows.up.receive(data);
    };
    peer.events.message = (_now, channel, data) => (channel === bulk ? bulks.down : flows.down).receive(data);
    network.runUntil(network.now + 1000, () => bulk.acknowledged);
    host.setLine({ loss: 0.05 });
    const start = network.now;
    network.at(start, host, (now) => {
      for (let i = 0; i < PIECES; i++) peer.send(now, bulk, bulks.up.next());
    });
    // The server's queue is bounded: a piece every 100 ms or so.
    network.every(start + 2000, 150, PIECES, server.host, (_, now) => {
      server.send(now, connection, bulks.down.next(), serverBulk);
    });
    network.every(start, 1000 / 60, 600, host, (_, now) => peer.send(now, fast, flows.up.next()));
    network.every(start, 1000 / 60, 600, server.host, (_, now) => server.send(now, connection, flows.down.next()));
    const done = () => bulks.up.delivered === PIECES && bulks.down.delivered === PIECES;
    network.runUntil(start + 120_000, done);
    network.runUntil(network.now + 1000);
    for (const { delivered, damaged, duplicates, outOfOrder } of [bulks.up, bulks.down]) {
      expect({ delivered, damaged, duplicates, outOfOrder }).toEqual({
        delivered: PIECES,
        damaged: 0,
        duplicates: 0,
        outOfOrder: 0,
      });
    }
    // It shares the congestion window with a bulk transfer, so it may wait, but it is not lost with it.
    expect(flows.up.loss).toBeLessThan(0.12);
    expect(flows.down.loss).toBeLessThan(0.12);
  });
});
