import { describe, expect, test } from "vitest";
import { ScriptedPage, ScriptedServer } from "./support/scripted-page.ts";

const HOME = { address: "198.51.100.1", port: 50_000 };
const AWAY = { address: "198.51.100.2", port: 50_001 };
const ELSEWHERE = { address: "198.51.100.3", port: 50_002 };

const MESSAGE_BYTES = 500;

function open(seed: string, nominated = true) {
  const server = new ScriptedServer(seed);
  const page = new ScriptedPage(server).open(HOME, nominated);
  return { server, page };
}

/** A page that has said something half a second ago. */
function talking(seed: string, nominated = true) {
  const scene = open(seed, nominated);
  scene.server.runUntil(1_000);
  scene.page.say(HOME);
  scene.server.runUntil(1_500);
  return scene;
}

/** A page that has said nothing for two seconds. */
function silent(seed: string, nominated = true) {
  const scene = open(seed, nominated);
  scene.server.runUntil(2_000);
  return scene;
}

/**
 * The server has much to say to a page at an address, which sends from there and hears nothing; other things come from elsewhere.
 * Returns the bytes that came from there, checks included.
 */
function flood(server: ScriptedServer, page: ScriptedPage, at: typeof HOME, others: typeof HOME): number {
  let bytes = 0;
  for (let round = 0; round < 100; round++) {
    server.runUntil(server.now + 50);
    page.connection.send(server.now, new Uint8Array(MESSAGE_BYTES));
    server.endpoint.flush(server.now);
    if (round % 10 === 0) bytes += page.say(at);
    if (round % 10 === 1) page.say(others, new Uint8Array(MESSAGE_BYTES));
    if (round % 10 === 2) bytes += page.check(at, true);
  }
  return bytes;
}

describe("until a page has shown that it hears at an address", () => {
  /** Nothing beyond the limit, and the limit is made use of. `bytes` have come from there since that time. */
  function expectLimited(server: ScriptedServer, page: ScriptedPage, since: number, bytes: number): void {
    const at = page.connection.remote;
    const others = at.port === HOME.port ? AWAY : HOME;
    const limit = 3 * (bytes + flood(server, page, at, others));
    const sent = server.allBytesTo(at, since);
    expect(sent).toBeLessThanOrEqual(limit);
    expect(sent).toBeGreaterThan(limit - 5 * MESSAGE_BYTES);
  }

  test("after it has moved there, three bytes go out for one in", () => {
    const { server, page } = silent("moved");
    expectLimited(server, page, 0, page.check(AWAY, true));
  });

  test("the same holds each time it moves, and at an address where it was before", () => {
    const { server, page } = silent("moved back");
    page.check(AWAY, true);
    page.converse(AWAY);
    server.runUntil(5_000);
    expectLimited(server, page, 5_000, page.check(HOME, true));
  });

  test("the same holds where it moves before SCTP is up", () => {
    const server = new ScriptedServer("moved early");
    const page = new ScriptedPage(server);
    page.check(HOME, true);
    page.dtls.start(server.now);
    page.send(HOME);
    page.hear(HOME);
    page.send(HOME);
    expect(page.connection.established).toBe(true);
    expect(page.connection.association!.state).not.toBe("established");
    page.hear(HOME);
    server.runUntil(1);
    // It hears so much there and no more: a page that hears nothing could guess what to say to it, but for HEARTBEATs.
    let bytes = page.check(AWAY, true) + page.send(AWAY);
    page.hear(AWAY);
    bytes += page.send(AWAY);
    expect(page.connection.association!.state).toBe("established");
    expectLimited(server, page, 1, bytes);
  });

  test("the answer to a HEARTBEAT that it heard elsewhere shows nothing", () => {
    const { server, page } = open("late answer");
    server.runUntil(5_000);
    expect(page.connection.association!.isProbing).toBe(true);
    page.hear(HOME);
    page.association.flush(server.now);
    const checkBytes = page.check(AWAY, true);
    const answer = page.send(AWAY);
    expect(answer).toBeGreaterThan(0);
    expectLimited(server, page, 5_000, checkBytes + answer);
  });

  test("it is asked there at once, by a HEARTBEAT that is within the limit", () => {
    const { server, page } = silent("asked");
    page.check(AWAY, true);
    expect(server.sentTo(AWAY)).toHaveLength(1);
    expect(page.connection.association!.isProbing).toBe(true);
  });

  test("a handshake has three bytes for one, checks and their answers included, and 128 besides", () => {
    const server = new ScriptedServer("flights", { dtlsRetransmitMs: 5 });
    const page = new ScriptedPage(server);
    let bytes = 0;
    for (let i = 0; i < 10; i++) bytes += page.check(HOME, true);
    page.dtls.start(server.now);
    bytes += page.send(HOME);
    const flightBytes = server.bytesTo(HOME);
    server.runUntil(9_999);
    expect(server.allBytesTo(HOME)).toBeLessThanOrEqual(3 * bytes + 128);
    expect(server.allBytesTo(HOME)).toBeGreaterThan(3 * bytes + 128 - flightBytes);
  });

  test("what it is sent there is sent to where it was before as well, and a HEARTBEAT is not", () => {
    const { server, page } = silent("both");
    page.check(AWAY, true);
    expect(server.sentTo(HOME, 2_000)).toEqual([]);
    expect(server.sentTo(AWAY, 2_000)).toHaveLength(1);
    for (let i = 0; i < 20; i++) page.connection.send(server.now, new Uint8Array(MESSAGE_BYTES));
    server.endpoint.flush(server.now);
    expect(server.bytesTo(HOME, 2_000)).toBeGreaterThan(20 * MESSAGE_BYTES);
    expect(server.endpoint.drops.get("address-unproven")).toBe(0);
  });

  test("the record that moves it earns for its answer", () => {
    const { server, page } = talking("earns");
    page.check(AWAY, true);
    const before = server.bytesTo(AWAY);
    page.say(AWAY, new Uint8Array(100));
    page.connection.send(server.now, new Uint8Array(100));
    server.endpoint.flush(server.now);
    // The HEARTBEAT and the answer.
    expect(server.bytesTo(AWAY) - before).toBeGreaterThan(200);
    expect(server.endpoint.drops.get("address-unproven")).toBe(0);
  });

  test("it goes back after three seconds without an answer, and forward again with a record from there", () => {
    const { server, page } = silent("back");
    page.check(AWAY, true);
    server.runUntil(4_999);
    expect(page.connection.remote).toMatchObject(AWAY);
    server.runUntil(5_000);
    expect(page.connection.remote).toMatchObject(HOME);
    page.say(AWAY);
    expect(page.connection.remote).toMatchObject(AWAY);
  });

  test("it goes back at once with a check that nominates where it was", () => {
    const { server, page } = silent("spoofed");
    page.check(AWAY, true);
    page.check(HOME, true);
    expect(page.connection.remote).toMatchObject(HOME);
    const before = server.bytesTo(AWAY);
    page.connection.send(server.now, new Uint8Array(MESSAGE_BYTES));
    server.endpoint.flush(server.now);
    expect(server.bytesTo(AWAY)).toBe(before);
  });
});

describe("once a page has shown that it hears at an address, there is no limit", () => {
  function expectUnlimited(server: ScriptedServer, page: ScriptedPage): void {
    const { remote } = page.connection;
    const before = server.bytesTo(remote);
    for (let i = 0; i < 10; i++) page.connection.send(server.now, new Uint8Array(1_000));
    server.endpoint.flush(server.now);
    expect(server.bytesTo(remote) - before).toBeGreaterThan(10_000);
    expect(server.endpoint.drops.get("address-unproven")).toBe(0);
  }

  test("by its handshake: then it is not asked, either", () => {
    const server = new ScriptedServer("handshake");
    const page = new ScriptedPage(server);
    page.check(HOME, true);
    page.dtls.start(server.now);
    while (page.send(HOME) > 0) {
      expect(page.connection.association?.isProbing).not.toBe(true);
      page.hear(HOME);
    }
    page.say(HOME);
    expect(page.connection.association!.isProbing).toBe(false);
    expectUnlimited(server, page);
  });

  test("by the answer to the HEARTBEAT that went there", () => {
    const { server, page } = silent("answered");
    page.check(AWAY, true);
    page.converse(AWAY);
    expectUnlimited(server, page);
  });

  test("by a HEARTBEAT after a handshake that began elsewhere", () => {
    const server = new ScriptedServer("two paths");
    const page = new ScriptedPage(server);
    page.check(HOME, false);
    page.dtls.start(server.now);
    page.send(HOME);
    page.hear(HOME);
    page.check(AWAY, true);
    while (page.association.state !== "established") {
      expect(page.send(AWAY)).toBeGreaterThan(0);
      page.hear(AWAY);
    }
    page.say(AWAY);
    expect(page.connection.association!.isProbing).toBe(true);
    page.converse(AWAY);
    expect(page.connection.association!.isProbing).toBe(false);
    expectUnlimited(server, page);
  });
});

describe("other claims on an address", () => {
  test("stand while a handshake has gone to another address, too", () => {
    const server = new ScriptedServer("not settled");
    const owner = new ScriptedPage(server).open(AWAY);
    const rogue = new ScriptedPage(server);
    rogue.check(HOME, false);
    rogue.dtls.start(server.now);
    rogue.send(HOME);
    rogue.hear(HOME);
    rogue.check(AWAY, true);
    rogue.send(AWAY);
    expect(rogue.connection.established).toBe(true);
    expect(server.closed).toEqual([]);
    expect(owner.connection.state).toBe("open");
  });

  test("end where the whole handshake took place, not where there were only checks before it", () => {
    const server = new ScriptedServer("settled");
    const bystander = new ScriptedPage(server).open(HOME);
    const replaced = new ScriptedPage(server).open(AWAY);
    const page = new ScriptedPage(server);
    page.check(HOME, false);
    page.check(AWAY, true);
    page.dtls.start(server.now);
    page.converse(AWAY);
    expect(server.closed.map(({ connection, reason }) => [connection, reason])).toEqual([
      [replaced.connection, "replaced"],
    ]);
    expect(bystander.connection.state).toBe("open");
    page.say(AWAY);
    expect(page.connection.association!.isProbing).toBe(false);
  });
});

describe("the handshake goes", () => {
  test("to where the hello came from, while no path is nominated", () => {
    const server = new ScriptedServer("hello decides");
    const page = new ScriptedPage(server);
    page.check(AWAY, false);
    page.check(HOME, false);
    page.dtls.start(server.now);
    page.send(AWAY);
    expect(server.sentTo(AWAY).length).toBeGreaterThan(0);
    expect(server.sentTo(HOME)).toEqual([]);
  });

  test("to where the hello came from, too, while another path is nominated", () => {
    const server = new ScriptedServer("nomination decides nothing");
    const page = new ScriptedPage(server);
    page.check(AWAY, false);
    page.check(HOME, true);
    page.dtls.start(server.now);
    page.send(AWAY);
    expect(server.sentTo(AWAY).length).toBeGreaterThan(0);
    expect(server.sentTo(HOME)).toEqual([]);
  });

  test("nowhere else by a check, which may have a spoofed source, and then to where the handshake goes on", () => {
    const server = new ScriptedServer("checks decide nothing");
    const page = new ScriptedPage(server);
    page.check(HOME, true);
    page.dtls.start(server.now);
    page.send(HOME);
    page.check(AWAY, true);
    server.runUntil(1_000);
    expect(server.sentTo(AWAY)).toEqual([]);
    page.hear(HOME);
    page.send(AWAY);
    page.converse(AWAY);
    expect(page.connection.remote).toMatchObject(AWAY);
    expect(page.connection.established).toBe(true);
  });
});

describe("a connection moves", () => {
  test("with a check that nominates, once nothing has come from where it was for a second", () => {
    const { server, page } = talking("second");
    server.runUntil(1_999);
    page.check(AWAY, true);
    expect(page.connection.remote).toMatchObject(HOME);
    server.runUntil(2_000);
    page.check(AWAY, true);
    expect(page.connection.remote).toMatchObject(AWAY);
  });

  test("before that with the first record from where the check came from, and not with one from elsewhere", () => {
    const { page } = talking("record");
    page.check(ELSEWHERE, true);
    page.check(AWAY, true);
    page.check(HOME, true);
    page.say(ELSEWHERE);
    expect(page.connection.remote).toMatchObject(HOME);
    page.say(AWAY);
    expect(page.connection.remote).toMatchObject(AWAY);
    // Overtaken on the way by the move.
    page.say(HOME);
    expect(page.connection.remote).toMatchObject(AWAY);
  });

  test("at once where nothing has come since it moved last", () => {
    const { page } = silent("twice");
    page.check(AWAY, true);
    page.check(ELSEWHERE, true);
    expect(page.connection.remote).toMatchObject(ELSEWHERE);
  });

  test("at once where what came lately came from elsewhere", () => {
    const { page } = silent("from elsewhere");
    for (const other of [AWAY, ELSEWHERE]) {
      page.check(other, false);
      page.check(HOME, true);
    }
    page.say(AWAY);
    expect(page.connection.remote).toMatchObject(HOME);
    page.check(AWAY, true);
    expect(page.connection.remote).toMatchObject(AWAY);
  });

  test("not with a check that does not nominate, while the last one nominated the path in use", () => {
    const { server, page } = silent("other path");
    page.check(AWAY, false);
    expect(page.connection.remote).toMatchObject(HOME);
    page.check(HOME, true);
    server.runUntil(4_000);
    page.check(AWAY, false);
    expect(page.connection.remote).toMatchObject(HOME);
    // The page uses that path all the same.
    page.check(HOME, true);
    page.say(AWAY);
    expect(page.connection.remote).toMatchObject(AWAY);
  });

  test("with the second such check in a row", () => {
    const { page } = silent("second check");
    page.check(AWAY, false);
    page.check(AWAY, false);
    expect(page.connection.remote).toMatchObject(AWAY);
  });

  test("with the first such check where the last one on the path in use did not nominate", () => {
    const { page } = silent("nominated once");
    page.check(HOME, false);
    page.check(AWAY, false);
    expect(page.connection.remote).toMatchObject(AWAY);
  });

  test("not back by what comes late from where it was, proven or not", () => {
    const { page } = silent("late", false);
    page.check(AWAY, false);
    page.say(HOME);
    expect(page.connection.remote).toMatchObject(AWAY);
    page.converse(AWAY);
    page.say(HOME);
    expect(page.connection.remote).toMatchObject(AWAY);
  });

  test("no more often than a page would move, and again when that is over", () => {
    const { server, page } = silent("to and fro");
    for (let i = 0; i < 200; i++) page.check(i % 2 === 0 ? AWAY : ELSEWHERE, true);
    const asked = server.sentTo(AWAY, 2_000).length + server.sentTo(ELSEWHERE, 2_000).length;
    expect(asked).toBe(16);
    expect(server.endpoint.drops.get("move-limit")).toBe(100 - 8);
    server.runUntil(2_250);
    page.check(AWAY, true);
    expect(page.connection.remote).toMatchObject(AWAY);
  });

  test("not to where it was once seen, after it has moved to a third place", () => {
    const { server, page } = talking("third place");
    page.check(AWAY, true);
    server.runUntil(3_000);
    page.check(ELSEWHERE, true);
    page.say(AWAY);
    expect(page.connection.remote).toMatchObject(ELSEWHERE);
  });
});

describe("whoever holds a session and sends in the name of others", () => {
  const VICTIMS = [AWAY, ELSEWHERE];

  /** Random checks, hellos, records and answers, of which the holder of the session hears only what goes to `HOME`. */
  function attack(seed: string, dtlsVersion: "1.2" | "1.3", sped: boolean): void {
    const server = new ScriptedServer(seed, { dtlsRetransmitMs: 50 }, { dtlsVersions: [dtlsVersion] });
    const random = server.random.fork("attack");
    const page = new ScriptedPage(server, sped, {}, [dtlsVersion]);
    const bytesFrom = new Map(VICTIMS.map((victim) => [victim, 0]));
    const anywhere = () => [HOME, ...VICTIMS][random.below(3)];
    const note = (from: typeof HOME, bytes: number) => bytesFrom.set(from, (bytesFrom.get(from) ?? 0) + bytes);
    page.dtls.start(0);
    for (let step = 0; step < 100; step++) {
      const from = anywhere();
      const action = random.below(5);
      if (action <= 1) note(from, page.check(from, random.chance(0.7)));
      else if (action === 2) note(from, page.dtls.state === "connected" ? page.say(from) : page.send(from));
      else if (action === 3) page.hear(HOME);
      else if (page.session.connection !== undefined) {
        page.connection.send(server.now, new Uint8Array(random.below(1_000)));
        server.endpoint.flush(server.now);
      }
      server.runUntil(server.now + random.below(200));
      const sent = VICTIMS.map((victim) => server.allBytesTo(victim) - 3 * bytesFrom.get(victim)!);
      for (const excess of sent) expect(excess, seed).toBeLessThanOrEqual(128);
    }
  }

  test.each(["1.2", "1.3"] as const)("has three bytes sent to them for one, whatever he does (DTLS %s)", (version) => {
    for (let trial = 0; trial < 12; trial++) attack(`attack ${version} ${trial}`, version, trial % 2 === 0);
  });
});

describe("a server with several addresses of its own", () => {
  const by = (via: number) => ({ ...HOME, via });

  test("answers each check from the address that it came to", () => {
    const server = new ScriptedServer("checks by several");
    const page = new ScriptedPage(server);
    for (const via of [1, 2, 0]) page.check(by(via), false);
    expect(server.sent.map(({ to }) => to.via)).toEqual([1, 2, 0]);
  });

  test("sends from the one that the page has chosen, though the page is at the same address", () => {
    const server = new ScriptedServer("chosen");
    const page = new ScriptedPage(server);
    page.check(by(1), false);
    page.check(by(2), false);
    page.open(by(2));
    expect(server.received).toHaveLength(1);
    server.runUntil(2_000);
    // The page goes over to the other one, which so far has shown nothing.
    page.check(by(1), true);
    page.converse(by(1));
    page.say(by(1));
    page.converse(by(1));
    server.sent.length = 0;
    page.connection.send(server.now, new Uint8Array(8));
    server.endpoint.flush(server.now);
    expect(server.sent.map(({ to }) => to.via)).toEqual([1]);
  });
});

test("a page goes by the path that its records come by, whichever of its paths it has checked last", () => {
  const { server, page } = talking("several checked");
  page.check(AWAY, true);
  page.check(ELSEWHERE, false);
  page.say(AWAY);
  expect(page.connection.remote).toMatchObject(AWAY);
  expect(server.received).toHaveLength(3);
});
