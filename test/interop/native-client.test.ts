/** `connect` of the package itself against a server in the same process, over real sockets. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../src/client/native/connect.ts";
import type { ClientOptions } from "../../src/client/native/connect.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";
import { UdpProxy } from "../support/proxy.ts";
import { EventLog, within } from "../support/wait.ts";

let echo: EchoServer;
let url: string;

beforeAll(async () => {
  echo = await startEchoServer();
  url = `${echo.site.url}/new_rtc_session`;
});
afterAll(() => echo?.close());

const recvWithin = { signal: AbortSignal.timeout(60_000) };

test("echoes text, bytes and nothing at all, of every size", async () => {
  const connection = await connect(url);
  const messages = [
    "grüße",
    "",
    new Uint8Array([0, 255]),
    new Uint8Array(0),
    "x".repeat(1_100),
    new Uint8Array(20_000),
  ];
  for (const message of messages) {
    await connection.send(message);
    const { data, binary } = await connection.recv(recvWithin);
    expect(binary).toBe(typeof message !== "string");
    expect(data).toEqual(message);
  }
  expect(echo.server.connections().map(({ id }) => id)).toContain(connection.id);
  expect(connection.stats()).toMatchObject({ state: "open", messagesSent: 6, messagesReceived: 6 });
  expect(connection.maxMessageBytes).toBe(65_536);
  expect(connection.remoteAddress).toEqual({ address: "127.0.0.1", port: echo.server.localAddress.port });
  connection.close();
});

test("what is sent before the server has answered the OPEN arrives, too", async () => {
  const connection = await connect(url);
  for (let i = 0; i < 10; i++) connection.send(`${i}`);
  const seen = new Set<unknown>();
  for (let i = 0; i < 10; i++) seen.add((await connection.recv(recvWithin)).data);
  expect(seen.size).toBe(10);
  connection.close();
});

test.each<[string, ClientOptions["channel"], object]>([
  ["unreliable", {}, { ordered: false, maxRetransmits: 0, maxPacketLifeTime: null }],
  ["reliable and ordered", { ordered: true, reliable: true }, { ordered: true, maxRetransmits: null }],
  ["limited in time", { maxPacketLifeTime: 100, protocol: "game" }, { maxPacketLifeTime: 100, protocol: "game" }],
])("the server knows a channel that is %s as such", async (label, channel, expected) => {
  const connection = await connect(url, { channel: { label, ...channel } });
  await connection.send("hello");
  await connection.recv(recvWithin);
  const { channels } = echo.server.connections().find(({ id }) => id === connection.id)!;
  expect(channels).toEqual([expect.objectContaining({ label, ...expected })]);
  connection.close();
});

test("further channels are opened by either end, and closed without the connection", async () => {
  const connection = await connect(url);
  const log = new EventLog<string>();
  connection.on("channel", ({ label }) => log.push(`channel ${label}`));
  connection.on("channelclose", ({ label }) => log.push(`channelclose ${label}`));
  const ordered = connection.createChannel("ordered", { ordered: true, maxRetransmits: null });
  await connection.send("first", { channel: ordered });
  expect(await connection.recv(recvWithin)).toMatchObject({ data: "first", channel: { label: "ordered" } });
  connection.closeChannel(ordered);
  await log.waitForCount(5_000, "events", 2);
  const peer = await echo.opened.waitFor(5_000, "the open", ({ id }) => id === connection.id);
  peer.createChannel("theirs");
  await log.waitForCount(5_000, "events", 3);
  expect(log.entries).toEqual(["channel ordered", "channelclose ordered", "channel theirs"]);
  await connection.send("still here");
  expect((await connection.recv(recvWithin)).data).toBe("still here");
  connection.close();
});

test("a negotiated channel needs no announcement", async () => {
  const negotiated = await startEchoServer({ negotiatedChannels: [{ label: "fast", id: 0 }] });
  const connection = await connect(`${negotiated.site.url}/new_rtc_session`, { channel: { negotiated: true, id: 0 } });
  await connection.send("quick");
  expect((await connection.recv(recvWithin)).data).toBe("quick");
  connection.close();
  await negotiated.close();
});

test("each end hears of the other's close at once", async () => {
  const first = await connect(url);
  await echo.opened.waitFor(5_000, "the open", ({ id }) => id === first.id);
  first.close();
  const { reason } = await echo.closed.waitFor(5_000, "the close", ({ connection }) => connection.id === first.id);
  expect(reason).toBe("remote");
  const second = await connect(url);
  const closes = new EventLog<string>();
  second.on("close", (why) => closes.push(why));
  const { connection } = await echo.opened
    .waitFor(5_000, "the open", ({ id }) => id === second.id)
    .then((connection) => ({ connection }));
  connection.close();
  expect(await closes.waitFor(5_000, "the close", () => true)).toBe("remote");
  expect(second.state).toBe("closed");
  expect(second.trySend("late")).toBe(false);
  await expect(second.recv()).rejects.toMatchObject({ name: "ClosedError" });
});

test("a lost connection comes back as the same object", async () => {
  const connection = await connect(url, { reconnect: { minDelayMs: 20 } });
  const log = new EventLog<string>();
  connection.on("reconnecting", ({ attempt }) => log.push(`reconnecting ${attempt}`));
  connection.on("open", () => log.push("open"));
  connection.on("close", (reason) => log.push(`close ${reason}`));
  const before = connection.id;
  (await echo.opened.waitFor(5_000, "the open", ({ id }) => id === before)).close();
  await log.waitForCount(10_000, "events", 2);
  await connection.send("again");
  expect((await connection.recv(recvWithin)).data).toBe("again");
  expect(connection.id).not.toBe(before);
  connection.close();
  expect(log.entries).toEqual(["reconnecting 1", "open", "close local"]);
});

test("a silent network closes the connection as idle", async () => {
  const proxy = await UdpProxy.start();
  const behind = await startEchoServer({ publicAddresses: [`127.0.0.1:${proxy.port}`] });
  proxy.serverPort = behind.server.localAddress.port;
  const connection = await connect(`${behind.site.url}/new_rtc_session`, { limits: { idleTimeoutMs: 1_000 } });
  const closed = new Promise<string>((resolve) => connection.on("close", resolve));
  proxy.change({ loss: 1 });
  expect(await within(10_000, "close", closed)).toBe("idle");
  await behind.close();
  await proxy.close();
});

test("of several candidates the one that works is found, and waiting costs no time-out", async () => {
  const several = await startEchoServer({ publicAddresses: ["127.0.0.1:9", "[::1]:9", "127.0.0.1:9", "[::1]"] });
  const connection = await connect(`${several.site.url}/new_rtc_session`);
  await connection.send("found");
  expect((await connection.recv(recvWithin)).data).toBe("found");
  expect(connection.remoteAddress).toEqual({ address: "::1", port: several.server.localAddress.port });
  connection.close();
  await several.close();
});

describe("says why it could not connect:", () => {
  const changed = (from: RegExp, to: string) => async (to_: string, init: RequestInit) =>
    new Response((await (await fetch(to_, init)).text()).replace(from, to));

  test.each<[string, () => string, ClientOptions]>([
    ["refused", () => `${echo.site.url}/nowhere`, {}],
    ["unreachable", () => "http://127.0.0.1:1/", {}],
    ["bad-answer", () => `${echo.site.url}/harness.js`, { fetch: (to) => fetch(to) }],
    ["handshake-failed", () => url, { fetch: changed(/sha-256 ..:..:/, "sha-256 00:00:") }],
    ["udp-blocked", () => url, { fetch: changed(/127\.0\.0\.1 \d+/g, "127.0.0.1 9"), timeoutMs: 300 }],
    ["timeout", () => url, { fetch: () => new Promise(() => {}), timeoutMs: 50 }],
    ["aborted", () => url, { fetch: () => new Promise(() => {}), signal: AbortSignal.timeout(5) }],
  ])("%s", async (code, to, options) => {
    await expect(connect(to(), options)).rejects.toMatchObject({ name: "ConnectError", code });
  });

  test.each<[string, string, ClientOptions]>([
    ["url", "/relative", {}],
    ["timeoutMs", "http://localhost", { timeoutMs: 0 }],
    ["maxRetransmits", "http://localhost", { channel: { maxRetransmits: -1 } }],
    ["reliable", "http://localhost", { channel: { maxRetransmits: 1, reliable: true } }],
    ["certificate", "http://localhost", { certificate: {} as never }],
    ["limits.speed", "http://localhost", { limits: { speed: 1 } as never }],
  ])("misuse of %s", async (name, to, options) => {
    const error = await connect(to, options).catch((reason) => reason);
    expect(error.name).toMatch(/^(TypeError|RangeError)$/);
    expect(error.message).toContain(name);
  });
});
