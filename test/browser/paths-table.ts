/**
 * npm run paths:browsers: page loads on a machine with IPv4 and IPv6 addresses. Chromium changes its candidate pair during the first
 * seconds of some of them.
 *
 *   --loads 200              for each browser
 *   --browser chromium,firefox
 *
 * Verdict: no echo is lost by it. Exit code 1 where one is.
 */
import { readArguments } from "../../scripts/arguments.mjs";
import { type BrowserName, interfaceAddresses, launchBrowser } from "../support/browsers.ts";
import { startEchoServer } from "../support/echo-server.ts";
import { PeerInPage } from "../support/harness.ts";

const FLOW = { hz: 20, bytes: 100, count: 70 };
/** Unordered messages: the last echoes are on their way. */
const SETTLE_MS = 300;

export interface LoadsResult {
  loads: number;
  messages: number;
  lost: number;
  /** Loads whose connection ended at another address than it began. */
  moved: number;
  /** Datagrams that were not sent for want of credit. */
  unproven: number;
}

export async function main(args: string[]): Promise<number> {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const values = readArguments(import.meta.url, { loads: text("200"), browser: text("chromium,firefox") }, args);
  console.log("| browser | loads | moved | messages | lost | address-unproven |\n|---|---|---|---|---|---|");
  let lost = 0;
  for (const name of values.browser.split(",") as BrowserName[]) {
    const result = await loadPages(name, Number(values.loads));
    const { loads, moved, messages, unproven } = result;
    console.log(`| ${name} | ${loads} | ${moved} | ${messages} | ${result.lost} | ${unproven} |`);
    lost += result.lost;
  }
  return lost === 0 ? 0 : 1;
}

/** Loads a page so many times, one after the other; each sends a steady flow and counts its echoes. */
export async function loadPages(name: BrowserName, loads: number): Promise<LoadsResult> {
  const publicAddresses = interfaceAddresses();
  if (!publicAddresses.some((address) => address.includes(":"))) publicAddresses.push("::1");
  if (publicAddresses.every((address) => address.includes(":"))) publicAddresses.push("127.0.0.1");
  const echo = await startEchoServer({ publicAddresses });
  const browser = await launchBrowser(name);
  const result: LoadsResult = { loads, messages: 0, lost: 0, moved: 0, unproven: 0 };
  try {
    for (let load = 0; load < loads; load++) {
      const page = await browser.open(echo.site.url);
      const peer = await PeerInPage.connect(page);
      const connection = await echo.connection(await peer.serverId());
      const began = connection.remoteAddress.address;
      result.messages += await peer.sendFlow(FLOW);
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      result.lost += FLOW.count - (await peer.flowReport()).distinct;
      if (connection.remoteAddress.address !== began) result.moved++;
      await page.close();
    }
    result.unproven = echo.server.stats().drops["address-unproven"] ?? 0;
    return result;
  } finally {
    await browser.close();
    await echo.close();
  }
}
