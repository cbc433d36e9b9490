/** One and two worker threads, eight connections, 32 messages on their way over each. */
import { availableParallelism } from "node:os";
import { closedLoop } from "../load/flows.mjs";
import { measure } from "../load/measure.mjs";
import { inTurns } from "../load/servers.mjs";
import { ServerProcess } from "../load/server-process.mjs";
import { Figure, printTable } from "../report.mjs";

const COUNTS = [1, 2];
const CLIENTS = 8;
const OUTSTANDING = 32;

export async function run({ quick, results }) {
  const servers = [];
  const clients = new Map();
  for (const count of COUNTS) {
    const server = await ServerProcess.start("workers", { env: { WORKERS: String(count) } });
    server.name = String(count);
    servers.push(server);
    clients.set(server, await server.connectMany(CLIENTS));
  }
  const all = (server, ms) => async () => {
    const loops = clients.get(server).map((client) => closedLoop(client, { bytes: 100, outstanding: OUTSTANDING, ms }));
    return { echoes: (await Promise.all(loops)).reduce((sum, { echoes }) => sum + echoes, 0) };
  };
  const once = (ms) => (server) => measure(server, clients.get(server), all(server, ms));
  await inTurns(servers, 1, once(quick ? 300 : 800));
  const runs = await inTurns(servers, quick ? 2 : 5, once(quick ? 400 : 800));
  const rows = [];
  for (const [count, values] of runs) {
    const cpuUs = new Figure(values.map((run) => run.cpuUs));
    const perSecond = new Figure(values.map((run) => run.echoes / run.seconds));
    const busy = new Figure(values.map((run) => run.serverBusy));
    results.add("workers", count, { cpuUs, perSecond, busy });
    rows.push([count, cpuUs, perSecond, busy]);
  }
  printTable(
    `Worker threads: ${CLIENTS} connections, ${OUTSTANDING} messages of 100 B on their way over each`,
    ["workers", "CPU µs/echo", "echoes/s", "cores busy"],
    rows,
    `The clients take their share of the ${availableParallelism()} cores.`,
  );
  await Promise.all([...clients.values()].flat().map((client) => client.close()));
  await Promise.all(servers.map((server) => server.stop()));
}
