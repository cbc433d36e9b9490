/** All the ways in which a page, a channel or a connection ends, and who notices. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Channel, CloseReason, Connection } from "../../src/index.ts";
import { BROWSERS, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";
import { PeerInPage } from "../support/harness.ts";
import { within } from "../support/wait.ts";

/** The server notices a peer that vanished without a word this soon; `idleTimeoutMs` is 10 s. */
const NOTICED_WITHIN_MS = 15_000;

describe.each(BROWSERS)("%s", (name) => {
  let echo: EchoServer;
  let browser: RunningBrowser;

  beforeAll(async () => {
    [echo, browser] = await Promise.all([startEchoServer(), launchBrowser(name)]);
  });

  afterAll(async () => {
    await browser?.close();
    await echo?.close();
  });

  /** Opens a page with a connection that echoes; finds the server's end of it. */
  async function open(): Promise<{ peer: PeerInPage; connection: Connection }> {
    const peer = await PeerInPage.connect(await browser.open(echo.site.url));
    await peer.echo(["ready"]);
    return { peer, connection: await echo.connection(await peer.serverId()) };
  }

  const noticed = async (connection: Connection): Promise<CloseReason> => {
    const closed = await echo.closed.waitFor(
      NOTICED_WITHIN_MS,
      `the server notices that ${connection.id} ended`,
      (entry) => entry.connection === connection,
    );
    return closed.reason;
  };

  test.concurrent("the server notices a closed tab within 15 seconds", async () => {
    const { peer, connection } = await open();
    await peer.page.close();
    expect(["idle", "remote"]).toContain(await noticed(connection));
  });

  test.concurrent("a reload ends the old connection, and the new one echoes", async () => {
    const { peer, connection } = await open();
    await peer.page.reload({ waitUntil: "load" });
    const again = await PeerInPage.connect(peer.page);
    expect(await again.echo(["after the reload"])).toEqual(["after the reload"]);
    expect(await noticed(connection)).toBe("remote");
  });

  test.concurrent("pc.close() ends the connection at once, as the peer's own doing", async () => {
    const { peer, connection } = await open();
    await peer.close();
    expect(await noticed(connection)).toBe("remote");
  });

  test.concurrent("dc.close() closes the channel at both ends and nothing else", async () => {
    const { peer, connection } = await open();
    const second = await PeerInPage.connect(peer.page, { channels: [{ label: "one" }, { label: "two" }] });
    for (const channel of [0, 1]) await second.echo(["ready"], { channel });
    const both = await echo.connection(await second.serverId());
    const one = both.channels.find((channel) => channel.label === "one");
    // The page's end closes first: by our reset, whose response the server's end waits for.
    const closed = new Promise<Channel>((resolve) => both.on("channelclose", resolve));
    await second.closeChannel(0);
    await second.logged("close one");
    expect(await within(NOTICED_WITHIN_MS, "the server's end closes", closed)).toBe(one);
    expect(both.channels.map(({ label }) => label)).toEqual(["two"]);
    expect(await second.echo(["still here"], { channel: 1 })).toEqual(["still here"]);
    expect(await peer.echo(["here, too"])).toEqual(["here, too"]);
    expect(echo.server.connections()).toEqual(expect.arrayContaining([connection, both]));
  });

  test.concurrent("connection.close() at the server closes the page's channel", async () => {
    const { peer, connection } = await open();
    connection.close();
    await peer.logged("close data");
    expect(await noticed(connection)).toBe("local");
  });

  test.concurrent("a wrong fingerprint in the answer is refused by the page: the channel never opens", async () => {
    const page = await browser.open(echo.site.url);
    const fingerprint = `sha-256 ${Array.from({ length: 32 }, () => "AB").join(":")}`;
    const opening = PeerInPage.connect(page, { fingerprint, timeoutMs: 4_000 });
    await expect(opening).rejects.toThrow(/channels open: not within.*log: (?!.*open data)/s);
    await page.close();
  });
});
