/**
 * An echo server in a process of its own, as built, so that its memory can be measured and a flood of it competes with nobody
 * but itself. Forked with `--expose-gc`. Tells its ports; answers each message with its memory and counters.
 */
import { createServer } from "node:http";
import { Server } from "../../build/index.js";
import { nodeListener } from "../../build/node-http.js";

const server = await Server.listen({
  address: "127.0.0.1",
  onMessage: ({ connection, channel, data }) => connection.trySend(data, { channel }),
});
const http = createServer(nodeListener((request) => server.sessionEndpoint.handleRequest(request)));
http.listen(0, "127.0.0.1", () => {
  process.send({ udpPort: server.localAddress.port, httpPort: http.address().port });
});
process.on("message", async () => {
  // Buffers are given back in a turn after the one that collects their owners.
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send({ memory: { heapUsed, external, rss }, stats: server.stats() });
});
process.on("disconnect", () => process.exit(0));
