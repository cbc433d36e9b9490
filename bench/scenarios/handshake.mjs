/** Connections opened, eight at a time: signalling by a call, checks, DTLS, SCTP, channel. */
import { inTurns, OURS, startServers } from "../load/servers.mjs";
import { Figure, printTable } from "../report.mjs";

const AT_A_TIME = 8;

export async function run({ quick, peers, results }) {
  const names = [OURS, ...peers.filter((name) => name !== "ws")];
  const servers = await startServers(names);
  const opened = [];
  const once = (count) => async (server) => {
    const startedAt = performance.now();
    const cpuBefore = await server.cpuUs();
    const clients = await server.connectMany(count, AT_A_TIME);
    const cpuMs = ((await server.cpuUs()) - cpuBefore) / count / 1000;
    const perSecond = count / ((performance.now() - startedAt) / 1000);
    opened.push(...clients);
    return { cpuMs, perSecond };
  };
  const countOf = ({ name }) => (name === OURS ? (quick ? 60 : 150) : 24);
  await inTurns(servers, 1, (server) => once(countOf(server))(server));
  const runs = await inTurns(
    servers,
    quick ? 2 : 5,
    (server) => once(countOf(server))(server),
    ({ name }, round) => name === OURS || round < 1,
  );
  const rows = [];
  for (const [name, values] of runs) {
    const cpuMs = new Figure(values.map((run) => run.cpuMs));
    const perSecond = new Figure(values.map((run) => run.perSecond));
    results.add("handshake", name, { cpuMs, perSecond });
    rows.push([name, cpuMs, perSecond]);
  }
  printTable(`Connections opened, ${AT_A_TIME} at a time`, ["server", "CPU ms each", "per second"], rows);
  await Promise.all(opened.map((client) => client.close()));
  await Promise.all(servers.map((server) => server.stop()));
}
