/** The soak's server: an echo server that can be weighed, its key slots included. Calls as in `bench/attacks/server.mjs`. */
import { createServer } from "node:http";
import { Server } from "../../build/index.js";
import { nodeListener } from "../../build/node-http.js";
import { Datapath } from "../../build/wasm/datapath.js";

let datapath;
const { acquireKey } = Datapath.prototype;
Datapath.prototype.acquireKey = function (...args) {
  datapath = this;
  return acquireKey.apply(this, args);
};

const server = await Server.listen({
  port: 0,
  publicAddresses: ["127.0.0.1"],
  onMessage: ({ connection, channel, data }) => connection.trySend(data, { channel }),
  // All clients come from one address.
  limits: { maxConnectionsPerAddress: 8_192, maxHandshakesPerAddress: 1_024, maxHandshakesPerSecondPerAddress: 500 },
});
const http = createServer(nodeListener((request) => server.sessionEndpoint.handleRequest(request)));
await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));

const methods = {
  addresses: () => ({ url: `http://127.0.0.1:${http.address().port}/`, udpPort: server.localAddress.port }),
  weigh(afterCollection) {
    if (afterCollection) for (let round = 0; round < 3; round++) globalThis.gc();
    const { rss, heapUsed, external } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const { connections, handshakes, pendingSessions, drops, closed } = server.stats();
    const tables = { connections, handshakes, pendingSessions, drops, closed };
    const keySlots = datapath === undefined ? 0 : datapath.keySlots - datapath.freeKeySlots;
    return { rss, heapUsed, external, used: heapUsed + external, cpuMs: (user + system) / 1000, keySlots, ...tables };
  },
};
process.on("message", ({ id, method, argument }) => process.send({ id, result: methods[method](argument) }));
process.on("disconnect", () => process.exit(0));
process.send({ id: 0 });
