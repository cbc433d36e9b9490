/**
 * Chromium of 2020 and a recent one, as npm has them. No driver of today speaks with both: the page reports by itself. It loads the
 * client as the package has it, in modules of its own.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { Server } from "../../src/index.ts";
import { nodeListener } from "../../src/node-http.ts";
import { interfaceAddresses } from "../support/browsers.ts";
import { ROOT } from "../support/commands.ts";
import { Program } from "../support/program.ts";
import { EventLog } from "../support/wait.ts";
import { installChromium } from "./chromium/install.ts";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--no-zygote",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
];
/** For a machine that has no other interface than the loopback one. */
const LOOPBACK_FLAGS = ["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"];
const MESSAGES = 100;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** An echo server with the page and the client's modules; what the page reports comes as an event. */
async function startSite(): Promise<{ url: string; reports: EventLog<unknown> }> {
  const server = await Server.listen({
    publicAddresses: ["127.0.0.1"],
    onMessage: ({ connection, channel, data }) => connection.trySend(data, { channel }),
  });
  const reports = new EventLog<unknown>();
  const http = createServer(
    nodeListener(async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/new_rtc_session") return server.sessionEndpoint.handleRequest(request);
      if (pathname === "/report") reports.push(await request.json());
      if (pathname === "/") return file("test/browser/chromium/page.html", "text/html");
      if (/^\/build\/[\w/-]+\.js$/.test(pathname)) return file(pathname.slice(1), "text/javascript");
      return new Response(null, { status: 204 });
    }),
  );
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  ends.push(() => server.close());
  ends.push(() => {
    http.close();
    http.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/`, reports };
}

async function file(path: string, type: string): Promise<Response> {
  return new Response(await readFile(join(ROOT, path)), { headers: { "content-type": type } });
}

function startChromium(program: string, url: string): void {
  const profile = mkdtempSync(join(tmpdir(), "chromium-profile-"));
  const loopbackOnly = interfaceAddresses().length === 0;
  const flags = [...FLAGS, ...(loopbackOnly ? LOOPBACK_FLAGS : [])];
  // A browser with a port for a driver stays, though none comes.
  const browser = new Program(program, [...flags, `--user-data-dir=${profile}`, "--remote-debugging-port=0", url]);
  ends.push(() => rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  ends.push(() => browser.stop());
}

describe("Chromium", () => {
  test.each([
    [80, "chrome-aws-lambda"],
    [153, "@sparticuz/chromium"],
  ])(`%i gets ${MESSAGES} messages back by hand and ${MESSAGES} by the page's client`, async (version, name) => {
    const { url, reports } = await startSite();
    startChromium(await installChromium(name), url);
    const [report] = await reports.waitForCount(60_000, "a report", 1);
    expect(report).toEqual({
      userAgent: expect.stringContaining(`Chrome/${version}.`),
      byHand: MESSAGES,
      byClient: { echoes: MESSAGES, state: "open", maxMessageBytes: 65_536 },
    });
  });
});
