import assert from "node:assert/strict";
import { expect, test } from "vitest";
import { writeBindingRequest } from "../../src/ice/stun-write.ts";
import { isStun } from "../../src/ice/stun.ts";
import type { SocketAddress } from "../../src/wire/address.ts";
import { SERVER_ADDRESS, World } from "../sim/world.ts";
import { Arena } from "./support/arena.ts";
import { recordedHellos } from "./support/dtls.ts";
import { EditScript } from "./support/edit-script.ts";
import { fuzzTests } from "./support/fuzz.ts";
import { growthOf } from "./support/memory.ts";
import { withChecksum } from "./support/sctp.ts";
import { bitFlips, extremeBytes, truncations } from "./support/variants.ts";

const hellos = [...recordedHellos("chromium"), ...recordedHellos("firefox")];

function stranger(index: number): SocketAddress {
  return { address: `198.18.${(index >>> 8) & 255}.${index & 255}`, port: 1_024 + (index % 60_000) };
}

/** A well-formed check for a session, under this password. */
function checkFor(username: string, password: string, index = 0): Uint8Array {
  return writeBindingRequest({
    transactionId: Uint8Array.from({ length: 12 }, (_, i) => (index >>> i) & 255),
    username,
    key: new TextEncoder().encode(password),
    priority: 1,
    tieBreaker: new Uint8Array(8),
    role: "controlling",
    useCandidate: true,
  });
}

function honestUsername(arena: Arena): string {
  const { localUfrag, remoteUfrag } = arena.honest.session;
  return `${localUfrag}:${remoteUfrag}`;
}

test("datagrams of every first byte and small length from strangers are dropped, counted and not answered", () => {
  const arena = new Arena("first bytes");
  const sent = arena.sentDuring(() => {
    for (let first = 0; first < 256; first++) {
      for (const length of [1, 2, 3, 12, 13, 19, 20, 28, 1_500]) {
        const datagram = new Uint8Array(length).fill(first ^ length);
        datagram[0] = first;
        arena.inject(stranger(first), datagram);
      }
    }
    arena.inject(stranger(0), new Uint8Array(0));
    arena.run(100);
  });
  expect(sent).toEqual({ count: 0, bytes: 0 });
  const drops = arena.server.endpoint.drops.snapshot();
  expect(Object.keys(drops).sort()).toEqual(["stun-malformed", "unknown-address", "unknown-protocol"]);
  arena.settle();
});

test("hellos and records from addresses without a verified check cost nothing and are not answered", () => {
  const arena = new Arena("unverified");
  const sent = arena.sentDuring(() => {
    for (let i = 0; i < 5_000; i++) arena.inject(stranger(i), hellos[i % hellos.length]);
    for (const datagram of arena.records) arena.inject(stranger(1), datagram);
  });
  expect(sent.count).toBe(0);
  expect(arena.server.endpoint.connectionCount).toBe(1);
  arena.settle();
});

test("checks without the password, for sessions there are and are not, are dropped without an answer", () => {
  const arena = new Arena("wrong password");
  const username = honestUsername(arena);
  const { localPwd } = arena.honest.session;
  const good = checkFor(username, localPwd);
  const sent = arena.sentDuring(() => {
    for (const flipped of bitFlips(good)) arena.inject(stranger(1), flipped);
    for (const cut of truncations(good)) arena.inject(stranger(1), cut);
    for (const extreme of extremeBytes(good)) arena.inject(stranger(1), extreme);
    for (const name of [":", "a:b", username.slice(1), `${username}x`, username.split(":").reverse().join(":")]) {
      arena.inject(stranger(1), checkFor(name, localPwd));
    }
    arena.inject(stranger(1), checkFor(username, `${localPwd}x`));
    arena.inject(stranger(1), checkFor(username, ""));
  });
  expect(sent.count).toBe(0);
  arena.settle();
});

test("whatever comes from the honest page's own address, its connection goes on", () => {
  const arena = new Arena("spoofed");
  arena.run(1_000);
  const from = arena.bystanderAddress;
  for (const hello of hellos) arena.inject(from, hello);
  arena.run(100);
  for (const datagram of [...arena.records, ...arena.checks]) {
    arena.inject(from, datagram);
    arena.inject(from, datagram.slice(0, datagram.length >>> 1));
    for (const at of [0, 1, 3, 5, 10, 12, 20, datagram.length - 1]) {
      const copy = datagram.slice();
      copy[at] ^= 1 << (at & 7);
      arena.inject(from, copy);
    }
  }
  for (let type = 20; type < 64; type++) {
    for (const epoch of [0, 1, 2, 3]) {
      arena.inject(from, Uint8Array.of(type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 9, 9, 0, 2, 2, 40));
    }
  }
  arena.run(1_000);
  arena.settle();
});

test("checks overheard and replayed from elsewhere do not take the flow with them", () => {
  const arena = new Arena("replayed checks");
  arena.run(6_000);
  const checks = [...arena.checks];
  expect(checks.length).toBeGreaterThan(3);
  for (let round = 0; round < 20; round++) {
    for (const [i, check] of checks.entries()) arena.inject(stranger(i + 100 * round), check);
    arena.run(300);
  }
  arena.settle();
});

test("checks overheard and replayed do not keep a connection whose page has gone", () => {
  const world = new World("replayed for a dead page");
  const { network, server } = world;
  const { host } = world.openBrowser({ line: { rttMs: 20 } });
  let check = new Uint8Array(0);
  network.onDelivery = (_from, to, datagram) => {
    if (to.port === SERVER_ADDRESS.port && isStun(datagram[0])) check = datagram.slice();
  };
  network.runUntil(network.now + 6_000);
  network.detach(host);
  const start = network.now;
  for (let at = start; server.closed.length === 0 && at < start + 60_000; at += 1_000) {
    server.handleDatagram(at, stranger(1), check);
    network.runUntil(at + 1_000);
  }
  expect(server.closed.map(({ reason }) => reason)).toEqual(["idle"]);
  expect(network.now - start).toBeLessThan(40_000);
});

test.each([2, 300])("a page that has gone without a word is idle after 10 s, %i ms away", (rttMs) => {
  const world = new World("gone");
  const { network, server } = world;
  const { host } = world.openBrowser({ line: { rttMs } });
  network.runUntil(network.now + 6_000);
  network.detach(host);
  const start = network.now;
  network.runUntil(start + 60_000, () => server.closed.length > 0);
  expect(server.closed.map(({ reason }) => reason)).toEqual(["idle"]);
  expect(network.now - start).toBeGreaterThan(3_000);
  expect(network.now - start).toBeLessThanOrEqual(10_000 + rttMs);
});

test("the holder of a session cannot have much sent to an address that is not his own", () => {
  const arena = new Arena("reflection");
  const session = arena.server.endpoint.createSession(arena.now, {
    ufrag: "abcd",
    fingerprint: new Uint8Array(32),
    sctpPort: 5000,
    maxMessageBytes: 0,
  })!;
  const victim = stranger(7);
  const check = checkFor(`${session.localUfrag}:abcd`, session.localPwd);
  // The end of a message that has been answered: the shortest way to ask for the flight again.
  const again = Uint8Array.from([22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  let fromVictim = 0;
  const { network } = arena.world;
  const inject = (datagram: Uint8Array) => {
    fromVictim += datagram.length;
    arena.inject(victim, datagram);
  };
  const sent = arena.sentDuring(() => {
    inject(check);
    for (const hello of recordedHellos("firefox")) inject(hello);
    for (let i = 0; i < 400; i++) {
      inject(again);
      network.runUntil(network.now + 40);
    }
  });
  expect(sent.bytes).toBeGreaterThan(500);
  // Two flights, the check's answer, and three bytes for one.
  expect(sent.bytes).toBeLessThan(4_096 + 400 + 3 * fromVictim);
  arena.settle();
});

test("a peer with a session of its own that spoofs the honest page's address takes nothing from it", () => {
  const arena = new Arena("claims");
  const rogues = Array.from({ length: 8 }, () => arena.addRogue({}));
  arena.run(2_000);
  for (const { peer } of rogues) assert.equal(peer.state, "connected");
  const sessions = [...arena.server.endpoint.connections()].slice(1).map(({ session }) => session);
  for (let round = 0; round < 30; round++) {
    for (const [i, session] of sessions.entries()) {
      const username = `${session.localUfrag}:${session.remoteUfrag}`;
      arena.inject(arena.bystanderAddress, checkFor(username, session.localPwd, 100 * round + i));
      for (const hello of hellos.slice(0, 4)) arena.inject(arena.bystanderAddress, hello);
    }
    arena.run(200);
  }
  for (const rogue of rogues) arena.removeRogue(rogue);
  arena.settle();
});

test("100,000 bad checks, 100,000 hellos and 10,000 sessions later memory is as before and nobody noticed", () => {
  const arena = new Arena("flood", { maxPendingSessions: 1_000 });
  const username = honestUsername(arena);
  const bad = checkFor(username, "x".repeat(24));
  const fingerprint = new Uint8Array(32);
  const flood = (count: number) => {
    for (let i = 0; i < count; i++) {
      arena.inject(stranger(i), bad);
      arena.inject(stranger(i), hellos[i % hellos.length]);
      if (i % 10 === 0) {
        arena.server.endpoint.createSession(arena.now, {
          ufrag: "abcd",
          fingerprint,
          sctpPort: 5000,
          maxMessageBytes: 0,
        });
      }
      if (i % 1_000 === 0) arena.run(32);
    }
    arena.settle();
  };
  flood(20_000);
  expect(growthOf(() => flood(100_000))).toBeLessThan(2_000_000);
});

fuzzTests(() => {
  let arena = new Arena("fuzz");
  let inputs = 0;
  return {
    name: "endpoint-datagrams",
    recorded: [
      ...hellos,
      ...arena.records,
      ...arena.checks,
      checkFor(honestUsername(arena), "x"),
      checkFor("a:b", "y"),
    ],
    iterations: 150_000,
    run(input, random) {
      const source = random.chance(0.5) ? arena.bystanderAddress : stranger(random.below(1_000));
      arena.inject(source, input);
      if (++inputs % 50 === 0) arena.run(20);
    },
    settle() {
      arena.settle();
      arena = new Arena(`fuzz ${inputs}`);
    },
  };
});

fuzzTests(() => {
  let arena = new Arena("rogues");
  let inputs = 0;
  return {
    name: "endpoint-rogue",
    recorded: Array.from({ length: 200 }, (_, i) =>
      Uint8Array.of(i % 40, i, (i * 53) & 0xff, (i * 29) & 0xff, i * 11, (i + 2) % 30, i * 3, 1, i, i),
    ),
    iterations: 400,
    run(input, random) {
      // Either what it puts on the wire is edited, or what it encrypts.
      const script = new EditScript(input);
      const rogue = arena.addRogue(
        random.chance(0.4)
          ? { editDatagram: (datagram) => script.apply(datagram) }
          : {
              editPacket: (packet) =>
                script.apply(packet).flatMap((result) => (result.length >= 12 ? [withChecksum(result)] : [result])),
            },
      );
      const { peer } = rogue;
      const ordered = peer.createChannel(arena.now, "ordered", {});
      const loose = peer.createChannel(arena.now, "loose", { ordered: false, maxRetransmits: 0 });
      for (let round = 0; round < 3; round++) {
        arena.run(700);
        for (const [channel, bytes] of [
          [ordered, 3_000],
          [loose, 900],
          [loose, 2_500],
        ] as const) {
          if (channel.state === "open") peer.send(arena.now, channel, new Uint8Array(bytes));
        }
      }
      if (loose.state === "open") peer.closeChannel(arena.now, loose);
      arena.run(300);
      arena.removeRogue(rogue);
      if (++inputs % 60 === 0) this.settle?.();
    },
    settle() {
      arena.settle();
      arena = new Arena(`rogues ${inputs}`);
    },
  };
});
