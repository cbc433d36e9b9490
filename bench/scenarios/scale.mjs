/** 20, 200 and 2,000 connections with the same traffic in sum; memory of connections that do nothing. */
import { steady } from "../load/flows.mjs";
import { measure } from "../load/measure.mjs";
import { inTurns, OURS } from "../load/servers.mjs";
import { ServerProcess } from "../load/server-process.mjs";
import { Figure, printTable, ratioOf } from "../report.mjs";

const COUNTS = [20, 200, 2_000];
const PER_SECOND = 12_000;
/** Connections from which memory is counted: the first ones pay for code and pools. */
const MEMORY_FROM = 50;
const WARM_UP = 300;

export async function run({ quick, results }) {
  const counts = quick ? [20, 200] : COUNTS;
  const servers = [];
  const clients = new Map();
  for (const count of counts) {
    const server = await ServerProcess.start(OURS, { execArgv: ["--expose-gc"] });
    server.name = String(count);
    servers.push(server);
    if (count === Math.max(...counts)) clients.set(server, await connectWeighing(server, count, results));
    else clients.set(server, await server.connectMany(count));
  }
  const once = (ms) => (server) =>
    measure(server, clients.get(server), () => steady(clients.get(server), { perSecond: PER_SECOND, ms }));
  await inTurns(servers, 1, once(quick ? 500 : 1_500));
  const runs = await inTurns(servers, quick ? 3 : 7, once(quick ? 500 : 1_000));
  tabulate(runs, results);
  await Promise.all([...clients.values()].flat().map((client) => client.close()));
  await Promise.all(servers.map((server) => server.stop()));
}

/** Opens `count` connections, and weighs the server before and after those beyond the first 50. */
async function connectWeighing(server, count, results) {
  // Before the first weighing the young generation must have grown to its size, or it would be counted as connections.
  const passing = await server.connectMany(WARM_UP);
  await Promise.all(passing.map((client) => client.close()));
  const first = await server.connectMany(MEMORY_FROM);
  const before = await server.call("memory");
  const others = await server.connectMany(count - MEMORY_FROM);
  const after = await server.call("memory");
  const perConnection = (key) => (after[key] - before[key]) / others.length / 1024;
  const rss = perConnection("rss");
  const heap = perConnection("heapUsed");
  const external = perConnection("external");
  results.add("memory", OURS, { rssKB: rss, heapKB: heap, externalKB: external, connections: others.length });
  printTable(
    `Memory of an idle connection, over ${others.length} of them beyond the first ${MEMORY_FROM}`,
    ["", "KB"],
    [
      ["resident set", rss],
      ["JavaScript heap", heap],
      ["outside the heap", external],
    ],
  );
  return [...first, ...others];
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
