/** The runtimes that the contract suite runs on, and how a program is started on each. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { findNode, ROOT } from "../support/commands.ts";
import { EventLog } from "../support/wait.ts";

export interface Runtime {
  readonly name: string;
  /** The command and what stands in front of the program's name. */
  command(): string[];
}

export const RUNTIMES: readonly Runtime[] = [
  { name: "Node.js 20", command: () => [findNode(20)] },
  { name: "Node.js 22", command: () => [installed(`node22-${PLATFORM}`, "bin/node")] },
  { name: "Node.js 24", command: () => [findNode(24)] },
  { name: "Node.js 26", command: () => [installed(`node26-${PLATFORM}`, "bin/node")] },
  { name: "Deno", command: () => [installed(`@deno/${PLATFORM}-glibc`, "deno"), "run", "-A", "--unstable-net"] },
  { name: "Bun", command: () => [installed(`@oven/bun-${PLATFORM.replace("arm64", "aarch64")}`, "bin/bun")] },
];

const FOLDER = join(ROOT, "test", "runtimes");
const PLATFORM = `${process.platform}-${process.arch}`;

/** A line that the program printed: an event of the server, or the client's report. */
export interface Line {
  readonly event?: string;
  readonly id?: string;
  readonly reason?: string;
  readonly [field: string]: unknown;
}

/** A program of this folder, running. */
export interface Program {
  readonly lines: EventLog<Line>;
  readonly errors: string[];
  readonly ended: Promise<number | null>;
  kill(signal: NodeJS.Signals): void;
}

/** @param prefix what stands in front of the command, such as `ip netns exec …` */
export function startProgram(
  runtime: Runtime,
  file: string,
  args: readonly string[],
  prefix: readonly string[] = [],
): Program {
  const [command, ...before] = [...prefix, ...runtime.command()];
  const child: ChildProcess = spawn(command, [...before, join(FOLDER, file), ...args], {
    cwd: FOLDER,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  const lines = new EventLog<Line>();
  const errors: string[] = [];
  createInterface({ input: child.stdout! }).on("line", (line) => lines.push(parse(line)));
  createInterface({ input: child.stderr! }).on("line", (line) => errors.push(line));
  return {
    lines,
    errors,
    ended: new Promise((resolve) => child.once("close", (code) => resolve(code))),
    kill: (signal) => child.kill(signal),
  };
}

function parse(line: string): Line {
  try {
    return JSON.parse(line);
  } catch {
    return { text: line };
  }
}

function installed(name: string, file: string): string {
  const path = join(FOLDER, "node_modules", name, file);
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    throw new Error(`${name} is missing: run "npm run peers"`);
  }
}
