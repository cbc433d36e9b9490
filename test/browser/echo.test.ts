/** Messages there and back through real browsers. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BROWSERS, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";
import { type Message, PeerInPage } from "../support/harness.ts";

const PAGES_AT_ONCE = 20;

const CASES = BROWSERS.flatMap((name) => (["1.3", "1.2"] as const).map((version) => ({ name, version })));

describe.each(CASES)("$name with DTLS $version", ({ name, version }) => {
  let echo: EchoServer;
  let browser: RunningBrowser;

  beforeAll(async () => {
    [echo, browser] = await Promise.all([startEchoServer({ dtlsVersions: [version] }), launchBrowser(name)]);
  });

  afterAll(async () => {
    await browser?.close();
    await echo?.close();
  });

  const openPeer = async () => PeerInPage.connect(await browser.open(echo.site.url));

  test("text, binary, empty and 1,100-byte messages come back as they were sent", async () => {
    const peer = await openPeer();
    const messages: Message[] = ["hello", "Grüße, 世界 🙂", bytes(3), "", [], bytes(1_100), "x".repeat(1_100)];
    // One at a time: an unordered channel promises no order.
    for (const message of messages) expect(await peer.echo([message])).toEqual([message]);
    await peer.page.close();
  });

  test("a message larger than a datagram is fragmented, reassembled and comes back", async () => {
    const peer = await openPeer();
    for (const length of [1_161, 5_000, 65_536]) expect(await peer.echo([bytes(length)])).toEqual([bytes(length)]);
    await peer.page.close();
  });

  test(`${PAGES_AT_ONCE} pages at once each get their own messages back`, async () => {
    const pages = await Promise.all(Array.from({ length: PAGES_AT_ONCE }, () => browser.open(echo.site.url)));
    const peers = await Promise.all(pages.map((page) => PeerInPage.connect(page, { timeoutMs: 60_000 })));
    const ids = new Set(await Promise.all(peers.map((peer) => peer.serverId())));
    expect(ids.size).toBe(PAGES_AT_ONCE);
    await Promise.all([...ids].map(echo.connection));
    const echoes = await Promise.all(peers.map((peer, page) => peer.echo([`page ${page}`, [page]])));
    for (const [page, received] of echoes.entries()) {
      expect(received).toHaveLength(2);
      expect(received).toEqual(expect.arrayContaining([`page ${page}`, [page]]));
    }
    await Promise.all(pages.map((page) => page.close()));
  });

  test("a page that knows only RTCPeerConnection echoes 20 messages of 1,000 bytes", async () => {
    const page = await browser.open(`${echo.site.url}/stock.html`);
    await page.waitForFunction('document.getElementById("state").textContent === "20 echoes"', { timeout: 30_000 });
    await page.close();
  });

  test("no page reported an error", () => {
    expect(browser.pageErrors).toEqual([]);
  });
});

function bytes(length: number): number[] {
  return Array.from({ length }, (_, index) => (index * 7 + length) & 0xff);
}
