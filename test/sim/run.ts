/** `npm run sim`: tables of what the product does in a simulated network, in virtual time, each with a verdict. */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { PROFILES } from "./browser-peer/profile.ts";
import { besideBulk } from "./tables/beside-bulk.ts";
import { fairness } from "./tables/fairness.ts";
import { lossTable } from "./tables/loss.ts";
import { openingsTable } from "./tables/openings.ts";
import { reliable } from "./tables/reliable.ts";
import type { Table, Verdict } from "./tables/table.ts";
import { transfer } from "./tables/transfer.ts";
import { MissingUsrsctp, usrsctpProgram } from "./usrsctp/build.ts";

const HELP_HEAD = `Usage: npm run sim -- [options]
  --table NAME      only this table; may be repeated (default: all)
  --seed TEXT       seed of every draw (default 1)
  --seeds N         runs of each row, with a seed each; medians and extremes are printed (default 5)
  --check           exit with 1 where a verdict is "missed"
  --json FILE       results also as JSON

Of the table "loss":
  --cells PATTERN   only the cells whose name matches, e.g. "bursty 5%" or "200 ms"
  --messages N      messages a cell, each way (default 20000)
  --bytes N         bytes a message (default 100)
  --rate N          messages a second, each way (default 60)
  --browser NAME    chromium or firefox (default: they take turns; above 5 % loss Firefox ends connections by itself)

Of the table "openings":
  --trials N        opening trials (default 1000)

Tables:
`;

interface Settings {
  seed: string;
  seeds: number;
  check: boolean;
  json: string | undefined;
  tables: readonly Table[];
}

function main(): void {
  const settings = readSettings();
  const { seed, seeds, tables } = settings;
  // Found missing now rather than after the tables that need less.
  if (tables.some(({ usesUsrsctp }) => usesUsrsctp)) usrsctpProgram();
  const started = process.hrtime.bigint();
  const results: { table: string; rows: unknown[]; verdicts: Verdict[] }[] = [];
  for (const table of tables) {
    const rows: unknown[] = [];
    const verdicts = table.run({ seed, seeds, print, progress, record: (row) => rows.push(row) });
    for (const { kept, text } of verdicts) print(`${kept ? "kept  " : "MISSED"}  ${text}`);
    print("");
    results.push({ table: table.name, rows, verdicts });
  }
  const verdicts = results.flatMap((result) => result.verdicts);
  const missed = verdicts.filter(({ kept }) => !kept).length;
  print(`seed ${seed}: ${verdicts.length - missed} of ${verdicts.length} verdicts kept, ${missed} missed`);
  process.stderr.write(`${Number((process.hrtime.bigint() - started) / 1_000_000n) / 1000} s\n`);
  if (settings.json !== undefined) writeFileSync(settings.json, JSON.stringify(results, undefined, 1));
  if (settings.check && missed > 0) process.exitCode = 1;
}

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      table: { type: "string", multiple: true, default: [] },
      seed: { type: "string", default: "1" },
      seeds: { type: "string", default: "5" },
      check: { type: "boolean", default: false },
      json: { type: "string" },
      cells: { type: "string", default: "" },
      messages: { type: "string", default: "20000" },
      bytes: { type: "string", default: "100" },
      rate: { type: "string", default: "60" },
      browser: { type: "string" },
      trials: { type: "string", default: "1000" },
      help: { type: "boolean", default: false },
    },
  });
  const all = [
    lossTable({
      pattern: new RegExp(values.cells),
      messages: integer("--messages", values.messages, 1),
      messageBytes: integer("--bytes", values.bytes, 4),
      rateHz: integer("--rate", values.rate, 1),
      browser: browserName(values.browser),
    }),
    openingsTable(integer("--trials", values.trials, 1)),
    besideBulk,
    transfer,
    reliable,
    fairness,
  ];
  if (values.help) {
    process.stdout.write(HELP_HEAD + all.map(({ name, summary }) => `  ${name.padEnd(17)} ${summary}\n`).join(""));
    process.exit(0);
  }
  const { seed, check, json } = values;
  return { seed, check, json, seeds: integer("--seeds", values.seeds, 1), tables: select(all, values.table) };
}

function select(all: readonly Table[], names: readonly string[]): readonly Table[] {
  for (const name of names) {
    if (!all.some((table) => table.name === name)) {
      throw new RangeError(`--table must be one of ${all.map((table) => table.name).join(", ")}, not ${name}`);
    }
  }
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}

function browserName(text: string | undefined): keyof typeof PROFILES | undefined {
  if (text === undefined || text === "chromium" || text === "firefox") return text;
  throw new RangeError(`--browser must be chromium or firefox, not ${text}`);
}

function integer(name: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new RangeError(`${name} must be an integer from ${least}, not ${text}`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text !== "" && !text.startsWith("opening")) process.stderr.write(`${text}\n`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof MissingUsrsctp)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
