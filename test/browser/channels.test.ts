/** Data channels of every kind, and the limit on messages. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BROWSERS, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";
import { type ChannelInit, PeerInPage } from "../support/harness.ts";

const MAX_MESSAGE_BYTES = 4_000;

const CHANNELS: ChannelInit[] = [
  { label: "unreliable", ordered: false, maxRetransmits: 0 },
  { label: "reliable" },
  { label: "ordered, 2 retransmissions", maxRetransmits: 2 },
  { label: "unordered, reliable", ordered: false },
  { label: "unordered, 500 ms", ordered: false, maxPacketLifeTime: 500 },
  { label: "Grüße, 世界" },
  { label: "" },
];

describe.each(BROWSERS)("%s", (name) => {
  let echo: EchoServer;
  let browser: RunningBrowser;

  beforeAll(async () => {
    const limits = { maxMessageBytes: MAX_MESSAGE_BYTES };
    [echo, browser] = await Promise.all([startEchoServer({ limits }), launchBrowser(name)]);
  });

  afterAll(async () => {
    await browser?.close();
    await echo?.close();
  });

  test("channels of every kind open side by side, and each echoes on itself", async () => {
    const peer = await PeerInPage.connect(await browser.open(echo.site.url), { channels: CHANNELS });
    for (const [channel, { label }] of CHANNELS.entries()) {
      expect(await peer.echo([`by ${label}`], { channel })).toEqual([`by ${label}`]);
    }
    const connection = await echo.connection(await peer.serverId());
    expect(connection.channels.map(({ label }) => label).sort()).toEqual(CHANNELS.map(({ label }) => label).sort());
    await peer.page.close();
  });

  test("a reliable, ordered channel keeps the order of 500 messages", async () => {
    const peer = await PeerInPage.connect(await browser.open(echo.site.url), { channels: [{ label: "ordered" }] });
    const messages = Array.from({ length: 500 }, (_, index) => `${index}`);
    expect(await peer.echo(messages)).toEqual(messages);
    await peer.page.close();
  });

  test("the page itself refuses a message over the announced limit", async () => {
    const peer = await PeerInPage.connect(await browser.open(echo.site.url));
    expect(await peer.maxMessageSize()).toBe(MAX_MESSAGE_BYTES);
    expect(await peer.trySend(MAX_MESSAGE_BYTES)).toBeNull();
    expect(await peer.trySend(MAX_MESSAGE_BYTES + 1)).toMatch(/TypeError|OperationError/);
    expect(await peer.echo(["and goes on"])).toHaveLength(1);
    await peer.page.close();
  });

  test("the server refuses to send a message over the limit, naming it", async () => {
    const peer = await PeerInPage.connect(await browser.open(echo.site.url));
    const connection = await echo.connection(await peer.serverId());
    expect(connection.maxMessageBytes).toBe(MAX_MESSAGE_BYTES);
    expect(() => connection.trySend(new Uint8Array(MAX_MESSAGE_BYTES + 1))).toThrow(/at most 4000 bytes/);
    await peer.page.close();
  });
});
