/** WebSocket over TCP: not the same service (reliable, ordered), but what most games use today. */
import { serve } from "./child.mjs";
import { peers } from "./peers.mjs";

const { WebSocketServer } = peers("ws");
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.on("message", (message) => socket.send(message));
});
server.on("listening", () => serve({ address: () => server.address() }));
