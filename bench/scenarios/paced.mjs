/** A game's traffic: 50 clients, 60 messages of 100 B a second each, and the round trip of one such client alone. */
import { roundTrips, steady } from "../load/flows.mjs";
import { measure } from "../load/measure.mjs";
import { BARE, inTurns, OURS, peersRestAfter, startServers } from "../load/servers.mjs";
import { Figure, printTable, ratioOf } from "../report.mjs";

const CLIENTS = 50;

export async function run({ quick, peers, results }) {
  const servers = await startServers([BARE, OURS, ...peers]);
  const clients = new Map();
  for (const server of servers) clients.set(server, await server.connectMany(CLIENTS));
  const paced = (ms) => (server) => measure(server, clients.get(server), () => steady(clients.get(server), { ms }));
  await inTurns(servers, 1, paced(1_000));
  const runs = await inTurns(servers, quick ? 3 : 7, paced(quick ? 700 : 1_500), peersRestAfter(2));
  const alone = (server) => roundTrips(clients.get(server)[0], { ms: quick ? 700 : 1_200 });
  const trips = await inTurns(servers, quick ? 2 : 5, alone, peersRestAfter(1));
  tabulate(runs, trips, results);
  await Promise.all([...clients.values()].flat().map((client) => client.close()));
  await Promise.all(servers.map((server) => server.stop()));
}

function tabulate(runs, trips, results) {
  const bareCpu = runs.get(BARE).map((run) => run.cpuUs);
  const bareTrips = trips.get(BARE).map(middle);
  const rows = [];
  for (const [name, values] of runs) {
    const cpu = new Figure(values.map((run) => run.cpuUs));
    const overBare = name === BARE ? undefined : ratioOf(cpu.values, bareCpu);
    const datagrams = new Figure(values.map((run) => run.datagrams));
    const lost = new Figure(values.map((run) => 1 - run.echoes / run.sent));
    const p50 = new Figure(trips.get(name).map(middle));
    const p50OverBare = name === BARE ? undefined : ratioOf(p50.values, bareTrips);
    results.add("paced", name, { cpuUs: cpu, overBare, datagrams, lost, p50Us: p50, p50OverBare });
    rows.push([name, cpu, overBare, datagrams.median, `${(lost.median * 100).toFixed(2)} %`, p50, p50OverBare]);
  }
  printTable(
    `${CLIENTS} clients × 60 messages of 100 B a second; round trip of one client alone`,
    ["server", "CPU µs/echo", "over bare", "datagrams/echo", "lost", "p50 µs", "over bare"],
    rows,
  );
}

/** The median of sorted round trips, in µs. */
function middle(sorted) {
  return sorted[sorted.length >> 1] * 1000;
}
