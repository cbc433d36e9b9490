/**
 * Ours, by its public API: `onMessage` and `trySend`, one UDP socket. RECEIVE=iterator or RECEIVE=recv has it take its messages
 * from the queue instead.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Server } from "../../build/index.js";
import { serve } from "./child.mjs";

const way = process.env.RECEIVE ?? "onMessage";
const echo = ({ connection, channel, data }) => connection.trySend(data, { channel });

const server = await Server.listen({
  address: "127.0.0.1",
  // All clients are on this machine.
  limits: {
    maxConnectionsPerAddress: 8_192,
    maxHandshakesPerAddress: 1_024,
    maxHandshakesPerSecond: 10_000,
    maxHandshakesPerSecondPerAddress: 10_000,
  },
  ...(way === "onMessage" && { onMessage: echo }),
});
if (way === "iterator") iterate();
else if (way === "recv") receive();

serve({
  answer: (offer) => server.answer(offer).session.answer.sdp,
  stats: () => ({ ...server.stats(), sctp: [...server.connections()].map((connection) => connection.stats().sctp) }),
  burst,
});

async function iterate() {
  for await (const message of server) echo(message);
}

async function receive() {
  for (;;) echo(await server.recv());
}

/** Sends `messages` messages of 100 bytes to every connection in each of `turns` turns of the event loop. */
async function burst(messages, turns) {
  const connections = [...server.connections()];
  const data = new Uint8Array(100);
  const before = process.cpuUsage();
  let refused = 0;
  for (let turn = 0; turn < turns; turn++) {
    for (const connection of connections) {
      for (let i = 0; i < messages; i++) if (!connection.trySend(data)) refused++;
    }
    await nextTurn();
    await nextTurn();
  }
  const { user, system } = process.cpuUsage(before);
  return { cpuUs: user + system, sent: connections.length * messages * turns - refused };
}
