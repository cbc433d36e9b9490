import type { Flow } from "../flow.ts";
import { Network, setLine } from "../network.ts";
import { type Stack, SctpPair, sendBulk } from "../sctp-pair.ts";
import { OVERHEAD_BYTES } from "./beside-bulk.ts";
import { Columns, median, percent, runSeeds, spread, type Table, type TableContext, type Verdict } from "./table.ts";

export interface FairnessOptions {
  flows: readonly Stack[];
  megabits: number;
  queueMs: number;
  rttMs: number;
  seconds: number;
}

export interface FairnessResult {
  /** What each flow delivered after the first sixth of the time. */
  megabits: number[];
  /** Share of the datagrams that the full queue dropped. */
  tailDrops: number;
  ended: string | undefined;
}

const MESSAGE_BYTES = 16_384;
/** All flows begin within this time. */
const STARTS_MS = 1000;

/** Reliable transfers, each with an association of its own, over one bottleneck. */
export function runFairness(seed: string, options: FairnessOptions): FairnessResult {
  const { flows: stacks, megabits, queueMs, rttMs, seconds } = options;
  const network = new Network(seed);
  const bottleneck = network.createLine("bottleneck");
  const bytesPerMs = megabits * 125;
  setLine(bottleneck, { rttMs, bytesPerMs, queueBytes: bytesPerMs * queueMs, overheadBytes: OVERHEAD_BYTES });
  const starts = network.random.fork("starts");
  const pairs: SctpPair[] = [];
  try {
    const flows: Flow[] = [];
    for (const stack of stacks) {
      const pair = new SctpPair(network, { near: stack, far: stack, line: bottleneck });
      pairs.push(pair);
      const flow = sendBulk(pair.near, { streamId: 1, messageBytes: MESSAGE_BYTES });
      flows.push(flow);
      pair.receive((_now, _streamId, message) => void flow.receive(message));
      pair.connectAt(starts.unit() * STARTS_MS);
    }
    const from = (seconds * 1000) / 6;
    network.runUntil(from);
    const before = flows.map(({ delivered }) => delivered);
    network.runUntil(seconds * 1000);
    const rate = (messages: number) => (messages * MESSAGE_BYTES * 8) / (network.now - from) / 1000;
    const { sent, overflowed } = bottleneck.up.counters;
    return {
      megabits: flows.map(({ delivered }, i) => rate(delivered - before[i])),
      tailDrops: overflowed / sent,
      ended: pairs.find(({ ended }) => ended !== undefined)?.ended,
    };
  } finally {
    for (const pair of pairs) pair.close();
  }
}

const LINE = { queueMs: 100, rttMs: 40, seconds: 60 };
const many = (stack: Stack, count: number): Stack[] => Array.from({ length: count }, () => stack);
const ALONE_MEGABITS = 0.5;
const ROWS: (Pick<FairnessOptions, "flows" | "megabits"> & { name: string })[] = [
  { name: "ours", flows: ["ours"], megabits: ALONE_MEGABITS },
  { name: "usrsctp", flows: ["usrsctp"], megabits: ALONE_MEGABITS },
  { name: "ours + usrsctp", flows: ["ours", "usrsctp"], megabits: 1 },
  { name: "ours + usrsctp", flows: ["ours", "usrsctp"], megabits: 5 },
  { name: "5 x ours", flows: many("ours", 5), megabits: 1 },
  { name: "5 x usrsctp", flows: many("usrsctp", 5), megabits: 1 },
  { name: "10 x ours", flows: many("ours", 10), megabits: 2 },
];
const SHARE = { least: 0.4, most: 0.6 };
/** A full queue must drop some; not many more of ours than of usrsctp's. */
const MOST_DROPS = 1.2;

export const fairness: Table = {
  name: "fairness",
  summary: "reliable transfers, ours and usrsctp's, over one bottleneck",
  usesUsrsctp: true,
  run: printFairness,
};

function printFairness(context: TableContext): Verdict[] {
  const { queueMs, rttMs, seconds } = LINE;
  context.print(
    `Reliable transfers over one bottleneck with a tail-drop queue of ${queueMs} ms: RTT ${rttMs} ms, ${seconds} s;\n` +
      "Mbit/s without the first sixth",
  );
  const columns = new Columns(COLUMNS, context.print);
  const verdicts: Verdict[] = [];
  const drops = new Map<string, number>();
  for (const { name, flows, megabits } of ROWS) {
    const row = `${name}, ${megabits} Mbit/s`;
    const results = runSeeds(context, row, (seed) => runFairness(seed, { ...LINE, flows, megabits }));
    const all = (pick: (result: FairnessResult) => number) => results.map(pick);
    const share = all((result) => result.megabits[0] / sum(result.megabits));
    drops.set(row, median(all(({ tailDrops }) => tailDrops)));
    columns.row([
      name,
      `${megabits} Mbit/s`,
      spread(
        all((result) => sum(result.megabits)),
        2,
      ),
      spread(
        all((result) => Math.min(...result.megabits)),
        2,
      ),
      spread(
        all((result) => Math.max(...result.megabits)),
        2,
      ),
      flows.length === 1 ? "" : spread(share.map((value) => 100 * value)),
      spread(
        all(({ tailDrops }) => 100 * tailDrops),
        1,
      ),
      results.find(({ ended }) => ended !== undefined)?.ended ?? "",
    ]);
    if (flows.includes("ours") && flows.includes("usrsctp")) verdicts.push(judgeShare(row, median(share)));
  }
  verdicts.push(judgeDrops(drops));
  context.print("");
  return verdicts;
}

function judgeShare(row: string, share: number): Verdict {
  const kept = share >= SHARE.least && share <= SHARE.most;
  return {
    kept,
    text: `${row}: ours takes ${percent(share)} (target ${percent(SHARE.least, 0)} to ${percent(SHARE.most, 0)})`,
  };
}

function judgeDrops(drops: ReadonlyMap<string, number>): Verdict {
  const [ours, theirs] = ["ours", "usrsctp"].map(
    (name) => drops.get(`${name}, ${ALONE_MEGABITS} Mbit/s`) ?? Number.NaN,
  );
  const kept = ours <= theirs * MOST_DROPS;
  const figures = `${percent(ours)} tail drops, usrsctp ${percent(theirs)} (target ${MOST_DROPS} x)`;
  return { kept, text: `alone, ${ALONE_MEGABITS} Mbit/s: ${figures}` };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

const COLUMNS = [
  ["flows", 14],
  ["bottleneck", 10],
  ["all", 16],
  ["slowest", 16],
  ["fastest", 16],
  ["first's share %", 15],
  ["tail drops %", 16],
  ["", 0],
] as const;
