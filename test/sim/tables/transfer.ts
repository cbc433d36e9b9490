import { Network } from "../network.ts";
import { type Stack, SctpPair, sendBulk } from "../sctp-pair.ts";
import { OVERHEAD_BYTES } from "./beside-bulk.ts";
import { Columns, median, percent, runSeeds, spread, type Table, type TableContext, type Verdict } from "./table.ts";

export interface TransferOptions {
  near: Stack;
  far: Stack;
  megabytes: number;
  megabits: number;
  queueMs: number;
  loss: number;
  rttMs: number;
}

export interface TransferResult {
  /** From the established association to the last message's arrival; `Infinity` where it never came. */
  seconds: number;
  ended: string | undefined;
}

const MESSAGE_BYTES = 16_384;
const PATIENCE_MS = 1_800_000;

/** One reliable transfer, alone on its line. */
export function runTransfer(seed: string, options: TransferOptions): TransferResult {
  const { near, far, megabytes, megabits, queueMs, loss, rttMs } = options;
  const network = new Network(seed);
  const pair = new SctpPair(network, { near, far });
  try {
    const bytesPerMs = megabits * 125;
    pair.nearHost.setLine({ rttMs, bytesPerMs, queueBytes: bytesPerMs * queueMs, overheadBytes: OVERHEAD_BYTES });
    pair.establish();
    pair.nearHost.setLine({ loss });
    const messages = Math.ceil((megabytes * 1_000_000) / MESSAGE_BYTES);
    const flow = sendBulk(pair.near, { streamId: 1, messageBytes: MESSAGE_BYTES, messages });
    pair.receive((_now, _streamId, message) => void flow.receive(message));
    const start = network.now;
    network.at(start, pair.nearHost, () => {});
    network.runUntil(start + PATIENCE_MS, () => flow.delivered === messages || pair.ended !== undefined);
    const isWhole = flow.delivered === messages && flow.damaged + flow.duplicates + flow.outOfOrder === 0;
    return { seconds: isWhole ? (network.now - start) / 1000 : Number.POSITIVE_INFINITY, ended: pair.ended };
  } finally {
    pair.close();
  }
}

const LINE = { megabytes: 10, megabits: 100, queueMs: 100 };
const LOSSES = [0, 0.01, 0.05];
const RTTS_MS = [20, 100];
const WAYS: Pick<TransferOptions, "near" | "far">[] = [
  { near: "usrsctp", far: "usrsctp" },
  { near: "ours", far: "ours" },
  { near: "ours", far: "usrsctp" },
];
const MOST = 1.2;

export const transfer: Table = {
  name: "transfer",
  summary: "10 MB, reliable, at 0, 1 and 5 % loss, RTT 20 and 100 ms",
  usesUsrsctp: true,
  run: printTransfer,
};

function printTransfer(context: TableContext): Verdict[] {
  const { megabytes, megabits, queueMs } = LINE;
  context.print(
    `${megabytes} MB in reliable messages of 16 KB: ${megabits} Mbit/s with a queue of ${queueMs} ms; seconds, ` +
      "and as a multiple of usrsctp to usrsctp",
  );
  const columns = new Columns(COLUMNS, context.print);
  const verdicts: Verdict[] = [];
  for (const rttMs of RTTS_MS) {
    for (const loss of LOSSES) {
      const line = { ...LINE, loss, rttMs };
      let baseline = Number.NaN;
      for (const way of WAYS) {
        const name = `${way.near} to ${way.far}`;
        const row = `${name}, loss ${percent(loss, 0)}, RTT ${rttMs} ms`;
        const results = runSeeds(context, row, (seed) => runTransfer(seed, { ...way, ...line }));
        const seconds = results.map((result) => result.seconds);
        if (way.near === "usrsctp") baseline = median(seconds);
        const ratio = median(seconds) / baseline;
        const ended = results.find((result) => result.ended !== undefined)?.ended ?? "";
        columns.row([name, percent(loss, 0), `${rttMs} ms`, spread(seconds, 2), ratio.toFixed(2), ended]);
        if (way.near === "usrsctp") continue;
        verdicts.push({ kept: ratio <= MOST, text: `${row}: ${ratio.toFixed(2)} x usrsctp's time (target ${MOST})` });
      }
    }
  }
  context.print("");
  return verdicts;
}

const COLUMNS = [
  ["sender to receiver", 18],
  ["loss", 5],
  ["RTT", 6],
  ["seconds", 22],
  ["ratio", 6],
  ["", 0],
] as const;
