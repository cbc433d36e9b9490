/** A server's tick: in each turn of the event loop one message, or ten, to each of 20 peers. */
import { OURS, startServers } from "../load/servers.mjs";
import { Figure, printTable, ratioOf } from "../report.mjs";

const CLIENTS = 20;
const TOGETHER = [1, 10];

export async function run({ quick, results }) {
  const [server] = await startServers([OURS]);
  const clients = await server.connectMany(CLIENTS);
  for (const client of clients) client.send(new Uint8Array(1));
  const turns = quick ? 100 : 300;
  const costs = new Map(TOGETHER.map((messages) => [messages, []]));
  for (let round = 0; round < (quick ? 4 : 8); round++) {
    for (const messages of TOGETHER) {
      const { cpuUs, sent } = await server.call("burst", messages, turns);
      // The first round warms up.
      if (round > 0) costs.get(messages).push(cpuUs / sent);
    }
  }
  const [one, ten] = TOGETHER.map((messages) => new Figure(costs.get(messages)));
  const ratio = ratioOf(ten.values, one.values);
  results.add("turn", OURS, { oneUs: one, tenUs: ten, tenOverOne: ratio });
  printTable(
    `Messages of 100 B to ${CLIENTS} peers in one turn`,
    ["", "CPU µs/message", "over one"],
    [
      ["one to each", one, undefined],
      ["ten to each", ten, ratio],
    ],
  );
  await Promise.all(clients.map((client) => client.close()));
  await server.stop();
}
