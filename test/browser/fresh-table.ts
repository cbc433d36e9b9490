/**
 * npm run fresh:browsers: the server begins a fresh connection with messages of 64 KB, unreliable: each arrives whole, or not at all.
 * Nothing stands between server and browser that loses anything, so whatever is lost was sent too fast.
 *
 *   --connections 30         of each browser, one after the other, each in a page of its own
 *   --bytes 65536            of each message
 *   --messages 1,4           on each connection; a row for each number
 *   --delay 0,20             one way, by a proxy, ms; 0: nothing stands between. A row for each
 *   --browser chromium,firefox
 *
 * Verdict: all of them arrive. Exit code 1 where one does not.
 */
import { readArguments } from "../../scripts/arguments.mjs";
import { BROWSERS, type BrowserName, launchBrowser } from "../support/browsers.ts";
import { startEchoServer } from "../support/echo-server.ts";
import { PeerInPage } from "../support/harness.ts";
import { UdpProxy } from "../support/proxy.ts";

/** A message that has not come by then has lost a fragment: nothing of it is sent again. */
const ARRIVES_WITHIN_MS = 3_000;

export async function main(args: string[]): Promise<number> {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const values = readArguments(
    import.meta.url,
    {
      ...{ connections: text("30"), bytes: text("65536"), messages: text("1,4"), delay: text("0,20") },
      ...{ browser: text(BROWSERS.join()) },
    },
    args,
  );
  const connections = Number(values.connections);
  console.log("| browser | connections | messages on each | RTT | arrived |\n|---|---|---|---|---|");
  let failed = false;
  for (const browser of values.browser.split(",") as BrowserName[]) {
    for (const delayMs of values.delay.split(",").map(Number)) {
      for (const messages of values.messages.split(",").map(Number)) {
        const options = { connections, messages, bytes: Number(values.bytes), delayMs };
        const arrived = await countFirstMessages(browser, options);
        const sent = connections * messages;
        const share = `${arrived} of ${sent}${arrived === sent ? "" : " ✗"}`;
        console.log(`| ${browser} | ${connections} | ${messages} | ${2 * delayMs} ms | ${share} |`);
        failed ||= arrived < sent;
      }
    }
  }
  return failed ? 1 : 0;
}

export interface FreshOptions {
  connections: number;
  /** Messages on each connection, and bytes of each. */
  messages: number;
  bytes: number;
  delayMs: number;
}

/** Opens fresh connections; the server sends at once. Resolves with how many messages arrived. */
export async function countFirstMessages(name: BrowserName, options: FreshOptions): Promise<number> {
  const { connections, messages, bytes, delayMs } = options;
  const proxy = delayMs > 0 ? await UdpProxy.start({ delayMs }) : undefined;
  const echo = await startEchoServer(proxy && { publicAddresses: [`127.0.0.1:${proxy.port}`] });
  if (proxy !== undefined) proxy.serverPort = echo.server.localAddress.port;
  echo.server.on("open", (connection) => {
    for (let sent = 0; sent < messages; sent++) void connection.send(new Uint8Array(bytes));
  });
  const browser = await launchBrowser(name);
  let arrived = 0;
  try {
    for (let count = 0; count < connections; count++) {
      const page = await browser.open(echo.site.url);
      const peer = await PeerInPage.connect(page);
      arrived += await peer.receives(messages, ARRIVES_WITHIN_MS);
      await page.close();
    }
    return arrived;
  } finally {
    await browser.close();
    await echo.close();
    await proxy?.close();
  }
}
