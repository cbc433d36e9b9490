/** Another program that a test runs beside itself: its output line by line, and its end. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { EventLog, within } from "./wait.ts";

export interface ProgramOptions {
  cwd?: string;
  /** In addition to the environment of the tests. */
  env?: Record<string, string>;
}

export class Program {
  /** Lines of standard output and standard error. */
  readonly lines = new EventLog<string>();
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #ended: Promise<number | null>;

  constructor(command: string, args: readonly string[], { cwd, env }: ProgramOptions = {}) {
    this.#name = `${command} ${args[0] ?? ""}`;
    this.#child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr] as Readable[]) {
      createInterface({ input: stream }).on("line", (line) => this.lines.push(line));
    }
    this.#ended = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      // "close" comes when its output is read to the end, too.
      this.#child.on("close", (code) => resolve(code));
    });
    this.#ended.catch(() => {});
  }

  /** The first line, past or future, that `pattern` matches. */
  async line(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    const seen = this.lines.waitFor(timeoutMs, `${this.#name}: a line like ${pattern}`, (line) => pattern.test(line));
    const failed = this.#ended.then((code) => {
      throw new Error(
        `${this.#name} ended with ${code} before a line like ${pattern}:\n${this.lines.entries.join("\n")}`,
      );
    });
    failed.catch(() => {});
    // A line that came right before the end counts.
    return pattern.exec(await Promise.race([seen, failed])) as RegExpExecArray;
  }

  /** Its exit code, null where a signal ended it. */
  ended(timeoutMs = 30_000): Promise<number | null> {
    return within(timeoutMs, `${this.#name} ends`, this.#ended);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it for good; for `afterAll`. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGKILL");
    await this.#ended.catch(() => {});
  }
}
