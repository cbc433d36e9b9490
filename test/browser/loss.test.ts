/** Real browsers through a network that loses, delays and renumbers. */
import { describe, expect, test } from "vitest";
import type { Channel } from "../../src/index.ts";
import { BROWSERS } from "../support/browsers.ts";
import { BulkReceiver, FlowReceiver, sendBulk, sendFlow } from "../support/flow.ts";
import { type ChannelInit, PeerInPage } from "../support/harness.ts";
import type { UdpProxy } from "../support/proxy.ts";
import { withScene } from "../support/scene.ts";
import { within } from "../support/wait.ts";
import { isWithinBound, measure } from "./loss-table.ts";

const BULK_TIMEOUT_MS = 240_000;

const FLOW_AND_RELIABLE: ChannelInit[] = [{ label: "flow", ordered: false, maxRetransmits: 0 }, { label: "reliable" }];

/** A browser that gets no CPU for a while sends less than it was told, or later: where others need the machine, it has another try. */
const BUSY = { retry: 2 };

// All at once: these tests wait for the network more than they work.
describe.concurrent.each(BROWSERS)("%s", (name) => {
  test("5 % link loss is at most 1.3 × as much message loss, both ways", BUSY, async () => {
    // Short: the table of `npm run loss:browsers` has the long flows.
    for (const row of await measure(name, 0.05, 8, "test")) expect(isWithinBound(row), JSON.stringify(row)).toBe(true);
  });

  // After one second the last check is still the one that chose the path.
  test("a client whose port changes goes on within one check, on the same connection", BUSY, async () => {
    await withScene(name, {}, async ({ proxy, echo, browser }) => {
      const peer = await PeerInPage.connect(await browser.open(echo.site.url), { channels: FLOW_AND_RELIABLE });
      const flow = { count: 600, hz: 60, bytes: 200 };
      const sending = peer.sendFlow(flow);
      await peer.page.waitForFunction("window.harness.flowReport(1).distinct > 30", { timeout: 30_000 });
      const [connection] = echo.server.connections();
      const before = connection?.remoteAddress.port;

      const checks = countChecksUntilNextMessage(proxy, flow.bytes);
      proxy.rebind();
      expect(await within(15_000, "messages resume after the port changed", checks)).toBe(1);

      await sending;
      expect(await peer.echo(["still here"], { channel: 1 })).toEqual(["still here"]);
      expect(echo.server.connections()).toEqual([connection]);
      expect(connection?.remoteAddress.port).not.toBe(before);
      expect(echo.opened.entries).toHaveLength(1);
    });
  });

  test("10 MB go each way, intact and in order, at 5 % loss beside an unreliable flow", {
    timeout: BULK_TIMEOUT_MS,
  }, async () => {
    await withScene(name, {}, async ({ proxy, echo, browser, onMessage }) => {
      const bulk = { messages: 640, words: 4_096 };
      const peer = await PeerInPage.connect(await browser.open(echo.site.url), { channels: FLOW_AND_RELIABLE });
      // Once there and back on each: a page may find its channels open before the server does.
      for (const channel of FLOW_AND_RELIABLE.keys()) await peer.echo(["open"], { channel });
      await peer.forgetReceived();
      const connection = await echo.connection(await peer.serverId());
      const channel = connection.channels.find(({ label }) => label === "reliable") as Channel;
      proxy.change({ loss: 0.05 });

      const flowIn = new FlowReceiver();
      const arrived = new Promise<BulkReceiver>((resolve) => {
        const bulkIn = new BulkReceiver(bulk, () => resolve(bulkIn));
        onMessage(connection, (message) =>
          (message.channel === channel ? bulkIn : flowIn).add(message.data as Uint8Array),
        );
      });
      const flow = { count: 300, hz: 30, bytes: 100 };
      const [sentUp, sentDown, wrongDown, bulkIn] = await Promise.all([
        peer.sendFlow(flow),
        sendFlow(connection, flow),
        peer.receiveBulk({ channel: 1, ...bulk }, BULK_TIMEOUT_MS),
        within(BULK_TIMEOUT_MS, "10 MB arrive at the server", arrived),
        sendBulk(connection, channel, bulk),
        peer.sendBulk({ channel: 1, ...bulk }),
      ]);
      expect(bulkIn.firstWrong).toBeUndefined();
      expect(wrongDown).toBeNull();
      // It flows: what is lost is of the order of the link's loss, whatever the bulk does.
      expect(flowIn.distinct).toBeGreaterThan(0.8 * sentUp);
      expect((await peer.flowReport(0)).distinct).toBeGreaterThan(0.8 * sentDown);
    });
  });
});

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
