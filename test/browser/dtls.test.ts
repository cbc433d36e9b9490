/** Both versions of DTLS with real browsers: which is agreed on, and what either end says of it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BROWSERS, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { startEchoServer } from "../support/echo-server.ts";
import { PeerInPage } from "../support/harness.ts";

describe.each(BROWSERS)("%s", (name) => {
  let browser: RunningBrowser;

  beforeAll(async () => {
    browser = await launchBrowser(name);
  });

  afterAll(async () => {
    await browser?.close();
  });

  test("connects with DTLS 1.3 and post-quantum keys where the server has them", async () => {
    const echo = await startEchoServer({ dtlsVersions: ["1.3", "1.2"] });
    const peer = await PeerInPage.connect(await browser.open(echo.site.url));
    expect(await peer.echo(["one", "two"])).toHaveLength(2);
    expect(await peer.tlsVersion()).toBe("FEFC");
    const [connection] = echo.server.connections();
    expect(connection?.stats().dtls).toEqual({
      version: "1.3",
      cipherSuite: 0x1301,
      group: 0x11ec,
      groupName: "X25519MLKEM768",
    });
    await peer.page.close();
    await echo.close();
  });

  test("connects with DTLS 1.2 where the server has nothing else", async () => {
    const echo = await startEchoServer({ dtlsVersions: ["1.2"] });
    const peer = await PeerInPage.connect(await browser.open(echo.site.url));
    expect(await peer.echo(["one", "two"])).toHaveLength(2);
    expect(await peer.tlsVersion()).toBe("FEFD");
    const [connection] = echo.server.connections();
    expect(connection?.stats().dtls).toMatchObject({ version: "1.2", cipherSuite: 0xc02b, groupName: "x25519" });
    await peer.page.close();
    await echo.close();
  });
});
