/** SNAP, which Chromium has behind a field trial: both INITs travel in the descriptions, and SCTP has no handshake. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BrowserName, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";
import { PeerInPage } from "../support/harness.ts";

const CHROMIUM: BrowserName = "chromium";
let echo: EchoServer;
let browser: RunningBrowser;

beforeAll(async () => {
  const flags = ["--force-fieldtrials=WebRTC-Sctp-Snap/Enabled/"];
  [echo, browser] = await Promise.all([startEchoServer(), launchBrowser(CHROMIUM, { flags })]);
});

afterAll(async () => {
  await browser?.close();
  await echo?.close();
});

test("Chromium's INIT in the offer is answered with ours, and messages of all sizes echo", async () => {
  const peer = await PeerInPage.connect(await browser.open(echo.site.url));
  const [offer, answer] = await peer.descriptions();
  expect(offer).toContain("a=sctp-init:");
  expect(answer).toContain("a=sctp-init:");
  for (const message of ["hello", "x".repeat(1_100), "y".repeat(20_000)]) {
    expect(await peer.echo([message])).toEqual([message]);
  }
  await peer.close();
  const { reason } = await echo.closed.waitFor(10_000, "the server notices", () => true);
  expect(reason).toBe("remote");
  await peer.page.close();
});
