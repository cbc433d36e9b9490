/** `connect` of webrtc-datagram/browser in real pages. */
import { build } from "esbuild";
import type { Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type * as Client from "../../src/browser.ts";
import { BROWSERS, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { ROOT } from "../support/commands.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";
import { UdpProxy } from "../support/proxy.ts";

declare const client: typeof Client;

/** What a bundler makes of the client, as a script that leaves it in `client`. */
async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: 'export * from "webrtc-datagram/browser"', resolveDir: ROOT },
    alias: { "webrtc-datagram/browser": `${ROOT}src/browser.ts` },
    bundle: true,
    minify: true,
    format: "iife",
    globalName: "client",
    write: false,
  });
  return outputFiles[0].text;
}

describe.each(BROWSERS)("%s", (name) => {
  let echo: EchoServer;
  let browser: RunningBrowser;
  let script: string;

  beforeAll(async () => {
    [echo, browser, script] = await Promise.all([startEchoServer(), launchBrowser(name), bundle()]);
  });

  afterAll(async () => {
    await browser?.close();
    await echo?.close();
  });

  async function openPage(url = echo.site.url): Promise<Page> {
    const page = await browser.open(url);
    await page.addScriptTag({ content: script });
    return page;
  }

  test("echoes text, bytes and nothing at all, of every size", async () => {
    const page = await openPage();
    const result = await page.evaluate(async () => {
      const connection = await client.connect("/new_rtc_session");
      const messages = [
        "grüße",
        "",
        new Uint8Array([0, 255]),
        new Uint8Array(0),
        "x".repeat(1_100),
        new Uint8Array(20_000),
      ];
      const echoes: (string | number[])[] = [];
      for (const message of messages) {
        await connection.send(message);
        const { data } = await connection.recv({ signal: AbortSignal.timeout(10_000) });
        echoes.push(typeof data === "string" ? data : [...data]);
      }
      const { id, state, maxMessageBytes } = connection;
      return { id, state, maxMessageBytes, stats: connection.stats(), echoes };
    });
    expect(result.echoes).toEqual(["grüße", "", [0, 255], [], "x".repeat(1_100), new Array(20_000).fill(0)]);
    expect(result).toMatchObject({ state: "open", maxMessageBytes: 65_536 });
    expect(result.stats).toMatchObject({ messagesSent: 6, messagesReceived: 6 });
    expect(echo.server.connections().map(({ id }) => id)).toContain(result.id);
    await page.close();
  });

  test("a negotiated channel opens without an announcement", async () => {
    const negotiatedChannels = [{ label: "fast", id: 0 }];
    const negotiated = await startEchoServer({ negotiatedChannels });
    const page = await openPage(negotiated.site.url);
    const echoed = await page.evaluate(async () => {
      const connection = await client.connect("/new_rtc_session", { channel: { negotiated: true, id: 0 } });
      connection.send("quick");
      return (await connection.recv({ signal: AbortSignal.timeout(10_000) })).data;
    });
    expect(echoed).toBe("quick");
    await page.close();
    await negotiated.close();
  });

  test("says when the server closes, and comes back where that was asked for", async () => {
    const page = await openPage();
    const ids = await page.evaluate(async () => {
      const log: string[] = [];
      const connection = await client.connect("/new_rtc_session", { reconnect: { minDelayMs: 50 } });
      connection.on("reconnecting", ({ attempt }) => log.push(`reconnecting ${attempt}`));
      connection.on("open", () => log.push("open"));
      const once = await client.connect("/new_rtc_session");
      once.on("close", (reason) => log.push(`close ${reason}`));
      Object.assign(window, { log, connection });
      return [connection.id, once.id];
    });
    for (const connection of await Promise.all(ids.map(echo.connection))) connection.close();
    await page.waitForFunction(() => (window as unknown as { log: string[] }).log.length >= 3);
    const log = await page.evaluate(() => (window as unknown as { log: string[] }).log);
    expect(log.toSorted()).toEqual(["close remote", "open", "reconnecting 1"]);
    const echoed = await page.evaluate(async () => {
      const { connection } = window as unknown as { connection: Client.ClientConnection };
      connection.send("again");
      return (await connection.recv({ signal: AbortSignal.timeout(10_000) })).data;
    });
    expect(echoed).toBe("again");
    await page.close();
  });

  test("a tab that is closed says goodbye", async () => {
    const page = await openPage();
    const id = await page.evaluate(async () => (await client.connect("/new_rtc_session")).id);
    await page.close({ runBeforeUnload: true });
    const { reason } = await echo.closed.waitFor(15_000, "the close", ({ connection }) => connection.id === id);
    expect(reason).toBe("remote");
  });

  test("says why it could not connect", async () => {
    const page = await openPage();
    const codes = await page.evaluate(async () => {
      const codeOf = (url: string, options?: Client.ConnectOptions) =>
        client.connect(url, options).then(
          () => "open",
          ({ code, status = "" }) => `${code} ${status}`.trim(),
        );
      const changed = (from: RegExp, to: string) => async (url: string, init: RequestInit) =>
        new Response((await (await fetch(url, init)).text()).replace(from, to));
      const url = "/new_rtc_session";
      return await Promise.all([
        codeOf("/nowhere"),
        codeOf("http://127.0.0.1:1/"),
        codeOf("/harness.js", { fetch: (to) => fetch(to) }),
        codeOf(url, { fetch: changed(/sha-256 ..:..:/, "sha-256 00:00:") }),
        codeOf(url, { fetch: changed(/127\.0\.0\.1 \d+/g, "127.0.0.1 9"), timeoutMs: 2_500 }),
        codeOf(url, { signal: AbortSignal.timeout(1) }),
      ]);
    });
    expect(codes).toEqual(["refused 404", "unreachable", "bad-answer", "handshake-failed", "udp-blocked", "aborted"]);
    await page.close();
  });

  test("notices a network that has gone silent", async () => {
    const proxy = await UdpProxy.start();
    const behind = await startEchoServer({ publicAddresses: [`127.0.0.1:${proxy.port}`] });
    proxy.serverPort = behind.server.localAddress.port;
    const page = await openPage(behind.site.url);
    await page.evaluate(async () => {
      const connection = await client.connect("/new_rtc_session");
      Object.assign(window, { ended: new Promise((resolve) => connection.on("close", resolve)) });
    });
    proxy.change({ loss: 1 });
    const closed = page.evaluate(() => (window as unknown as { ended: Promise<string> }).ended);
    expect(await closed).toBe("idle");
    await page.close();
    await behind.close();
    await proxy.close();
  });
});
