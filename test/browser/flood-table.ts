/**
 * npm run flood: what unwanted input does to a server with a browser connected: its memory, and the browser's echo.
 *
 *   --share 1                of 100,000 STUN requests, 100,000 ClientHellos and 10,000 signalling posts
 *
 * Verdict: the server's memory grows by at most 10 MiB, and the echo's p99 to at most three times what it was. Exit code 1 where
 * that is missed.
 */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { readArguments } from "../../scripts/arguments.mjs";
import type { ServerStats } from "../../src/index.ts";
import { type BrowserName, launchBrowser } from "../support/browsers.ts";
import { ROOT } from "../support/commands.ts";
import { floodClientHello, floodSignalling, floodStun } from "../support/flood.ts";
import { type FlowReport, PeerInPage } from "../support/harness.ts";
import { startSite } from "../support/site.ts";
import { within } from "../support/wait.ts";

const STUN_REQUESTS = 100_000;
const CLIENT_HELLOS = 100_000;
const SIGNALLING_POSTS = 10_000;
export const MEMORY_BOUND_BYTES = 10 * 1024 * 1024;
const P99_BOUND = 3;
const FLOW = { hz: 60, bytes: 100 };
const IDLE_SECONDS = 10;

interface Reading {
  memory: { heapUsed: number; external: number; rss: number };
  stats: ServerStats;
}

export interface FloodResult {
  idle: FlowReport & { sent: number };
  flooded: FlowReport & { sent: number };
  floodSeconds: number;
  /** How much more memory after the flood, in bytes: JavaScript's heap with buffers, and the process as a whole. */
  heapGrowth: number;
  rssGrowth: number;
  drops: ServerStats["drops"];
  statuses: Map<number, number>;
}

export async function main(args: string[]): Promise<number> {
  const values = readArguments(import.meta.url, { share: { type: "string", default: "1" } }, args);
  const result = await flood("chromium", Number(values.share));
  const { idle, flooded, heapGrowth, rssGrowth, floodSeconds, drops, statuses } = result;
  const mebibytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;
  console.log(`flood of ${floodSeconds.toFixed(1)} s; drops ${JSON.stringify(drops)}`);
  console.log(`signalling answered ${[...statuses].map(([status, count]) => `${count} × ${status}`).join(", ")}\n`);
  console.log("| | idle | during the flood |\n|---|---|---|");
  console.log(`| echoes of messages | ${idle.distinct} of ${idle.sent} | ${flooded.distinct} of ${flooded.sent} |`);
  console.log(`| round trip, median | ${idle.medianMs.toFixed(2)} ms | ${flooded.medianMs.toFixed(2)} ms |`);
  console.log(`| round trip, p99 | ${idle.p99Ms.toFixed(2)} ms | ${flooded.p99Ms.toFixed(2)} ms |`);
  console.log(
    `| memory after it: heap and buffers, process | | ${mebibytes(heapGrowth)}, ${mebibytes(rssGrowth)} more |`,
  );
  const problems = judge(result);
  for (const problem of problems) console.log(`✗ ${problem}`);
  return problems.length === 0 ? 0 : 1;
}

/** What of the result is out of bounds, in sentences. */
export function judge({ idle, flooded, heapGrowth, rssGrowth }: FloodResult): string[] {
  const problems: string[] = [];
  if (heapGrowth > MEMORY_BOUND_BYTES) problems.push(`the heap grew by ${heapGrowth} bytes`);
  if (rssGrowth > MEMORY_BOUND_BYTES) problems.push(`the process grew by ${rssGrowth} bytes`);
  if (flooded.p99Ms > P99_BOUND * idle.p99Ms) problems.push(`p99 rose from ${idle.p99Ms} to ${flooded.p99Ms} ms`);
  if (flooded.distinct === 0) problems.push("no echo during the flood");
  return problems;
}

/** Floods a server of its own with `share` of each kind of input while a page echoes. */
export async function flood(browserName: BrowserName, share: number): Promise<FloodResult> {
  const server = await MeasuredServer.start();
  const site = await startSite(() => new Response("elsewhere", { status: 404 }));
  const browser = await launchBrowser(browserName);
  try {
    const peer = await PeerInPage.connect(await browser.open(site.url), { url: server.signalling });
    const username = `${await peer.serverUfrag()}:${await peer.ufrag()}`;
    const attack = () => attackWith(server, username, share);

    // Once beforehand, so that what is compiled, sized and allocated once for all is there: what is measured is growth.
    await attack();
    const idle = await echoWhile(peer, sleep(IDLE_SECONDS * 1_000 * Math.max(0.3, share)));
    const before = await server.read();
    const started = performance.now();
    let statuses = new Map<number, number>();
    const flooded = await echoWhile(
      peer,
      attack().then((counts) => {
        statuses = counts;
      }),
    );
    const floodSeconds = (performance.now() - started) / 1_000;
    const after = await server.read();
    const heap = ({ memory }: Reading) => memory.heapUsed + memory.external;
    return {
      idle,
      flooded,
      floodSeconds,
      heapGrowth: heap(after) - heap(before),
      rssGrowth: after.memory.rss - before.memory.rss,
      drops: after.stats.drops,
      statuses,
    };
  } finally {
    await browser.close();
    await site.close();
    server.stop();
  }
}

async function attackWith(server: MeasuredServer, username: string, share: number): Promise<Map<number, number>> {
  await floodStun(server.udpPort, username, Math.round(STUN_REQUESTS * share));
  await floodClientHello(server.udpPort, Math.round(CLIENT_HELLOS * share));
  return floodSignalling(server.signalling, Math.round(SIGNALLING_POSTS * share));
}

/** Echoes at a steady rate until `activity` has ended. */
async function echoWhile(peer: PeerInPage, activity: Promise<void>): Promise<FlowReport & { sent: number }> {
  await peer.forgetReceived();
  let active = true;
  const ended = activity.finally(() => {
    active = false;
  });
  let sent = 0;
  while (active) sent += await peer.sendFlow({ ...FLOW, first: sent, count: FLOW.hz });
  await ended;
  await sleep(500);
  return { ...(await peer.flowReport()), sent };
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

class MeasuredServer {
  readonly udpPort: number;
  readonly signalling: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ports: { udpPort: number; httpPort: number }) {
    this.#child = child;
    this.udpPort = ports.udpPort;
    this.signalling = `http://127.0.0.1:${ports.httpPort}/new_rtc_session`;
  }

  static async start(): Promise<MeasuredServer> {
    // A small young generation: V8 otherwise grows it by some 30 MB for any garbage at all, once, and what is asked here is
    // what a flood leaves behind.
    const child = fork(join(ROOT, "test", "support", "measured-server.mjs"), {
      execArgv: ["--expose-gc", "--max-semi-space-size=1"],
    });
    return new MeasuredServer(child, await reply<{ udpPort: number; httpPort: number }>(child));
  }

  read(): Promise<Reading> {
    const reading = reply<Reading>(this.#child);
    this.#child.send("read");
    return reading;
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }
}

function reply<T>(child: ChildProcess): Promise<T> {
  const next = new Promise<T>((resolve, reject) => {
    child.once("message", (message) => resolve(message as T));
    child.once("exit", (code) => reject(new Error(`the server process ended with ${code}`)));
  });
  return within(30_000, "the server process answers", next);
}
