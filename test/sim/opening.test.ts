import { describe, expect, it } from "vitest";
import { type BrowserProfile, CHROMIUM, FIREFOX } from "./browser-peer/profile.ts";
import type { Fate, Link } from "./link.ts";
import type { DtlsVersion } from "../../src/dtls/connection.ts";
import { quantile, runOpenings } from "./opening.ts";
import { UNRELIABLE, World } from "./world.ts";

const RTT_MS = 100;
/** What a page waits for, in round trips: measured with a server whose INIT comes with its Finished, or in 1.3 with its flight. */
const CASES = [
  { profile: CHROMIUM, version: "1.3", trips: 3 },
  { profile: FIREFOX, version: "1.3", trips: 4 },
  { profile: CHROMIUM, version: "1.2", trips: 4 },
  { profile: FIREFOX, version: "1.2", trips: 5 },
] as const;

interface Opening {
  /** When the page's channel was open, ms. */
  pageMs: number;
  /** When both ends were open and the page had its DCEP ACK, ms. */
  bothMs: number;
  datagrams: { up: number; down: number };
}

/** Opens one connection, with something done to the lines. */
function open(
  seed: string,
  profile: BrowserProfile,
  version: DtlsVersion,
  prepare: (up: Link, down: Link) => void = () => {},
): Opening {
  const world = new World(seed, {}, [version]);
  const { peer, host } = world.addBrowser({ profile, line: { rttMs: RTT_MS, reorderMs: 60 } });
  prepare(host.up, host.down);
  const channel = peer.createChannel(0, "data", UNRELIABLE);
  const opened = world.network.runUntil(20_000, () => channel.acknowledged && world.server.opened.length > 0);
  if (!opened) {
    const drops = JSON.stringify(world.server.endpoint.drops.snapshot());
    throw new Error(`not open after 20 s; server dropped ${drops} [seed "${seed}"]`);
  }
  return {
    pageMs: channel.openedAt,
    bothMs: world.network.now,
    datagrams: { up: host.up.counters.sent, down: host.down.counters.sent },
  };
}

/** A DTLS record of type handshake in epoch 0. Nothing protects it but the UDP checksum, which the simulator leaves out. */
function isPlaintextHandshake(datagram: Uint8Array): boolean {
  return datagram[0] === 22 && datagram[3] === 0 && datagram[4] === 0;
}

/** A message there and one back, after an opening under difficulties. */
function echo(seed: string, profile: BrowserProfile, version: DtlsVersion): string[] {
  const world = new World(seed, {}, [version]);
  const { peer, host, channel } = world.openBrowser({ profile, line: { rttMs: RTT_MS }, limitMs: 20_000 });
  const received: string[] = [];
  world.server.onMessage = (connection, _channel, data) => world.server.send(world.network.now, connection, data);
  peer.events.message = (_now, _channel, data) => received.push(String(data));
  world.network.at(world.network.now, host, (now) => peer.send(now, channel, "over and back"));
  world.network.runUntil(world.network.now + 1000);
  return received;
}

describe.each(CASES)("opening from $profile.name with DTLS $version", ({ profile, version, trips }) => {
  it(`takes no more than ${trips} round trips`, () => {
    // Chromium with 1.2: check, ClientHello, Finished + INIT, COOKIE-ECHO + OPEN. Firefox waits for the ACK as well.
    expect(open("plain", profile, version).pageMs / RTT_MS).toBeLessThanOrEqual(trips + 0.05);
    expect(echo("plain echo", profile, version)).toEqual(["over and back"]);
  });

  const { datagrams, bothMs } = open("plain", profile, version);
  const fates: Fate[] = ["lose", "duplicate", "delay", "corrupt"];
  const directions = ["up", "down"] as const;
  for (const fate of fates) {
    for (const direction of directions) {
      it(`succeeds whichever one datagram ${direction === "up" ? "to" : "from"} the server meets "${fate}"`, () => {
        for (let chosen = 0; chosen < datagrams[direction]; chosen++) {
          const seed = `${profile.name} ${version} ${direction} ${chosen} ${fate}`;
          const opening = open(seed, profile, version, (up, down) => {
            (direction === "up" ? up : down).intercept = (index, datagram) =>
              index === chosen && !(fate === "corrupt" && isPlaintextHandshake(datagram)) ? fate : "pass";
          });
          // What one loss may cost: a lost INIT or COOKIE-ECHO the second of T1, a lost flight its first timeout.
          const allowedMs = fate === "duplicate" ? 1 : 1000 + RTT_MS;
          expect(opening.bothMs - bothMs, seed).toBeLessThanOrEqual(allowedMs);
        }
      });
    }
  }

  it("succeeds whichever two datagrams in a row are lost", () => {
    for (const direction of directions) {
      for (let first = 0; first < datagrams[direction]; first++) {
        const seed = `${profile.name} ${version} ${direction} ${first} two`;
        open(seed, profile, version, (up, down) => {
          (direction === "up" ? up : down).intercept = (index) =>
            index === first || index === first + 1 ? "lose" : "pass";
        });
      }
    }
  });

  it("succeeds over a line that does everything wrong at once", () => {
    for (let trial = 0; trial < 10; trial++) {
      open(`${profile.name} rough ${trial}`, profile, version, (up, down) => {
        for (const link of [up, down]) {
          link.set({ loss: 0.1, jitterMs: 50, reorder: 0.1, duplication: 0.1 });
        }
      });
    }
  });

  it("succeeds where datagrams over 1,200 bytes vanish", () => {
    expect(
      open("mtu", profile, version, (up, down) => [up, down].map((link) => link.set({ mtuBytes: 1200 }))).pageMs,
    ).toBeGreaterThan(0);
  });
});

describe("opening at 10 % loss", () => {
  it("succeeds each time", () => {
    const { failed, setupMs } = runOpenings({ seed: "few", trials: 60, loss: 0.1, rttMs: 50 });
    expect(failed).toEqual([]);
    expect(quantile(setupMs, 0.5)).toBeLessThan(1000);
  });
});
