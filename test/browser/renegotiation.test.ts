/** What a page of its own making may offer beside a data channel, and offer again while the connection is open. */
import type { Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BROWSERS, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";

const MESSAGES = 20;

/** What the page does: connects, with media first if there are any, offers again by the session's URL, and counts echoes. */
interface Steps {
  media: ("audio" | "video")[];
  bundlePolicy: RTCBundlePolicy;
  again: ("restart" | "track")[];
}

async function play(page: Page, steps: Steps): Promise<number[]> {
  return await page.evaluate(
    async ({ media, bundlePolicy, again }, count) => {
      const peer = new RTCPeerConnection({ bundlePolicy });
      for (const kind of media) peer.addTransceiver(kind);
      const channel = peer.createDataChannel("data", { ordered: false });
      const opened = new Promise((resolve) => {
        channel.onopen = resolve;
      });
      let url = "/new_rtc_session";
      const negotiate = async () => {
        await peer.setLocalDescription(await peer.createOffer());
        const response = await fetch(url, { method: "POST", body: peer.localDescription!.sdp });
        if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
        url = new URL(response.headers.get("location")!, response.url).href;
        await peer.setRemoteDescription((await response.json()).answer);
      };
      const echoes = async () => {
        let received = 0;
        for (let i = 0; i < count; i++) channel.send(`${i}`);
        await new Promise<void>((resolve) => {
          channel.onmessage = () => {
            received++;
            if (received === count) resolve();
          };
        });
        return received;
      };
      await negotiate();
      await opened;
      const found = [await echoes()];
      for (const step of again) {
        if (step === "restart") peer.restartIce();
        else peer.addTransceiver("audio");
        await negotiate();
        found.push(await echoes());
      }
      peer.close();
      return found;
    },
    steps,
    MESSAGES,
  );
}

describe.each(BROWSERS)("%s", (name) => {
  let echo: EchoServer;
  let browser: RunningBrowser;
  let page: Page;

  beforeAll(async () => {
    [echo, browser] = await Promise.all([startEchoServer(), launchBrowser(name)]);
    page = await browser.open(echo.site.url);
  });

  afterAll(async () => {
    await browser?.close();
    await echo?.close();
  });

  async function expectOneConnection(steps: Steps): Promise<void> {
    const before = echo.opened.entries.length;
    expect(await play(page, steps)).toEqual(Array(steps.again.length + 1).fill(MESSAGES));
    expect(echo.opened.entries.length - before).toBe(1);
  }

  test.each(["balanced", "max-bundle", "max-compat"] as const)(
    "media in front of the data channel do no harm with bundlePolicy %s, nor do a restart and a track that is added later",
    async (bundlePolicy) => {
      await expectOneConnection({ media: ["audio", "video"], bundlePolicy, again: ["restart", "track", "restart"] });
    },
  );

  test("a page with a data channel alone keeps its connection when it restarts ICE, adds a track, and restarts again", async () => {
    await expectOneConnection({ media: [], bundlePolicy: "balanced", again: ["restart", "track", "restart", "track"] });
  });
});
