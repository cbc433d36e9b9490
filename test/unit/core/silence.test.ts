import { expect, test } from "vitest";
import { ScriptedPage, ScriptedServer } from "./support/scripted-page.ts";

const HOME = { address: "198.51.100.1", port: 50_000 };

/** Lets time pass, with something done at each multiple of an interval. */
function passTime(server: ScriptedServer, until: number, ...habits: [everyMs: number, act: () => void][]): void {
  const start = server.now;
  for (let time = start + 1_000; time <= until; time += 1_000) {
    server.runUntil(time);
    for (const [everyMs, act] of habits) if ((time - start) % everyMs === 0) act();
  }
}

function ends(server: ScriptedServer): string[] {
  return server.closed.map(({ reason, at }) => `${reason} at ${at}`);
}

/** When the page was asked for something first, its opening left out. */
function firstAsked(server: ScriptedServer): number | undefined {
  return server.sentTo(HOME, 2_000)[0]?.at;
}

test("a page that falls silent is asked for a sign of life after half of the idle time, and closed after all of it", () => {
  const server = new ScriptedServer("silent");
  new ScriptedPage(server).open(HOME);
  server.runUntil(60_000);
  expect(firstAsked(server)).toBe(5_000);
  expect(ends(server)).toEqual(["idle at 10000"]);
});

test("a sign of life is a check or a record, whichever came last", () => {
  for (const sign of ["check", "record"]) {
    const server = new ScriptedServer(sign);
    const page = new ScriptedPage(server).open(HOME);
    server.runUntil(4_000);
    if (sign === "check") page.check(HOME, true);
    else page.say(HOME);
    const sentSoFar = server.sent.length;
    server.runUntil(60_000);
    const asked = server.sent.slice(sentSoFar).find(({ at }) => at > 4_500);
    expect(asked?.at, sign).toBe(9_000);
    expect(ends(server), sign).toEqual(["idle at 14000"]);
  }
});

test("checks without a record keep a connection for 30 s, and ask for one after 15 s", () => {
  const server = new ScriptedServer("checks");
  const page = new ScriptedPage(server).open(HOME);
  passTime(server, 60_000, [2_000, () => page.check(HOME, true)]);
  expect(firstAsked(server)).toBe(15_000);
  expect(ends(server)).toEqual(["idle at 30000"]);
});

test("checks without a record keep it for the idle time where that is longer", () => {
  const server = new ScriptedServer("long idle time", { idleTimeoutMs: 50_000 });
  const page = new ScriptedPage(server).open(HOME);
  passTime(server, 60_000, [2_000, () => page.check(HOME, true)]);
  expect(firstAsked(server)).toBe(25_000);
  expect(ends(server)).toEqual(["idle at 50000"]);
});

test("records without a check keep a connection for 30 s: then consent has expired", () => {
  const server = new ScriptedServer("records");
  const page = new ScriptedPage(server).open(HOME);
  passTime(server, 60_000, [
    1_000,
    () => {
      page.say(HOME);
      page.hear(HOME);
    },
  ]);
  expect(ends(server)).toEqual(["idle at 30000"]);
});

test("a page with checks and records of its own is never asked", () => {
  const server = new ScriptedServer("lively");
  const page = new ScriptedPage(server).open(HOME);
  passTime(server, 120_000, [4_000, () => page.check(HOME, true)], [14_000, () => page.say(HOME)]);
  expect(ends(server)).toEqual([]);
  expect(page.connection.association?.isProbing).toBe(false);
  // A SACK for each message is all there was to send.
  expect(server.sentTo(HOME, 2_000).length).toBeLessThanOrEqual(2 * 8);
});

test("a page that says nothing, and answers when it is asked, stays", () => {
  const server = new ScriptedServer("answers");
  const page = new ScriptedPage(server).open(HOME);
  passTime(server, 120_000, [8_000, () => page.check(HOME, true)], [1_000, () => page.converse(HOME)]);
  expect(ends(server)).toEqual([]);
  // Once in 5 s of silence at most, not once a time-out.
  expect(server.sentTo(HOME, 2_000).length).toBeLessThanOrEqual(120 / 5);
  expect(server.sentTo(HOME, 2_000).length).toBeGreaterThanOrEqual(120 / 15);
});

test("who checks and says no hello is gone after the idle time, or has run out of time for the handshake", () => {
  const silent = new ScriptedServer("one check");
  new ScriptedPage(silent).check(HOME, true);
  silent.runUntil(60_000);
  expect(ends(silent)).toEqual(["idle at 10000"]);
  expect(silent.sentTo(HOME)).toEqual([]);

  const server = new ScriptedServer("checks only");
  const page = new ScriptedPage(server);
  page.check(HOME, true);
  passTime(server, 19_000, [2_000, () => page.check(HOME, true)]);
  server.runUntil(60_000);
  expect(ends(server)).toEqual(["handshake-timeout at 20000"]);
});

test("a page that opens no channel has run out of time, however lively it is", () => {
  const server = new ScriptedServer("no channel", {}, { negotiatedChannels: [] });
  const page = new ScriptedPage(server).open(HOME);
  expect(page.connection.state).toBe("connected");
  const live = (): void => {
    page.check(HOME, true);
    page.say(HOME);
    page.converse(HOME);
  };
  passTime(server, 19_000, [2_000, live]);
  server.runUntil(60_000);
  expect(ends(server)).toEqual(["handshake-timeout at 20000"]);
});
