/** Closed loop: 64 messages on their way over one connection, each echo followed by the next message. */
import { closedLoop } from "../load/flows.mjs";
import { measure } from "../load/measure.mjs";
import { inTurns, startServers } from "../load/servers.mjs";
import { Figure, printTable, ratioOf } from "../report.mjs";

const OUTSTANDING = 64;

export const title = "echo";

export async function run({ quick, results }) {
  const servers = await startServers(quick ? [] : undefined);
  const clients = new Map();
  for (const server of servers) clients.set(server, await server.connect());
  for (const bytes of [100, 1000]) {
    const once = (ms) => (server) => {
      const client = clients.get(server);
      return measure(server, [client], () => closedLoop(client, { bytes, outstanding: OUTSTANDING, ms }));
    };
    await inTurns(servers, 1, once(quick ? 300 : 700));
    const runs = await inTurns(servers, quick ? 3 : 5, once(quick ? 500 : 800), (server) => server.isPeer && 2);
    tabulate(bytes, runs, results);
  }
  await Promise.all([...clients.values()].map((client) => client.close()));
  await Promise.all(servers.map((server) => server.stop()));
}

function tabulate(bytes, runs, results) {
  const bare = runs.get("bare").map((run) => run.cpuUs);
  const rows = [...runs].map(([name, values]) => {
    const cpu = new Figure(values.map((run) => run.cpuUs));
    const ratio =
      name === "bare"
        ? undefined
        : ratioOf(
            values.map((run) => run.cpuUs),
            bare,
          );
    const rate = new Figure(values.map((run) => run.echoes / run.seconds));
    const datagrams = new Figure(values.map((run) => run.datagrams));
    results.add(`echo ${bytes} B`, name, { "cpu µs": cpu, "over bare": ratio, "echoes/s": rate, datagrams });
    const busy = `${percent(values, "serverBusy")} / ${percent(values, "generatorBusy")}`;
    return [name, cpu, ratio, rate.median, datagrams.median, busy];
  });
  printTable(
    `Echo of ${bytes} B messages, one connection, ${OUTSTANDING} on their way`,
    ["server", "CPU µs/echo", "over bare", "echoes/s", "datagrams/echo", "busy server / generator"],
    rows,
  );
}

function percent(values, key) {
  return `${Math.round(new Figure(values.map((run) => run[key])).median * 100)} %`;
}
