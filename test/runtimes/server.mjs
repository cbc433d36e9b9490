/**
 * The server of the contract suite, on whichever runtime runs it: an echo server that says in lines of JSON what happens, and
 * takes orders by HTTP.
 *
 *   server.mjs '{"address": "127.0.0.1", "publicAddresses": ["127.0.0.1"], "limits": {}}'
 *
 * Signalling listens on `signalling`, an address; by default on 127.0.0.1.
 */
import { createServer } from "node:http";
import { argv, exit, stdout } from "node:process";
import { Server } from "../../build/index.js";
import { nodeListener } from "../../build/node-http.js";

const say = (event) => stdout.write(`${JSON.stringify(event)}\n`);

const { signalling = "127.0.0.1", ...options } = JSON.parse(argv[2] ?? "{}");
const server = await Server.listen({
  ...options,
  onMessage: ({ connection, channel, data }) => connection.trySend(data, { channel }),
});
server.on("open", ({ id, remoteAddress }) => say({ event: "open", id, remoteAddress }));
server.on("close", ({ id }, reason) => say({ event: "close", id, reason }));

const find = (id) => server.connections().find((connection) => connection.id === id);

/** What the suite may ask for: `/close?id=…`. */
const ORDERS = {
  "/close": ({ id }) => find(id)?.close(),
  "/stats": () => server.stats(),
  "/send-too-much": ({ id }) => {
    const connection = find(id);
    try {
      connection.trySend(new Uint8Array(connection.maxMessageBytes + 1));
    } catch (error) {
      return { error: error.name };
    }
  },
  "/block": ({ ms }) => {
    const until = performance.now() + Number(ms);
    while (performance.now() < until);
  },
  "/stop": () => {
    setTimeout(async () => {
      await server.close();
      http.close();
      http.closeAllConnections();
      say({ event: "stopped" });
    });
  },
};

const http = createServer(
  nodeListener((request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/new_rtc_session") return server.sessionEndpoint.handleRequest(request);
    if (pathname === "/") return new Response("<!doctype html>", { headers: { "content-type": "text/html" } });
    const order = ORDERS[pathname];
    if (order === undefined) return new Response("not found", { status: 404 });
    return Response.json(order(Object.fromEntries(searchParams)) ?? {});
  }),
);
http.on("error", (error) => {
  say({ event: "error", message: error.message });
  exit(1);
});
http.listen(0, signalling, () => say({ event: "listening", http: http.address().port, udp: server.localAddress }));
