/** Real browsers through a network that loses, delays and renumbers. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Channel, Connection, Message } from "../../src/index.ts";
import { BROWSERS, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";
import { BulkReceiver, FlowReceiver, sendBulk, sendFlow } from "../support/flow.ts";
import { PeerInPage } from "../support/harness.ts";
import { UdpProxy } from "../support/proxy.ts";
import { within } from "../support/wait.ts";
import { isWithinBound, measure } from "./loss-table.ts";

describe.each(BROWSERS)("%s", (name) => {
  test("5 % link loss is at most 1.3 × as much message loss, both ways", async () => {
    // Short: the table of `npm run loss:browsers` has the long flows.
    for (const row of await measure(name, 0.05, 8, "test")) expect(isWithinBound(row), JSON.stringify(row)).toBe(true);
  });

  describe("through a proxy", () => {
    let proxy: UdpProxy;
    let echo: EchoServer;
    let browser: RunningBrowser;
    let onMessage: (message: Message) => void;

    beforeEach(async () => {
      proxy = await UdpProxy.start({ seed: `${name} bulk` });
      onMessage = ({ connection, channel, data }) => connection.trySend(data, { channel });
      echo = await startEchoServer({
        publicAddresses: [`127.0.0.1:${proxy.port}`],
        onMessage: (message) => onMessage(message),
      });
      proxy.serverPort = echo.server.localAddress.port;
      browser = await launchBrowser(name);
    });

    afterEach(async () => {
      await browser?.close();
      await echo.close();
      await proxy.close();
    });

    test("a client whose port changes goes on within one check, on the same connection", async () => {
      const peer = await PeerInPage.connect(await browser.open(echo.site.url));
      const flow = { count: 600, hz: 60, bytes: 200 };
      const sending = peer.sendFlow(flow);
      await expectEcho(peer, 1);
      const [connection] = echo.server.connections();
      const before = connection?.remoteAddress.port;

      const checks = countChecksUntilNextMessage(proxy, flow.bytes);
      proxy.rebind();
      expect(await within(15_000, "messages resume after the port changed", checks)).toBe(1);

      await sending;
      expect(await peer.echo(["still here"])).toContain("still here");
      expect(echo.server.connections()).toEqual([connection]);
      expect(connection?.remoteAddress.port).not.toBe(before);
      expect(echo.opened.entries).toHaveLength(1);
    });

    test("10 MB go each way, intact and in order, at 5 % loss beside an unreliable flow", {
      timeout: 240_000,
    }, async () => {
      const bulk = { messages: 640, words: 4_096 };
      const channels = [{ label: "flow", ordered: false, maxRetransmits: 0 }, { label: "bulk" }];
      const peer = await PeerInPage.connect(await browser.open(echo.site.url), { channels });
      // Once there and back on each: a page may find its channels open before the server does.
      for (const channel of channels.keys()) await peer.echo(["open"], { channel });
      await peer.forgetReceived();
      const [connection] = echo.server.connections() as [Connection];
      const channel = connection.channels.find(({ label }) => label === "bulk") as Channel;
      proxy.change({ loss: 0.05, delayMs: 5 });

      const flowIn = new FlowReceiver();
      let bulkIn: BulkReceiver | undefined;
      const arrived = new Promise<void>((resolve) => {
        bulkIn = new BulkReceiver(bulk, resolve);
      });
      onMessage = (message) => (message.channel === channel ? bulkIn : flowIn)?.add(message.data as Uint8Array);
      const limit = 200_000;
      const flow = { count: 300, hz: 30, bytes: 100 };
      const [sentUp, sentDown, wrongDown] = await Promise.all([
        peer.sendFlow(flow),
        sendFlow(connection, flow),
        peer.receiveBulk({ channel: 1, ...bulk }, limit),
        sendBulk(connection, channel, bulk),
        peer.sendBulk({ channel: 1, ...bulk }),
        within(limit, "10 MB arrive at the server", arrived),
      ]);
      expect(bulkIn?.firstWrong).toBeUndefined();
      expect(wrongDown).toBeNull();
      // It flows: what is lost is of the order of the link's loss, whatever the bulk does.
      expect(flowIn.distinct).toBeGreaterThan(0.8 * sentUp);
      expect((await peer.flowReport(0)).distinct).toBeGreaterThan(0.8 * sentDown);
    });
  });
});

async function expectEcho(peer: PeerInPage, atLeast: number): Promise<void> {
  await peer.page.waitForFunction(`window.harness.flowReport(1).distinct >= ${atLeast}`, { timeout: 20_000 });
}

/** How many connectivity checks pass the proxy to the server before the server's next message passes it back. */
function countChecksUntilNextMessage(proxy: UdpProxy, messageBytes: number): Promise<number> {
  const transactions = new Set<string>();
  return new Promise((resolve) => {
    proxy.tap = (datagram, from) => {
      const toClient = from === proxy.port;
      // RFC 8489 §5: a binding request begins with 0x0001; the transaction ID is at 8.
      const isCheck = !toClient && datagram[0] === 0x00 && datagram[1] === 0x01;
      if (isCheck) transactions.add(Buffer.from(datagram.subarray(8, 20)).toString("hex"));
      if (toClient && datagram.length >= messageBytes) resolve(transactions.size);
    };
  });
}
