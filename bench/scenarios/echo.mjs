/** Closed loop: 64 messages on their way over one connection, each echo followed by the next message. */
import { closedLoop } from "../load/flows.mjs";
import { measure } from "../load/measure.mjs";
import { BARE, inTurns, OURS, peersRestAfter, startServers } from "../load/servers.mjs";
import { Figure, printTable, ratioOf } from "../report.mjs";

const OUTSTANDING = 64;
const SIZES = [100, 1000];

export async function run({ quick, peers, results }) {
  const servers = await startServers([BARE, OURS, ...peers]);
  const clients = new Map();
  for (const server of servers) clients.set(server, await server.connect());
  for (const bytes of SIZES) {
    const once = (ms) => (server) => {
      const client = clients.get(server);
      return measure(server, [client], () => closedLoop(client, { bytes, outstanding: OUTSTANDING, ms }));
    };
    await inTurns(servers, 1, once(quick ? 400 : 1_000));
    tabulate(bytes, await inTurns(servers, quick ? 3 : 7, once(quick ? 400 : 700), peersRestAfter(3)), results);
  }
  await Promise.all([...clients.values()].map((client) => client.close()));
  await Promise.all(servers.map((server) => server.stop()));
}

function tabulate(bytes, runs, results) {
  const bare = runs.get(BARE).map((run) => run.cpuUs);
  const rows = [];
  for (const [name, values] of runs) {
    const of = (quantity) => new Figure(values.map(quantity));
    const cpu = of((run) => run.cpuUs);
    const ratio = name === BARE ? undefined : ratioOf(cpu.values, bare);
    const rate = of((run) => run.echoes / run.seconds);
    const datagrams = of((run) => run.datagrams);
    results.add(`echo ${bytes} B`, name, { cpuUs: cpu, overBare: ratio, perSecond: rate, datagrams });
    const busy = [of((run) => run.serverBusy), of((run) => run.generatorBusy)].map(percent).join(" / ");
    rows.push([name, cpu, ratio, Math.round(rate.median), datagrams.median, busy]);
  }
  printTable(
    `Echo of ${bytes} B messages over one connection, ${OUTSTANDING} on their way`,
    ["server", "CPU µs/echo", "over bare", "echoes/s", "datagrams/echo", "busy server / generator"],
    rows,
  );
}

function percent({ median }) {
  return `${Math.round(median * 100)} %`;
}
