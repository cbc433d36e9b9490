/**
 * npm run reopen:browsers: data channels that are closed and opened again at once, with real browsers through a proxy that loses
 * and delays. Each channel carries nothing but its own name, there and back, so each end sees what comes by the wrong one.
 *
 *   --channels 150           closed and opened again in all, for each row
 *   --loss 0.05              share of datagrams that the proxy loses in each direction, from the moment the first channels are there
 *   --delay 20               one way, ms
 *   --patience 10            after so many seconds a channel without its answer, or without its end, is dead
 *   --seed reopen            of the losses
 *   --browser chromium,firefox
 *   --only TEXT              rows whose name has it
 *   --trace FOLDER           keeps a trace of each row, the server's view
 *
 * Rows: who closes the channels, and who opens them again; "both" where their ids are agreed on (negotiated). All channels at once,
 * or one after the other. Verdict: no channel is dead, and nothing came by the wrong channel. Exit code 1 where it is missed.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { readArguments } from "../../scripts/arguments.mjs";
import type { Connection } from "../../src/index.ts";
import { type BrowserName, BROWSERS } from "../support/browsers.ts";
import { ROOT } from "../support/commands.ts";
import { PeerInPage } from "../support/harness.ts";
import type * as Reopening from "../support/reopening.ts";
import { endAtServer, type Plan, type ReopeningReport } from "../support/reopening.ts";
import { type Scene, withScene } from "../support/scene.ts";

const POLLING_MS = 100;

type End = "page" | "server";

export interface Kind {
  closer: End;
  opener: End | "both";
  order: "at once" | "in turn";
}

export interface ReopenOptions {
  /** Reopenings in all. */
  channels: number;
  /** Default: as the kind's order says. */
  atOnce?: number;
  loss: number;
  patienceMs: number;
}

export interface ReopenRow extends ReopeningReport {
  browser: BrowserName;
  kind: Kind;
  seconds: number;
  /** What happened on the connection, as `traceToFiles` would have written it. */
  trace: { pcapng: Uint8Array[]; events: string[] };
}

export const KINDS: readonly Kind[] = (["at once", "in turn"] as const).flatMap((order) =>
  (["page", "server"] as const).flatMap((closer) =>
    (["page", "server", "both"] as const).map((opener) => ({ closer, opener, order })),
  ),
);

const nameOf = ({ closer, opener, order }: Kind) =>
  `${closer} closes, ${opener} open${opener === "both" ? "" : "s"}, ${order}`;

export async function main(args: string[]): Promise<number> {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const values = readArguments(
    import.meta.url,
    {
      ...{ channels: text("150"), loss: text("0.05"), delay: text("20"), patience: text("10"), seed: text("reopen") },
      ...{ browser: text(BROWSERS.join()), only: text(""), trace: { type: "string" } },
    },
    args,
  );
  const options: ReopenOptions = {
    channels: Number(values.channels),
    loss: Number(values.loss),
    patienceMs: 1_000 * Number(values.patience),
  };
  const kinds = KINDS.filter((kind) => nameOf(kind).includes(values.only));
  console.log(`loss ${100 * options.loss} %, RTT ${2 * Number(values.delay)} ms; seed "${values.seed}"\n`);
  console.log("| browser | who | opened again | dead | misdelivered | seconds |\n|---|---|---|---|---|---|");
  let failed = false;
  for (const browser of values.browser.split(",") as BrowserName[]) {
    for (const kind of kinds) {
      const conditions = { delayMs: Number(values.delay), seed: `${values.seed} ${browser} ${nameOf(kind)}` };
      const row = await withScene(browser, { conditions }, (scene) => reopen(scene, kind, options));
      const { reopened, dead, misdelivered, seconds } = row;
      const mark = isGood(row) ? "" : " ✗";
      console.log(
        `| ${browser} | ${nameOf(kind)} | ${reopened} | ${dead.length}${mark} | ${misdelivered.length} | ${seconds.toFixed(1)} |`,
      );
      if (values.trace !== undefined) keep(row, values.trace);
      if (isGood(row)) continue;
      failed = true;
      for (const line of [...dead, ...misdelivered.map((name) => `misdelivered: ${name}`)].slice(0, 5)) {
        console.error(`  ${line}`);
      }
    }
  }
  console.log(failed ? "\nsome channels are dead, or have the messages of others" : "\nnone dead, none misdelivered");
  return failed ? 1 : 0;
}

export function isGood({ dead, misdelivered }: ReopenRow): boolean {
  return dead.length === 0 && misdelivered.length === 0;
}

/** One page, one connection, one kind. The proxy of the scene loses from then on. */
export async function reopen(scene: Scene, kind: Kind, options: ReopenOptions): Promise<ReopenRow> {
  const { browser, echo, proxy } = scene;
  const channels = [{ label: "first" }];
  const peer = await PeerInPage.connect(await browser.open(echo.site.url), { channels });
  await peer.echo(["open"]);
  const connection = await echo.connection(await peer.serverId());
  const trace: ReopenRow["trace"] = { pcapng: [], events: [] };
  echo.server.trace(connection.id, {
    pcapng: (bytes) => trace.pcapng.push(bytes),
    events: (line) => trace.events.push(line),
  });
  proxy.change({ loss: options.loss });
  const started = performance.now();
  const report = await play(scene, peer, connection, kind, options);
  return { browser: browser.name, kind, ...report, seconds: (performance.now() - started) / 1_000, trace };
}

async function play(
  scene: Scene,
  peer: PeerInPage,
  connection: Connection,
  { closer, opener, order }: Kind,
  { channels, atOnce = order === "at once" ? channels : 1, patienceMs }: ReopenOptions,
): Promise<ReopeningReport> {
  const isNegotiated = opener === "both";
  const planOf = (end: End): Plan => ({
    channels: atOnce,
    times: channels / atOnce,
    asks: isNegotiated ? end === "page" : end === opener,
    closes: end === closer,
    negotiated: isNegotiated,
    patienceMs,
  });
  const server = endAtServer(connection, planOf("server"));
  scene.onMessage(connection, ({ channel, data }) => server.message(channel, String(data)));
  const { page, id } = peer;
  await page.addScriptTag({ content: await scriptForPages() });
  await page.evaluate(
    (id, plan) => {
      reopening.end = reopening.endInPage(harness.peerOf(id), plan);
    },
    id,
    planOf("page"),
  );
  server.start();
  await page.evaluate(() => reopening.end.start());
  const isFinished = () => (opener === "server" ? server.isFinished : page.evaluate(() => reopening.end.isFinished));
  while (!(await isFinished())) await new Promise((resolve) => setTimeout(resolve, POLLING_MS));
  const report = sum(server.report(), await page.evaluate(() => reopening.end.report()));
  return { ...report, dead: [...report.dead, ...scene.browser.pageErrors] };
}

function sum(one: ReopeningReport, other: ReopeningReport): ReopeningReport {
  return {
    reopened: one.reopened + other.reopened,
    dead: [...one.dead, ...other.dead],
    misdelivered: [...one.misdelivered, ...other.misdelivered],
  };
}

declare const reopening: typeof Reopening & { end: Reopening.ReopeningEnd<RTCDataChannel> };
declare const harness: { peerOf(id: number): RTCPeerConnection };

async function scriptForPages(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, "test/support/reopening.ts")],
    bundle: true,
    format: "iife",
    globalName: "reopening",
    write: false,
  });
  return outputFiles[0].text;
}

function keep({ browser, kind, trace }: ReopenRow, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${browser} ${nameOf(kind)}`.replaceAll(/[ ,]+/g, "-"));
  writeFileSync(`${path}.pcapng`, Buffer.concat(trace.pcapng));
  writeFileSync(`${path}.sqlog`, trace.events.map((line) => `\x1e${line}\n`).join(""));
}
