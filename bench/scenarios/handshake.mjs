/** Connections opened, eight at a time: signalling by a call, checks, DTLS, SCTP, channel; ours with both versions of DTLS. */
import { RtcClient } from "../load/rtc-client.mjs";
import { inTurns, OURS, startServers } from "../load/servers.mjs";
import { Figure, printTable } from "../report.mjs";

const AT_A_TIME = 8;
const OURS_13 = `${OURS}, DTLS 1.3 with ML-KEM`;

export async function run({ quick, peers, results }) {
  const names = [OURS, ...peers.filter((name) => name !== "ws")];
  const servers = await startServers(names);
  const opened = [];
  const turns = servers.flatMap((server) =>
    server.name === OURS
      ? [
          { name: OURS, server, versions: ["1.2"] },
          { name: OURS_13, server, versions: ["1.3"] },
        ]
      : [{ name: server.name, server, versions: ["1.2"] }],
  );
  const isOurs = ({ name }) => name === OURS || name === OURS_13;
  const once = async (turn) => {
    const { server, versions } = turn;
    const count = isOurs(turn) ? (quick ? 60 : 150) : 24;
    RtcClient.dtlsVersions = versions;
    const startedAt = performance.now();
    const cpuBefore = await server.cpuUs();
    const clients = await server.connectMany(count, AT_A_TIME);
    const cpuMs = ((await server.cpuUs()) - cpuBefore) / count / 1000;
    const perSecond = count / ((performance.now() - startedAt) / 1000);
    opened.push(...clients);
    RtcClient.dtlsVersions = ["1.2"];
    return { cpuMs, perSecond };
  };
  await inTurns(turns, 1, once);
  const runs = await inTurns(turns, quick ? 2 : 5, once, (turn, round) => isOurs(turn) || round < 1);
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
