import { runOpenings } from "../opening.ts";
import { quantile, type Table, type TableContext, type Verdict } from "./table.ts";

const LINE = { loss: 0.1, rttMs: 50 };
const MOST_SEEDS_NAMED = 10;

/** Connections that open over a line that loses datagrams from the first one on. */
export function openingsTable(trials: number): Table {
  return {
    name: "openings",
    summary: "connections that open at 10 % loss",
    usesUsrsctp: false,
    run: (context) => printOpenings(trials, context),
  };
}

function printOpenings(trials: number, { seed, record, progress }: TableContext): Verdict[] {
  const result = runOpenings({ seed, trials, ...LINE }, (done) => progress(`opening ${done}/${trials}`));
  progress("");
  record(result);
  const { failed, setupMs } = result;
  const line = `${100 * LINE.loss} % loss, RTT ${LINE.rttMs} ms`;
  const opened = `${trials - failed.length} of ${trials} openings succeeded at ${line}`;
  const times = `set-up: median ${quantile(setupMs, 0.5).toFixed(0)} ms, p99 ${quantile(setupMs, 0.99).toFixed(0)} ms`;
  const named = failed.slice(0, MOST_SEEDS_NAMED).join(", ");
  const seeds = failed.length === 0 ? "" : `; seeds that failed: ${named}`;
  return [{ kept: failed.length === 0, text: `${opened}; ${times}${seeds}` }];
}
