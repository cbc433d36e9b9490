/** The floor: the cheapest UDP echo that node:dgram allows, with the short cut for address look-ups that our own socket has. */
import { createSocket } from "node:dgram";
import { serve } from "./child.mjs";

const socket = createSocket({
  type: "udp4",
  recvBufferSize: 4_194_304,
  sendBufferSize: 4_194_304,
  lookup: (hostname, _options, callback) => callback(null, hostname, 4),
});
socket.on("message", (datagram, { port, address }) => socket.send(datagram, port, address));
socket.bind(0, "127.0.0.1", () => serve({ address: () => socket.address() }));
