import { describe, expect, it } from "vitest";
import type { SocketAddress } from "../../src/wire/address.ts";
import { CHROMIUM, FIREFOX } from "./browser-peer/profile.ts";
import { Flow } from "./flow.ts";
import { World } from "./world.ts";

const MOVES = 3;
const INTERVAL_MS = 50;

describe.each([CHROMIUM, FIREFOX])("a browser that moves again and again ($name)", (profile) => {
  /** Messages both ways while the browser moves. Where `keepsOld`, it goes on hearing at the addresses it has left. */
  function wander(seed: string, { keepsOld, loss }: { keepsOld: boolean; loss: number }) {
    const world = new World(seed);
    const { network, server } = world;
    const random = network.random.fork("wander");
    const rttMs = 10 + random.below(150);
    const { peer, host, channel } = world.openBrowser({ profile, line: { rttMs } });
    const [connection] = server.opened;
    const down = new Flow(50 + random.below(1_000));
    server.onMessage = () => server.send(network.now, connection, down.next());
    peer.events.message = (_now, _channel, data) => down.receive(data);
    host.setLine({ loss });
    const start = network.now;
    let at = start;
    for (let move = 0; move < MOVES; move++) {
      at += 7_500 + random.below(5_000);
      network.at(at, host, () => {
        const left = host.address;
        network.rebind(host, { address: `198.51.100.${100 + move}`, port: 40_000 + random.below(20_000) });
        if (keepsOld)
          network.attach({ nextDeadline: Number.POSITIVE_INFINITY, handleTimeout() {}, handleDatagram }, left);
      });
    }
    network.every(start, INTERVAL_MS, Math.floor((at + 8_000 - start) / INTERVAL_MS), host, (index, now) => {
      peer.send(now, channel, `input ${index}`);
    });
    const handleDatagram = (now: number, source: SocketAddress, datagram: Uint8Array) => {
      peer.handleDatagram(now, source, datagram);
      network.at(now, host, () => {});
    };
    network.runUntil(at + 10_000);
    return { world, connection, down, rttMs };
  }

  it("loses no message for want of credit, on lines that lose some, whether its old address hears or not", () => {
    for (let trial = 0; trial < 4; trial++) {
      const seed = `wander ${trial}`;
      const { world, connection } = wander(seed, { keepsOld: trial % 2 === 0, loss: 0.02 * (trial % 3) });
      expect(connection.state, seed).toBe("open");
      expect(world.server.endpoint.drops.get("address-unproven"), seed).toBe(0);
    }
  });

  it("hears every answer but those that were on the way to the address it left", () => {
    for (let trial = 0; trial < 2; trial++) {
      const seed = `both ${trial}`;
      const { down, rttMs } = wander(seed, { keepsOld: true, loss: 0 });
      const onTheWay = MOVES * (1 + Math.ceil(rttMs / 2 / INTERVAL_MS));
      expect(down.loss * down.sent, seed).toBeLessThanOrEqual(onTheWay);
    }
  });
});
