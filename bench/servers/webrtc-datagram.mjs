/** Ours, by its public API: `onMessage` and `trySend`, one UDP socket. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Server } from "../../build/index.js";
import { serve } from "./child.mjs";

const server = await Server.listen({
  address: "127.0.0.1",
  limits: { maxConnectionsPerAddress: 8_192 }, // All clients are on this machine.
  onMessage: ({ connection, channel, data }) => connection.trySend(data, { channel }),
});

serve({
  answer: (offer) => server.answer(offer).answer.sdp,
  stats: () => ({ ...server.stats(), sctp: [...server.connections()].map((connection) => connection.stats().sctp) }),
  burst,
});

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
