/**
 * npm run bulk:browsers: 60 messages a second of 100 bytes, unreliable, both ways, beside a transfer of 64 KB messages on the same
 * connection, with real browsers through a proxy that loses and delays.
 *
 *   --seconds 30             of each row
 *   --loss 0.01              share of datagrams that the proxy loses in each direction
 *   --delay 50               one way, ms
 *   --seed bulk              of the losses
 *   --kind KIND,…            chromium, chromium-interleaving, firefox; default: all
 *   --only TEXT              transfers whose name has it: alone, download, upload
 *
 * Verdict, of what the server sends beside a download: it loses at most 1.5 times what the link does. Where both ends have I-DATA,
 * half of it takes at most 50 ms more than the link; where not, at most as long as what Chromium sends without it beside an upload.
 * Exit code 1 where one is missed. What the page sends is there for comparison: that is the browser's own SCTP.
 */
import { readArguments } from "../../scripts/arguments.mjs";
import type { Channel } from "../../src/index.ts";
import type { BrowserName } from "../support/browsers.ts";
import { BulkSender, sendFlow } from "../support/flow.ts";
import { type Arrival, type ChannelInit, PeerInPage } from "../support/harness.ts";
import { type Scene, withScene } from "../support/scene.ts";

const HZ = 60;
const FLOW_BYTES = 100;
const BULK_BYTES = 65_536;
const MAX_LOSS_FACTOR = 1.5;
const MAX_DELAY_MS = 50;
/** For what is on its way when the last message was sent: several round trips. */
const SETTLE_MS = 2_000;

const CHANNELS: ChannelInit[] = [{ label: "flow", ordered: false, maxRetransmits: 0 }, { label: "bulk" }];
const FLOW = 0;
const BULK = 1;

export const TRANSFERS = ["alone", "download", "upload"] as const;
export type Transfer = (typeof TRANSFERS)[number];

/** Chromium has I-DATA behind a field trial only. */
const KINDS: Readonly<Record<string, { name: BrowserName; flags: string[] }>> = {
  chromium: { name: "chromium", flags: [] },
  "chromium-interleaving": {
    name: "chromium",
    flags: ["--force-fieldtrials=WebRTC-DataChannelMessageInterleaving/Enabled/"],
  },
  firefox: { name: "firefox", flags: [] },
};

export interface BulkOptions {
  seconds: number;
  loss: number;
  delayMs: number;
  seed: string;
}

export interface BulkRow {
  kind: string;
  transfer: Transfer;
  direction: "page → server" | "server → page";
  /** Both ends have I-DATA. */
  interleaved: boolean;
  sent: number;
  arrived: number;
  /** One way, ms, of what arrived. */
  medianMs: number;
  p99Ms: number;
  /** Bulk messages that the sender had given to its connection before a message of the flow, and that came after it: the median. */
  overtaken: number;
  bulkMbits: number;
}

export async function main(args: string[]): Promise<number> {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const values = readArguments(
    import.meta.url,
    {
      ...{ seconds: text("30"), loss: text("0.01"), delay: text("50"), seed: text("bulk") },
      ...{ kind: text(Object.keys(KINDS).join()), only: text("") },
    },
    args,
  );
  const { loss, delay, seconds, seed } = values;
  const options = { seconds: Number(seconds), loss: Number(loss), delayMs: Number(delay), seed };
  console.log(
    `${HZ} Hz × ${FLOW_BYTES} B both ways for ${seconds} s, ${100 * options.loss} % loss, RTT ${2 * options.delayMs} ms; seed "${seed}"\n`,
  );
  console.log("| browser | chunks | beside | direction | sent | arrived | median | p99 | bulk |");
  console.log("|---|---|---|---|---|---|---|---|---|");
  const rows: BulkRow[] = [];
  for (const kind of values.kind.split(",")) {
    for (const transfer of TRANSFERS.filter((name) => name.includes(values.only))) {
      const measured = await measureBulk(kind, transfer, options);
      for (const row of measured) console.log(format(row));
      rows.push(...measured);
    }
  }
  const problems = judge(rows, options);
  console.log(problems.length === 0 ? "\nall within bounds" : "");
  for (const problem of problems) console.log(`✗ ${problem}`);
  return problems.length === 0 ? 0 : 1;
}

/** What is out of bounds, in sentences. */
export function judge(rows: readonly BulkRow[], { loss, delayMs }: BulkOptions): string[] {
  const isReference = (row: BulkRow) => row.kind === "chromium" && row.transfer === "upload" && isUp(row);
  const reference = rows.find(isReference)?.medianMs ?? Number.POSITIVE_INFINITY;
  const problems: string[] = [];
  for (const row of rows) {
    if (row.transfer !== "download" || isUp(row)) continue;
    const lost = 1 - row.arrived / row.sent;
    const maxMedianMs = row.interleaved ? delayMs + MAX_DELAY_MS : reference;
    if (lost > MAX_LOSS_FACTOR * loss)
      problems.push(`${row.kind}: ${(100 * lost).toFixed(2)} % lost beside a download`);
    if (row.medianMs > maxMedianMs) problems.push(`${row.kind}: ${row.medianMs} ms, not ${maxMedianMs}`);
  }
  return problems;
}

const isUp = ({ direction }: BulkRow) => direction === "page → server";

/** One page: a flow each way, beside at most one transfer. */
export async function measureBulk(kind: string, transfer: Transfer, options: BulkOptions): Promise<[BulkRow, BulkRow]> {
  const { loss, delayMs, seed } = options;
  const known = KINDS[kind];
  if (known === undefined) throw new RangeError(`--kind must be of ${Object.keys(KINDS).join(", ")}`);
  const { name, flags } = known;
  const chunks = new Set<string>();
  const trace = () => ({ events: (line: string) => noteChunks(line, chunks) });
  const conditions = { delayMs, seed: `${seed} ${kind} ${transfer}` };
  return await withScene(name, { conditions, listen: { trace }, browser: { flags } }, async (scene) => {
    const peer = await PeerInPage.connect(await scene.browser.open(scene.echo.site.url), { channels: CHANNELS });
    for (const channel of CHANNELS.keys()) await peer.echo(["open"], { channel });
    await peer.forgetReceived();
    const serverId = await peer.serverId();
    scene.echo.server.trace(serverId, undefined);
    scene.proxy.change({ loss });
    const [up, down] = await play(scene, peer, transfer, options);
    const common = { kind, transfer, interleaved: chunks.has("i-data") };
    return [
      { ...common, direction: "page → server", ...up },
      { ...common, direction: "server → page", ...down },
    ];
  });
}

type Outcome = Pick<BulkRow, "sent" | "arrived" | "medianMs" | "p99Ms" | "overtaken" | "bulkMbits">;

async function play(
  scene: Scene,
  peer: PeerInPage,
  transfer: Transfer,
  { seconds }: BulkOptions,
): Promise<[up: Outcome, down: Outcome]> {
  const connection = await scene.echo.connection(await peer.serverId());
  const bulkChannel = connection.channels.find(({ label }) => label === "bulk") as Channel;
  const received: Arrival[] = [];
  let bulkUp = 0;
  scene.onMessage(connection, ({ channel, data }) => {
    const { buffer, byteOffset } = data as Uint8Array;
    if (channel === bulkChannel) bulkUp++;
    else received.push({ number: new DataView(buffer, byteOffset).getUint32(0), time: Date.now(), others: bulkUp });
  });

  const download = transfer === "download" ? new BulkSender(connection, bulkChannel, BULK_BYTES) : undefined;
  const upload = transfer === "upload" ? peer.sendBulkUntilStopped(BULK, BULK_BYTES) : undefined;
  const sentDown: { time: number; bulk: number }[] = [];
  const flow = { count: seconds * HZ, hz: HZ, bytes: FLOW_BYTES };
  const noteSent = () => sentDown.push({ time: Date.now(), bulk: download?.taken ?? 0 });
  await Promise.all([peer.sendFlow({ channel: FLOW, ...flow }), sendFlow(connection, flow, noteSent)]);
  download?.stop();
  await peer.stopBulk();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));

  const arrivedDown = await peer.arrivals(FLOW);
  const sentUp = (await peer.sentTimes()).map((time) => ({ time, bulk: 0 }));
  const bulkDown = arrivedDown.at(-1)?.others ?? 0;
  const mbits = (messages: number) => (messages * BULK_BYTES * 8) / seconds / 1e6;
  // The page may wait for room in a queue that never comes; it is closed with the scene.
  upload?.catch(() => {});
  return [
    { ...outcome(sentUp, received), bulkMbits: mbits(bulkUp) },
    { ...outcome(sentDown, arrivedDown), bulkMbits: mbits(bulkDown) },
  ];
}

function outcome(sent: { time: number; bulk: number }[], arrivals: readonly Arrival[]): Omit<Outcome, "bulkMbits"> {
  const delays = arrivals.map(({ number, time }) => time - sent[number].time);
  const overtaken = arrivals.map(({ number, others }) => sent[number].bulk - others);
  return {
    sent: sent.length,
    arrived: new Set(arrivals.map(({ number }) => number)).size,
    medianMs: quantile(delays, 0.5),
    p99Ms: quantile(delays, 0.99),
    overtaken: quantile(overtaken, 0.5),
  };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The types of the chunks in a line of a trace's events. */
function noteChunks(line: string, types: Set<string>): void {
  const { data } = JSON.parse(line) as { data?: { chunks?: { type: string }[] } };
  for (const { type } of data?.chunks ?? []) types.add(type);
}

function format(row: BulkRow): string {
  const { kind, interleaved, transfer, direction, sent, arrived, medianMs, p99Ms, bulkMbits } = row;
  const share = `${((100 * arrived) / sent).toFixed(1)} %`;
  const bulk = bulkMbits > 0 ? `${bulkMbits.toFixed(1)} Mbit/s` : "";
  const chunks = interleaved ? "I-DATA" : "DATA";
  return `| ${[kind, chunks, transfer, direction, sent, share, `${medianMs} ms`, `${p99Ms} ms`, bulk].join(" | ")} |`;
}
