import { open, unlink, writeFile } from "node:fs/promises";
import { reportPage } from "./load/page.ts";
import { parseLoadOptions } from "./load/options.ts";
import { showProgress } from "./load/progress.ts";
import { LoadRun } from "./load/run.ts";
import { missedThresholds, summary } from "./load/summary.ts";
import { UsageError } from "./usage.ts";

export { LOAD_USAGE } from "./load/options.ts";

/** What shells expect of a program that Ctrl-C ended. */
const EXIT_INTERRUPTED = 130;

/** Opens many connections, sends, measures, reports. Sets the exit code: 1 where a threshold was missed, 130 after Ctrl-C. */
export async function load(args: string[]): Promise<void> {
  const options = parseLoadOptions(args);
  // Better to know it now than after a run of minutes.
  if (options.jsonFile !== undefined) await checkWritable("--json", options.jsonFile);
  if (options.htmlFile !== undefined) await checkWritable("--html", options.htmlFile);
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

/** Leaves all as it was. @throws UsageError that says why the file cannot be written */
async function checkWritable(flag: string, file: string): Promise<void> {
  try {
    const isNew = await make(file);
    if (isNew) await unlink(file);
    else await (await open(file, "a")).close();
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      ENOENT: "there is no such folder",
      ENOTDIR: "there is no such folder",
      EISDIR: "it is a folder",
      EACCES: "it takes more rights to write it",
      EROFS: "it is on a file system that is read-only",
    };
    throw new UsageError(`${flag} ${file} cannot be written: ${reasons[code] ?? message}`);
  }
}

/** An empty file; false where there is something already. */
async function make(file: string): Promise<boolean> {
  try {
    await (await open(file, "wx")).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
