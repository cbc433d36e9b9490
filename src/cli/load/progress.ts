import type { LoadRun } from "./run.ts";
import { count } from "./summary.ts";

const BAR_WIDTH = 24;
const TERMINAL_MS = 200;
const LINES_MS = 5_000;

/** Where progress goes: standard error, or what stands for it in a test. */
export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

/** Shows how far a run is: a bar that moves on a terminal, a line each 5 s elsewhere. Returns how to end it. */
export function showProgress(run: LoadRun, output: ProgressOutput): () => void {
  if (output.isTTY === true) {
    const timer = setInterval(() => output.write(`\r\x1b[K${bar(run)}${describe(run)}`), TERMINAL_MS);
    return () => {
      clearInterval(timer);
      output.write("\r\x1b[K");
    };
  }
  const timer = setInterval(() => output.write(`${describe(run)}\n`), LINES_MS);
  return () => clearInterval(timer);
}

function describe(run: LoadRun): string {
  const { clients, durationMs } = run.options;
  const { sent, received, errorCount } = run.measurements;
  const failed = errorCount > 0 ? `, ${count(errorCount)} errors` : "";
  if (run.phase === "opening") return `opening clients: ${run.openCount} of ${clients}${failed}`;
  const seconds = `${(run.elapsedMs / 1_000).toFixed(0)} of ${(durationMs / 1_000).toFixed(0)} s`;
  return `${seconds}: ${run.openCount} clients, ${count(sent)} sent, ${count(received)} back${failed}`;
}

function bar(run: LoadRun): string {
  const share = run.phase === "opening" ? run.openCount / run.options.clients : run.elapsedMs / run.options.durationMs;
  const full = Math.round(BAR_WIDTH * Math.min(1, share));
  return `[${"#".repeat(full)}${"-".repeat(BAR_WIDTH - full)}] `;
}
