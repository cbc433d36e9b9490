/** The ways to receive: a callback, the iterator, `recv`; echoes in a closed loop, and at a game's pace. */
import { closedLoop, steady } from "../load/flows.mjs";
import { measure } from "../load/measure.mjs";
import { inTurns, OURS } from "../load/servers.mjs";
import { ServerProcess } from "../load/server-process.mjs";
import { Figure, printTable, ratioOf } from "../report.mjs";

const WAYS = ["onMessage", "iterator", "recv"];
const CLIENTS = 20;

export async function run({ quick, results }) {
  const servers = [];
  const clients = new Map();
  for (const way of WAYS) {
    const server = await ServerProcess.start(OURS, { env: { RECEIVE: way } });
    server.name = way;
    servers.push(server);
    clients.set(server, await server.connectMany(CLIENTS));
  }
  const closed = (ms) => (server) => {
    const [client] = clients.get(server);
    return measure(server, [client], () => closedLoop(client, { bytes: 100, ms }));
  };
  const paced = (ms) => (server) => measure(server, clients.get(server), () => steady(clients.get(server), { ms }));
  const rounds = quick ? 3 : 5;
  await inTurns(servers, 1, closed(quick ? 300 : 800));
  const loops = await inTurns(servers, rounds, closed(quick ? 300 : 600));
  await inTurns(servers, 1, paced(quick ? 300 : 800));
  const paces = await inTurns(servers, rounds, paced(quick ? 400 : 800));
  const [callback] = WAYS;
  const rows = [];
  for (const way of WAYS) {
    const closedUs = new Figure(loops.get(way).map((run) => run.cpuUs));
    const pacedUs = new Figure(paces.get(way).map((run) => run.cpuUs));
    const overCallback = way === callback ? undefined : ratioOf(closedUs.values, cpuOf(loops.get(callback)));
    const pacedOverCallback = way === callback ? undefined : ratioOf(pacedUs.values, cpuOf(paces.get(callback)));
    results.add("receive", way, { closedUs, overCallback, pacedUs, pacedOverCallback });
    rows.push([way, closedUs, overCallback, pacedUs, pacedOverCallback]);
  }
  printTable(
    `Ways to receive: CPU µs for each echo of 100 B; 64 on their way over one connection, and ${CLIENTS} clients × 60 Hz`,
    ["", "closed loop", `over ${callback}`, "60 Hz", `over ${callback}`],
    rows,
  );
  await Promise.all([...clients.values()].flat().map((client) => client.close()));
  await Promise.all(servers.map((server) => server.stop()));
}

function cpuOf(runs) {
  return runs.map((run) => run.cpuUs);
}
