import { Network } from "../network.ts";
import { type Stack, SctpPair, sendSteadily } from "../sctp-pair.ts";
import {
  Columns,
  median,
  percent,
  quantile,
  runSeeds,
  spread,
  type Table,
  type TableContext,
  type Verdict,
} from "./table.ts";

export interface ReliableOptions {
  near: Stack;
  far: Stack;
  loss: number;
  rttMs: number;
  seconds: number;
}

export interface ReliableResult {
  p50: number;
  p99: number;
  max: number;
  /** Messages that never came. */
  missing: number;
  ended: string | undefined;
}

const GAME = { streamId: 1, messageBytes: 100, rateHz: 60, ordered: true };
const SETTLE_MS = 120_000;

/** Reliable, ordered messages at a steady rate, alone on their line. */
export function runReliable(seed: string, { near, far, loss, rttMs, seconds }: ReliableOptions): ReliableResult {
  const network = new Network(seed);
  const pair = new SctpPair(network, { near, far });
  try {
    pair.nearHost.setLine({ rttMs });
    pair.establish();
    pair.nearHost.setLine({ loss });
    const messages = GAME.rateHz * seconds;
    const game = sendSteadily(network, pair, { ...GAME, messages });
    pair.receive((now, _streamId, message) => game.receive(now, message));
    const limit = network.now + seconds * 1000 + SETTLE_MS;
    network.runUntil(limit, () => game.flow.delivered === messages || pair.ended !== undefined);
    return {
      p50: quantile(game.latencies, 0.5),
      p99: quantile(game.latencies, 0.99),
      max: quantile(game.latencies, 1),
      missing: messages - game.flow.delivered,
      ended: pair.ended,
    };
  } finally {
    pair.close();
  }
}

const LOSSES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3];
const RTT_MS = 100;
const SECONDS = 60;
const WAYS: Pick<ReliableOptions, "near" | "far">[] = [
  { near: "usrsctp", far: "usrsctp" },
  { near: "ours", far: "ours" },
  { near: "ours", far: "usrsctp" },
];
const MOST = 1.2;
const JUDGED_LOSS = 0.1;

export const reliable: Table = {
  name: "reliable",
  summary: "60 Hz x 100 bytes, reliable and ordered, at 1 to 30 % loss",
  usesUsrsctp: true,
  run: printReliable,
};

function printReliable(context: TableContext): Verdict[] {
  context.print(`60 Hz x 100 bytes, reliable and ordered: RTT ${RTT_MS} ms, ${SECONDS} s; times in ms`);
  const columns = new Columns(COLUMNS, context.print);
  const verdicts: Verdict[] = [];
  for (const loss of LOSSES) {
    let baseline = Number.NaN;
    for (const way of WAYS) {
      const name = `${way.near} to ${way.far}`;
      const row = `${name}, loss ${percent(loss, 0)}`;
      const options = { ...way, loss, rttMs: RTT_MS, seconds: SECONDS };
      const results = runSeeds(context, row, (seed) => runReliable(seed, options));
      const values = (key: "p50" | "p99" | "max" | "missing") => results.map((result) => result[key]);
      const p99 = median(values("p99"));
      if (way.near === "usrsctp") baseline = p99;
      const times = (["p50", "p99", "max"] as const).map((key) => spread(values(key)));
      const ended = results.find((result) => result.ended !== undefined)?.ended ?? "";
      const ratio = p99 / baseline;
      columns.row([name, percent(loss, 0), ...times, ratio.toFixed(2), spread(values("missing")), ended]);
      if (way.near === "usrsctp" || loss > JUDGED_LOSS) continue;
      const kept = ratio <= MOST && results.every(({ missing }) => missing === 0);
      verdicts.push({ kept, text: `${row}: p99 ${ratio.toFixed(2)} x usrsctp's (target ${MOST})` });
    }
  }
  context.print("");
  return verdicts;
}

const COLUMNS = [
  ["sender to receiver", 18],
  ["loss", 5],
  ["p50", 16],
  ["p99", 20],
  ["max", 22],
  ["p99 ratio", 9],
  ["missing", 8],
  ["", 0],
] as const;
