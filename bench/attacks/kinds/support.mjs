import { setTimeout as sleep } from "node:timers/promises";
import { Peer } from "../peer.mjs";

/** After a connection that the server has ended, or would not have. */
const RECONNECT_MS = 100;

/** What is around a packet's chunks: UDP and IP are not counted, DTLS and the common header are. */
export const PACKET_OVERHEAD_BYTES = 12 + 22;
/** Of chunks in one packet. */
export const MAX_CHUNKS_BYTES = 1_120;

/**
 * An attack by one authenticated client that sends the same kind of packet again and again.
 *
 * @param next called with the peer and a running number: the chunks of the next packet
 * @param setUp called with each new peer
 */
export function packets(name, what, next, { setUp = () => {}, group = "authenticated", options = {}, tag } = {}) {
  return byPeer(name, what, { group, options, setUp }, async (peer, rate, index) => {
    const chunks = next(peer, index);
    const bytes = PACKET_OVERHEAD_BYTES + chunks.reduce((sum, { length }) => sum + length, 0);
    if (await rate.take(bytes)) peer.send(chunks, tag);
  });
}

/** The same with steps of any kind: `step(peer, rate, index)` is called again and again. Where the server ends the connection, there is another one. */
export function byPeer(name, what, { group = "authenticated", options = {}, setUp = () => {} }, step) {
  return {
    name,
    what,
    group,
    async prepare({ url, to, rate }) {
      const connect = async () => {
        const peer = await Peer.open(url, to, options);
        await setUp(peer);
        return peer;
      };
      let peer = await connect();
      return {
        async run() {
          for (let index = 0; !rate.isOver; index++) {
            if (peer === undefined || peer.isClosed) peer = await another(peer, connect);
            else await step(peer, rate, index);
          }
          peer?.close();
        },
      };
    },
  };
}

async function another(peer, connect) {
  peer?.close();
  await sleep(RECONNECT_MS);
  return await connect().catch(() => undefined);
}

/** As many of the same as fit into a packet. */
export function fill(make, bytes = MAX_CHUNKS_BYTES) {
  const chunks = [];
  for (let size = 0; ; ) {
    const chunk = make(chunks.length);
    size += chunk.length;
    if (size > bytes) return chunks;
    chunks.push(chunk);
  }
}
