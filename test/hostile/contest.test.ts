import { expect, test } from "vitest";
import { HANDSHAKE_BYTES } from "../../src/core/server-connection.ts";
import type { DtlsVersion } from "../../src/dtls/connection.ts";
import { isStun } from "../../src/ice/stun.ts";
import { Random } from "../sim/random.ts";
import { ScriptedPage, ScriptedServer } from "../unit/core/support/scripted-page.ts";
import { Party } from "../unit/dtls/support.ts";
import { anyHello, countingCertificate, floodDatagrams } from "./support/hello-flood.ts";

const HOME = { address: "203.0.113.1", port: 6_000 };
const STRANGER = { ufrag: "evil", fingerprint: new Uint8Array(32) };
const VERSIONS: DtlsVersion[] = ["1.2", "1.3"];

function newServer(seed: string, limits: ConstructorParameters<typeof ScriptedServer>[1] = {}) {
  const { certificate, counts } = countingCertificate();
  return { server: new ScriptedServer(seed, limits, { certificate }), counts };
}

function deliver(server: ScriptedServer, datagrams: readonly Uint8Array[], from = HOME): void {
  for (const datagram of datagrams) server.endpoint.handleDatagram(server.now, from, datagram);
  server.endpoint.flush(server.now);
}

/** Sessions of a stranger that claim the address. */
function claim(server: ScriptedServer, sessions: number): void {
  for (let i = 0; i < sessions; i++) new ScriptedPage(server, false, STRANGER).check(HOME, true);
}

test("hellos without end at an address that several sessions claim cost one signature for each session at most", () => {
  let signed = 0;
  for (let run = 0; run < 12; run++) {
    const random = new Random(`hello flood ${run}`);
    const { server, counts } = newServer(random.seed);
    let sessions = 2;
    claim(server, sessions);
    for (let i = 0; i < 150; i++) {
      deliver(server, floodDatagrams(random));
      server.runUntil(server.now + random.below(20));
      if (random.chance(0.02) && sessions < 6) {
        claim(server, 1);
        sessions++;
      }
      // Of all these hellos the server keeps one that it has answered, and a part of one.
      const limit = (sessions + 2) * HANDSHAKE_BYTES + 2 * 4_096;
      expect(server.endpoint.memory.bytes, `[seed ${random.seed}]`).toBeLessThanOrEqual(limit);
    }
    expect(counts.signatures, `[seed ${random.seed}]`).toBeLessThanOrEqual(sessions);
    signed += counts.signatures;
  }
  expect(signed).toBeGreaterThan(6);
});

test("other hellos at an address that one session claims cost nothing more, and do not disturb its handshake", () => {
  for (const version of VERSIONS) {
    const random = new Random(`uncontested ${version}`);
    const { server, counts } = newServer(random.seed);
    const page = new ScriptedPage(server, false, {}, [version]);
    page.check(HOME, true);
    page.dtls.start(server.now);
    for (let turn = 0; turn < 4; turn++) {
      page.send(HOME);
      for (let i = 0; i < 20; i++) deliver(server, anyHello(random));
      page.hear(HOME);
    }
    expect(counts.signatures).toBe(1);
    expect(page.connection.established).toBe(true);
  }
});

test.each(VERSIONS)("a page opens over DTLS %s while other hellos come from its address without end", (version) => {
  for (let run = 0; run < 20; run++) {
    const random = new Random(`beside a flood ${version} ${run}`);
    const { server, counts } = newServer(random.seed, { maxHandshakes: 16 });
    // The page may come before the others, and its hello before theirs.
    const isFirst = random.chance(0.3);
    if (!isFirst) claim(server, 2);
    const page = new ScriptedPage(server, false, {}, [version]);
    page.check(HOME, true);
    if (isFirst) claim(server, 2);
    const flood = () => {
      for (let i = random.below(4); i > 0; i--) deliver(server, anyHello(random));
    };
    const isLed = random.chance(0.5);
    if (!isLed) deliver(server, anyHello(random));
    // What is for others is for the page as well, and would spoil its handshake: here it has no answer to them yet.
    page.hear({ ...HOME, port: 1 });
    page.dtls.start(server.now);
    for (let turn = 0; turn < 6 && !page.connection.established; turn++) {
      page.send(HOME);
      page.hear(HOME);
      flood();
      page.hear({ ...HOME, port: 1 });
    }
    expect(page.connection.established, `[seed ${random.seed}]`).toBe(true);
    expect(counts.signatures, `[seed ${random.seed}]`).toBe(isLed ? 1 : 2);
  }
});

test("whoever returns cookies has signatures from the budget of the address", () => {
  const { server, counts } = newServer("cookies", {
    maxHandshakesPerAddress: 4,
    maxHandshakesPerSecondPerAddress: 1,
  });
  claim(server, 2);
  for (let i = 0; i < 20; i++) beginHandshake(server, VERSIONS[i % 2]);
  // The first one takes 1 of 4, each later one an eighth for each of its hellos besides.
  expect(counts.signatures).toBe(3);
  expect(server.endpoint.drops.get("handshake-budget")).toBeGreaterThan(10);
  for (let i = 0; i < 6; i++) {
    server.runUntil(server.now + 1_300);
    beginHandshake(server, VERSIONS[i % 2]);
    expect(counts.signatures).toBe(4 + i);
  }
});

test("hellos that are answered with cookies have a budget, too", () => {
  const { server } = newServer("asked", { maxHandshakesPerAddress: 4, maxHandshakesPerSecondPerAddress: 1 });
  claim(server, 2);
  const random = new Random("asked");
  deliver(server, anyHello(random));
  const before = server.sentTo(HOME).length;
  for (let i = 0; i < 200; i++) deliver(server, anyHello(random));
  expect(server.sentTo(HOME).length - before).toBe(24);
});

test("a cookie is of no use a second time, nor at another address", () => {
  for (const version of VERSIONS) {
    const { server, counts } = newServer(`replay ${version}`);
    const other = { ...HOME, port: HOME.port + 1 };
    claim(server, 2);
    for (let i = 0; i < 2; i++) new ScriptedPage(server, false, STRANGER).check(other, true);
    for (const at of [HOME, other]) deliver(server, anyHello(new Random(`first ${at.port}`)), at);
    const withCookie = beginHandshake(server, version);
    expect(counts.signatures).toBe(3);
    deliver(server, withCookie, other);
    expect(counts.signatures).toBe(3);
    // Another client begins.
    beginHandshake(server, version);
    expect(counts.signatures).toBe(4);
    for (let i = 0; i < 3; i++) deliver(server, withCookie);
    expect(counts.signatures).toBe(4);
  }
});

/** A new client at the address says hello, and returns the cookie that it is asked for. Returns what it said then. */
function beginHandshake(server: ScriptedServer, version: DtlsVersion): Uint8Array[] {
  const client = new Party({ role: "client", versions: [version], groups: [0x001d] });
  client.connection.start(server.now);
  const from = server.sent.length;
  deliver(server, client.take());
  for (const { datagram } of server.sent.slice(from)) {
    if (!isStun(datagram[0])) client.connection.handleDatagram(server.now, datagram);
  }
  const withCookie = client.take();
  deliver(server, withCookie);
  client.connection.close(server.now);
  return withCookie;
}
