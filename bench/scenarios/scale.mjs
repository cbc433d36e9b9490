/** 20, 200 and 2,000 connections with the same traffic in sum; memory of connections that do nothing. */
import { steady } from "../load/flows.mjs";
import { measure } from "../load/measure.mjs";
import { RtcClient } from "../load/rtc-client.mjs";
import { inTurns, OURS } from "../load/servers.mjs";
import { ServerProcess } from "../load/server-process.mjs";
import { Figure, printTable, ratioOf } from "../report.mjs";

const COUNTS = [20, 200, 2_000];
const PER_SECOND = 12_000;
/**
 * Long turns: 2,000 connections are out of the caches after another server's turn, and come back one by one. With turns of one second
 * that is a tenth of their CPU, which a server that has the machine to itself never pays.
 */
const TURN_MS = 3_000;
/** Turns for those between the fewest connections and the most: they are there for orientation. */
const MIDDLE_TURNS = 2;
/** Connections from which memory is counted: the first ones pay for code and pools. */
const MEMORY_FROM = 50;
const WARM_UP = 300;
const WARM_UP_AT_A_TIME = 8;
/**
 * The young generation has the size from the start that Node.js 20 lets it grow to. Otherwise V8 doubles it while connections are
 * opened, by 16 MB (Node.js 24: by 32 or 48 MB), which is what opening them takes: 8 (16, 24) KB for each of 2,000.
 */
const WEIGHED = ["--expose-gc", "--min-semi-space-size=16", "--max-semi-space-size=16"];

export async function run({ quick, results }) {
  const counts = quick ? COUNTS.slice(0, 2) : COUNTS;
  const most = Math.max(...counts);
  tabulateMemory(
    new Map([
      [OURS, await weigh("1.2", most)],
      [`${OURS}, DTLS 1.3`, await weigh("1.3", most)],
    ]),
    results,
  );
  const servers = [];
  const clients = new Map();
  for (const count of counts) {
    const server = await ServerProcess.start(OURS);
    server.name = String(count);
    servers.push(server);
    clients.set(server, await server.connectMany(count));
  }
  const once = (ms) => (server) =>
    measure(server, clients.get(server), () => steady(clients.get(server), { perSecond: PER_SECOND, ms }));
  await inTurns(servers, 1, once(quick ? 500 : 1_500));
  const isMiddle = ({ name }) => name !== String(counts[0]) && name !== String(most);
  const takesPart = (server, turn) => turn < MIDDLE_TURNS || !isMiddle(server);
  const runs = await inTurns(servers, quick ? 3 : 5, once(quick ? 500 : TURN_MS), takesPart);
  tabulate(runs, results);
  await closeAll([...clients.values()].flat());
  await Promise.all(servers.map((server) => server.stop()));
}

/** What each of `count` connections takes, the first 50 apart, KB: in the process, on JavaScript's heap, and outside of it. */
async function weigh(version, count) {
  const server = await ServerProcess.start(OURS, { execArgv: WEIGHED });
  RtcClient.dtlsVersions = [version];
  // Few at a time: what many had left behind would be there for those that are weighed.
  for (let i = 0; i < WARM_UP; i += WARM_UP_AT_A_TIME) await closeAll(await server.connectMany(WARM_UP_AT_A_TIME));
  const first = await server.connectMany(MEMORY_FROM);
  const before = await server.call("memory");
  const others = await server.connectMany(count - MEMORY_FROM);
  const after = await server.call("memory");
  RtcClient.dtlsVersions = ["1.2"];
  await closeAll([...first, ...others]);
  await server.stop();
  const each = (key) => (after[key] - before[key]) / others.length / 1024;
  return { rssKB: each("rss"), heapKB: each("heapUsed"), externalKB: each("external"), connections: others.length };
}

async function closeAll(clients) {
  await Promise.all(clients.map((client) => client.close()));
}

function tabulateMemory(weights, results) {
  const rows = [];
  for (const [name, weight] of weights) {
    results.add("memory", name, weight);
    rows.push([name, weight.rssKB, weight.heapKB, weight.externalKB]);
  }
  printTable(
    `Memory of an idle connection beyond the first ${MEMORY_FROM}, KB`,
    ["", "resident set", "JavaScript heap", "outside the heap"],
    rows,
  );
}

function tabulate(runs, results) {
  const [least] = runs.values();
  const fewest = least.map((run) => run.cpuUs);
  const rows = [];
  for (const [count, values] of runs) {
    const cpu = new Figure(values.map((run) => run.cpuUs));
    const over = ratioOf(cpu.values, fewest);
    const lost = new Figure(values.map((run) => 1 - run.echoes / run.sent));
    results.add("scale", count, { cpuUs: cpu, overFewest: over, lost });
    rows.push([count, cpu, over, `${(lost.median * 100).toFixed(2)} %`]);
  }
  printTable(
    `${PER_SECOND.toLocaleString("en-US")} echoes of 100 B a second in sum, checks of all connections included`,
    ["connections", "CPU µs/echo", `over ${rows[0][0]}`, "lost"],
    rows,
  );
}
