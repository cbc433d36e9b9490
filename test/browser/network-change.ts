/**
 * A browser on a machine whose network changes, to be run inside the machine's namespace: the page's client connects and sends
 * without a pause, interface `one` goes away, and `two` comes up a second later, or (`up-first`) just before. Prints one line of JSON, {@link Report}.
 *
 *   ip netns exec NAMESPACE node scripts/run.mjs test/browser/network-change.ts chromium|firefox URL GATEWAY [up-first]
 *
 * GATEWAY is the way to the server by interface `two`.
 */
import { execFileSync } from "node:child_process";
import { stdout } from "node:process";
import { build } from "esbuild";
import type * as Client from "../../src/browser.ts";
import { type BrowserName, launchBrowser } from "../support/browsers.ts";
import { ROOT } from "../support/commands.ts";

export interface Report {
  /** From the moment at which interface `two` was up and `one` was gone to the first echo after it, ms. */
  readonly sinceChangeMs: number;
  /** Messages that the page sent meanwhile. */
  readonly sentMeanwhile: number;
  /** Offers that went to the session's URL. */
  readonly restarts: number;
  /** Echoes of messages that had been echoed before. */
  readonly repeated: number;
  readonly id: string;
  readonly idAtEnd: string;
  readonly events: readonly string[];
}

declare const client: typeof Client;
declare const flow: {
  received: Map<string, number>;
  repeated: number;
  restarts: number;
  /** When each message was sent. */
  sent: number[];
  events: string[];
  connection: Client.ClientConnection;
};

/** Between two messages. */
export const INTERVAL_MS = 20;
const ENOUGH = 40;
/** Between the interfaces, where the second one is not there first. */
const PAUSE_MS = 1_000;
const STRAGGLERS_MS = 100;

const ip = (...args: string[]) => execFileSync("ip", args);

export async function main([name, url, gateway, order]: string[]): Promise<number> {
  const { outputFiles } = await build({
    entryPoints: [`${ROOT}src/browser.ts`],
    bundle: true,
    format: "iife",
    globalName: "client",
    write: false,
  });
  const browser = await launchBrowser(name as BrowserName, { preferences: { "network.manage-offline-status": true } });
  try {
    const page = await browser.open(url);
    await page.addScriptTag({ content: outputFiles[0].text });
    await page.addScriptTag({
      content: `var flow = { received: new Map(), repeated: 0, restarts: 0, sent: [], events: [] };`,
    });
    const id = await page.evaluate(async (intervalMs) => {
      const connection = await client.connect("/new_rtc_session", {
        fetch: (url, init) => {
          if (url.includes("rtc-session")) flow.restarts++;
          return fetch(url, init);
        },
      });
      flow.connection = connection;
      connection.on("close", (reason) => flow.events.push(`close ${reason}`));
      for (const event of ["online", "offline"]) addEventListener(event, () => flow.events.push(event));
      const peer = connection.peerConnection!;
      peer.addEventListener("connectionstatechange", () => flow.events.push(peer.connectionState));
      connection.on("message", ({ data }) => {
        if (flow.received.has(String(data))) flow.repeated++;
        flow.received.set(String(data), Date.now());
      });
      setInterval(() => {
        connection.trySend(`${flow.sent.length}`);
        flow.sent.push(Date.now());
      }, intervalMs);
      return connection.id;
    }, INTERVAL_MS);
    const enoughSince = (since: number) =>
      page.waitForFunction(
        (since: number, count: number) => [...flow.received.values()].filter((at) => at >= since).length >= count,
        { timeout: 60_000, polling: 50 },
        since,
        ENOUGH,
      );
    await enoughSince(0);
    const raise = () => {
      ip("link", "set", "two", "up");
      ip("route", "replace", "default", "via", gateway);
    };
    if (order === "up-first") raise();
    ip("link", "set", "one", "down");
    if (order !== "up-first") {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      raise();
    }
    const changed = Date.now();
    // What was on its way when the first interface went is no sign of the second one.
    await enoughSince(changed + STRAGGLERS_MS);
    const report: Report = await page.evaluate(
      (id, changed, stragglersMs) => {
        const times = [...flow.received.values()].filter((at) => at >= changed + stragglersMs);
        const back = times.reduce((a, b) => Math.min(a, b));
        return {
          sinceChangeMs: back - changed,
          sentMeanwhile: flow.sent.filter((at) => at >= changed && at < back).length,
          restarts: flow.restarts,
          repeated: flow.repeated,
          id,
          idAtEnd: flow.connection.id,
          events: flow.events,
        };
      },
      id,
      changed,
      STRAGGLERS_MS,
    );
    stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await browser.close();
  }
  return 0;
}
