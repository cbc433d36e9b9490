// The shortest server: everything that comes is sent back. `node examples/echo-server.mjs`
import { createServer } from "node:http";
import { Server } from "webrtc-datagram";
import { nodeListener } from "webrtc-datagram/node-http";

const { UDP_PORT = 42424, HTTP_PORT = 8080 } = process.env;
const server = await Server.listen({ port: Number(UDP_PORT) });
createServer(nodeListener((request) => server.sessionEndpoint.handleRequest(request))).listen(
  HTTP_PORT,
  "127.0.0.1",
  () => console.log(`POST an offer to http://127.0.0.1:${HTTP_PORT}/`),
);
for await (const { connection, channel, data } of server) connection.send(data, { channel });
