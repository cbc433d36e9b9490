import { writeFile } from "node:fs/promises";
import { reportPage } from "./load/page.ts";
import { parseLoadOptions } from "./load/options.ts";
import { showProgress } from "./load/progress.ts";
import { LoadRun } from "./load/run.ts";
import { missedThresholds, summary } from "./load/summary.ts";

export { LOAD_USAGE } from "./load/options.ts";

/** What shells expect of a program that Ctrl-C ended. */
const EXIT_INTERRUPTED = 130;

/** Opens many connections, sends, measures, reports. Sets the exit code: 1 where a threshold was missed, 130 after Ctrl-C. */
export async function load(args: string[]): Promise<void> {
  const options = parseLoadOptions(args);
  const run = new LoadRun(options);
  let interrupted = false;
  const interrupt = () => {
    if (interrupted) process.exit(EXIT_INTERRUPTED); // Twice means at once.
    interrupted = true;
    run.interrupt();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  const endProgress = showProgress(run, process.stderr);
  try {
    const report = await run.run().finally(endProgress);
    console.log(summary(report));
    if (options.jsonFile !== undefined) await writeFile(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
    if (options.htmlFile !== undefined) await writeFile(options.htmlFile, reportPage(report));
    const missed = missedThresholds(report, options.thresholds);
    for (const sentence of missed) console.error(`missed: ${sentence}`);
    if (interrupted) process.exitCode = EXIT_INTERRUPTED;
    else if (missed.length > 0) process.exitCode = 1;
  } finally {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
}
