/**
 * npm run attacks: what attacks cost the attacker, and what they do to an honest client beside them. Server, attacker and honest client
 * are processes of their own; the attacker has an address of its own (127.0.0.9) and 2 Mbit/s.
 *
 *   --runs 5            of each attack; verdicts are about their median
 *   --seconds 4         of each attack; the honest client alone is measured for half as long before it
 *   --wait 60           seconds after the last attack of a group, before memory is weighed again
 *   --only TEXT         attacks whose name has it
 *   --bytes 250000      of the attacker, a second
 *   --json FILE
 *
 * Verdicts: the honest client's p99 is at most three times as much as without the attack, or 5 ms more; everything it sent came back
 * but 1 %; a new client opens; and the server has no more than 10 MB more in use than before, a while after. Exit code 1 where one is
 * missed. A run in which the attacker or the client had more than 80 % of a core measures them and not the server, and is left out.
 */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { readArguments } from "../../scripts/arguments.mjs";
import { printTable } from "../report.mjs";
import { Bench } from "./bench.mjs";
import { ATTACKS, GROUPS } from "./kinds/index.mjs";

const IDLE_FACTOR = 3;
const IDLE_PLUS_MS = 5;
const MAX_LOST = 0.01;
const MAX_BUSY = 0.8;
const MAX_MEMORY_BYTES = 10_000_000;
/** Where it is there. */
const COSTS = fileURLToPath(new URL("cost.mjs", import.meta.url));

const options = readOptions();
process.exit(await main());

function readOptions() {
  const text = (value) => ({ type: "string", default: String(value) });
  const values = readArguments(import.meta.url, {
    ...{ runs: text(5), seconds: text(4), wait: text(60), only: text(""), bytes: text(250_000) },
    json: { type: "string" },
  });
  const { runs, seconds, wait, bytes } = values;
  return {
    ...values,
    runs: Number(runs),
    ms: 1000 * Number(seconds),
    waitMs: 1000 * Number(wait),
    bytes: Number(bytes),
  };
}

async function main() {
  const chosen = ATTACKS.filter(({ name }) => name.includes(options.only));
  if (chosen.length === 0) {
    console.error(`--only must be part of one of ${ATTACKS.map(({ name }) => name).join(", ")}.`);
    return 1;
  }
  const groups = Object.entries(GROUPS).filter(([name]) => chosen.some(({ group }) => group === name));
  const perRun = 1.5 * options.ms + 4_000;
  const minutes = (chosen.length * options.runs * perRun + groups.length * (options.waitMs + 3_000)) / 60_000;
  console.log(`${chosen.length} attacks, ${options.runs} runs each: about ${minutes.toFixed(0)} minutes`);
  const results = [];
  for (const [name, group] of groups) {
    results.push(
      await runGroup(
        group,
        chosen.filter((attack) => attack.group === name),
      ),
    );
  }
  const missed = results.flatMap(({ verdicts }) => verdicts).filter(({ kept }) => kept === false);
  // What a datagram of each kind costs in memory, without sockets; where everything is asked for.
  if (
    options.only === "" &&
    existsSync(COSTS) &&
    spawnSync(process.execPath, [COSTS], { stdio: "inherit" }).status !== 0
  ) {
    missed.push({ name: "costs in memory" });
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, undefined, 1)}\n`);
  console.log(
    missed.length === 0 ? "\nAll verdicts are kept." : `\nMissed: ${missed.map(({ name }) => name).join(", ")}`,
  );
  return missed.length === 0 ? 0 : 1;
}

/** Attacks on one server, one after the other, and what it holds a while after the last one. */
async function runGroup({ mode, title }, attacks) {
  const bench = await Bench.start(mode, options);
  const before = await bench.weigh();
  const rows = [];
  for (const attack of attacks) {
    const runs = [];
    for (let i = 0; i < options.runs && bench.isAlive; i++) {
      runs.push(await bench.run(attack));
      process.stderr.write(".");
    }
    process.stderr.write(` ${attack.name}\n`);
    rows.push({ attack, ...summary(runs) });
    if (!bench.isAlive) await bench.restart();
  }
  if (bench.hasRestarted) console.log(`${title}: the server ended; memory is weighed from its last start on`);
  await sleep(options.waitMs);
  const after = await bench.weigh();
  await bench.stop();
  const grown = after.used - (bench.startWeight ?? before).used;
  printGroup(title, rows, { before, after, grown });
  const memory = { name: `memory after: ${title}`, kept: grown <= MAX_MEMORY_BYTES };
  return { title, rows, memory: { before, after, grown }, verdicts: [...rows.map(verdictOf), memory] };
}

function summary(runs) {
  const ended = runs.find((run) => run.ended !== undefined)?.ended;
  const done = runs.filter((run) => run.attack !== undefined);
  const busy = done.filter(({ attack, attacked }) => Math.max(attack.cpu, attacked.cpu) > MAX_BUSY);
  const measured = done.filter((run) => !busy.includes(run));
  const of = (pick) => median(measured.map(pick));
  return {
    runs,
    ended,
    failure:
      runs.find((run) => run.failure !== undefined)?.failure ?? done.find((run) => run.attack.failure)?.attack.failure,
    measured: measured.length,
    attackerCpu: median(done.map(({ attack }) => attack.cpu)),
    attackerBytes: median(done.map(({ attack }) => attack.bytesPerSecond)),
    sendsPerSecond: median(done.map(({ attack }) => (1000 * attack.sends) / options.ms)),
    serverCpu: of(({ serverCpu }) => serverCpu),
    idleP50: of(({ idle }) => idle.p50),
    idleP99: of(({ idle }) => idle.p99),
    p50: of(({ attacked }) => attacked.p50 ?? Number.POSITIVE_INFINITY),
    p99: of(({ attacked }) => attacked.p99 ?? Number.POSITIVE_INFINITY),
    lost: of(({ attacked }) => 1 - attacked.returned / attacked.sent),
    openMs: of(({ openMs }) => openMs ?? Number.POSITIVE_INFINITY),
    memory: [of((run) => run.memoryBefore), of((run) => run.peak), of((run) => run.memoryAfter)],
  };
}

/** `kept` is undefined where nothing was measured. */
function verdictOf({ attack, ended, measured, idleP99, p99, lost, openMs }) {
  const { name } = attack;
  if (ended !== undefined) return { name, kept: false, why: "the server ended" };
  if (measured === 0) return { name, kept: undefined, why: "not measured" };
  const limit = Math.max(IDLE_FACTOR * idleP99, idleP99 + IDLE_PLUS_MS);
  if (!(p99 <= limit)) return { name, kept: false, why: `p99 over ${limit.toFixed(1)} ms` };
  if (!(lost <= MAX_LOST)) return { name, kept: false, why: `${(100 * lost).toFixed(1)} % lost` };
  if (!Number.isFinite(openMs)) return { name, kept: false, why: "a new client cannot open" };
  return { name, kept: true, why: "" };
}

function printGroup(title, rows, { before, after, grown }) {
  const columns = [
    "",
    "KB/s",
    "sends/s",
    "its CPU",
    "server's",
    "p50 idle",
    "p99 idle",
    "p50",
    "p99",
    "opens",
    "MB before",
    "peak",
    "after",
  ];
  const ms = (value) => (Number.isFinite(value) ? value.toFixed(1) : "–");
  const percent = (value) => (Number.isFinite(value) ? `${(100 * value).toFixed(0)} %` : "–");
  const mb = (value) => (Number.isFinite(value) ? (value / 1e6).toFixed(1) : "–");
  const cells = rows.map((row) => {
    const { kept, why } = verdictOf(row);
    return [
      row.attack.name,
      (row.attackerBytes / 1000).toFixed(0),
      row.sendsPerSecond.toFixed(0),
      ...[percent(row.attackerCpu), percent(row.serverCpu)],
      ...[row.idleP50, row.idleP99, row.p50, row.p99, row.openMs].map(ms),
      ...row.memory.map(mb),
      `${kept === undefined ? "?" : kept ? "✓" : "✗"} ${why}`.trim(),
    ];
  });
  const weights = `${mb(before.used)} MB before, ${mb(after.used)} MB ${options.waitMs / 1000} s after`;
  const memory = `In use after collection: ${weights}: ${grown <= MAX_MEMORY_BYTES ? "✓" : "✗"}`;
  printTable(`By ${title} (medians of ${options.runs}; ms)`, [...columns, ""], cells, `\n${memory}`);
  for (const { attack, ended, failure } of rows) {
    const note = ended ?? failure?.split("\n")[0];
    if (note !== undefined) console.log(`${attack.name}: ${note}`);
  }
}

function median(values) {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  return sorted.length === 0 ? Number.NaN : sorted[sorted.length >> 1];
}
