/** An open loop: 20,000 messages a second over one connection, whatever comes back. */
import { steady } from "../load/flows.mjs";
import { measure } from "../load/measure.mjs";
import { BARE, inTurns, OURS, peersRestAfter, startServers } from "../load/servers.mjs";
import { Figure, printTable, ratioOf } from "../report.mjs";

const PER_SECOND = 20_000;

export async function run({ quick, peers, results }) {
  const servers = await startServers([BARE, OURS, ...peers]);
  const clients = new Map();
  for (const server of servers) clients.set(server, [await server.connect()]);
  const once = (ms) => (server) =>
    measure(server, clients.get(server), () => steady(clients.get(server), { perSecond: PER_SECOND, ms }));
  await inTurns(servers, 1, once(quick ? 300 : 700));
  const runs = await inTurns(servers, quick ? 2 : 5, once(quick ? 500 : 1_000), peersRestAfter(2));
  const bare = runs.get(BARE);
  const rows = [];
  for (const [name, values] of runs) {
    const lost = new Figure(values.map((run) => 1 - run.echoes / run.sent));
    const beyondBare = new Figure(values.map((run, i) => bare[i].echoes / bare[i].sent - run.echoes / run.sent));
    const cpu = new Figure(values.map((run) => run.cpuUs));
    const overBare = ratioOf(
      cpu.values,
      bare.map((run) => run.cpuUs),
    );
    results.add("overload", name, { lost, beyondBare, cpuUs: cpu, overBare });
    rows.push([name, `${(lost.median * 100).toFixed(2)} %`, cpu, name === BARE ? undefined : overBare]);
  }
  printTable(
    `Open loop of ${PER_SECOND.toLocaleString("en-US")} messages of 100 B a second over one connection`,
    ["server", "lost", "CPU µs/echo", "over bare"],
    rows,
  );
  await Promise.all([...clients.values()].flat().map((client) => client.close()));
  await Promise.all(servers.map((server) => server.stop()));
}
