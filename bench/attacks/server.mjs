/**
 * The server that is attacked, in a process of its own: it echoes, over the public interface, unguarded as the README's programs are.
 * Messages from the parent are calls, `{ id, method }`; the answer is `{ id, result }`.
 *
 *   node --expose-gc server.mjs '{"mode":"echo"}'     also "create-channel", "iterate"
 */
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Server } from "../../build/index.js";
import { nodeListener } from "../../build/node-http.js";

/** What the application of "iterate" does with each message, ms. */
const WORK_MS = 1;

const { mode } = JSON.parse(process.argv[2]);
const echo = ({ connection, channel, data }) => connection.trySend(data, { channel });
const server = await Server.listen({
  port: 0,
  publicAddresses: ["127.0.0.1"],
  ...(mode !== "iterate" && { onMessage: echo }),
});
if (mode === "create-channel") server.on("open", (connection) => connection.createChannel("state"));
const http = createServer(nodeListener((request) => server.sessionEndpoint.handleRequest(request)));
await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));

const methods = {
  addresses: () => ({ url: `http://127.0.0.1:${http.address().port}/`, udpPort: server.localAddress.port }),
  stats: () => server.stats(),
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuMs: (user + system) / 1000, ...memory() };
  },
  collect() {
    for (let round = 0; round < 3; round++) globalThis.gc();
    return memory();
  },
};
process.on("message", ({ id, method }) => process.send({ id, result: methods[method]() }));
process.on("disconnect", () => process.exit(0));
process.send({ id: 0 });

if (mode === "iterate") {
  for await (const { connection, data } of server) {
    connection.trySend(data);
    await sleep(WORK_MS);
  }
}

function memory() {
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, used: heapUsed + external };
}
