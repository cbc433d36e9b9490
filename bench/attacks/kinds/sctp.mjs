import { setTimeout as sleep } from "node:timers/promises";
import { BEGIN, Chunk, chunk, data, END, resetRequest, sack, u16, u32, UNORDERED } from "../wire.mjs";
import { byPeer, fill, packets, PACKET_OVERHEAD_BYTES } from "./support.mjs";

const CHANNELS = 512;
const RELIABLE = 0x00;

/** A channel on stream 0, and time for the server to take it. */
async function openOne(peer) {
  peer.send([peer.openChannel(0)]);
  await sleep(100);
}

async function openMany(peer) {
  for (let stream = 0; stream < 2 * CHANNELS; stream += 40) {
    peer.send(Array.from({ length: 20 }, (_, i) => peer.openChannel(stream + 2 * i)).slice(0, CHANNELS));
    await sleep(5);
  }
  await sleep(100);
}

const byte = Buffer.of(1);

export const sctpAttacks = [
  packets(
    "max-message-size",
    "an offer with a=max-message-size:10, and messages of 16 bytes",
    (peer) => [peer.data(0, Buffer.alloc(16))],
    { setUp: openOne, options: { maxMessageSize: 10 } },
  ),
  {
    ...byPeer(
      "create-channel",
      "connections with one inbound stream, and with OPEN and ABORT in one packet",
      { group: "create-channel", options: { inboundStreams: 1 } },
      async (peer, rate) => {
        await rate.take(5_000);
        peer.send([peer.openChannel(0), chunk(Chunk.abort, 0)]);
        await sleep(20);
        peer.close();
      },
    ),
  },
  packets(
    "re-config",
    "55 requests a packet to reset all of 512 streams",
    (peer) => {
      const requests = fill(() => chunk(Chunk.reconfig, 0, resetRequest(peer.requestNumber++, peer.tsn - 1)));
      return requests;
    },
    { setUp: openMany },
  ),
  packets("channel-churn", "channels opened and reset, as many as fit", (peer, index) => {
    const streams = Array.from({ length: 24 }, (_, i) => 2 * (((index >> 1) * 24 + i) % 500));
    if (index % 2 === 0) return streams.map((stream) => peer.openChannel(stream));
    return [chunk(Chunk.reconfig, 0, resetRequest(peer.requestNumber++, peer.tsn - 1, streams))];
  }),
  packets(
    "last-tsn",
    "acknowledges all but the first TSN of a reliable channel, and asks for more",
    (peer) => {
      const behind = (peer.highest - peer.cumulative) | 0;
      const gaps = behind > 1 ? [[2, Math.min(behind, 65_535)]] : [];
      return [
        sack(peer.cumulative, gaps),
        peer.data(0, Buffer.alloc(1_000), { flags: BEGIN | END, ssn: peer.ssn++ & 0xffff }),
      ];
    },
    {
      setUp: async (peer) => {
        peer.ssn = 1;
        peer.send([peer.openChannel(0, { channelType: RELIABLE })]);
        await sleep(100);
        peer.acknowledges = false;
      },
    },
  ),
  packets(
    "reassembly",
    "fragments behind a gap, of messages that never end",
    (peer, index) => {
      if (index % 8 === 0) peer.tsn++; // The gap.
      return [peer.data(2 * (index % 200), Buffer.alloc(1_000), { flags: index % 2 === 0 ? BEGIN : 0 })];
    },
    { setUp: openOne },
  ),
  packets(
    "sack-gaps",
    "SACKs with 270 gaps over all that is outstanding",
    (peer, index) => [
      ...(index % 8 === 0 ? [peer.data(0, Buffer.alloc(20))] : []),
      sack(
        peer.cumulative,
        Array.from({ length: 270 }, (_, i) => [2 + 2 * i, 2 + 2 * i]),
      ),
    ],
    {
      setUp: async (peer) => {
        await openOne(peer);
        peer.acknowledges = false;
      },
    },
  ),
  packets(
    "tiny-data",
    "60 DATA chunks of one byte in each packet, all echoed",
    (peer) => fill(() => peer.data(0, byte)),
    {
      setUp: openOne,
    },
  ),
  packets(
    "tiny-fragments",
    "the same, none of which ends a message",
    (peer) => fill(() => peer.data(0, byte, { flags: UNORDERED })),
    {
      setUp: openOne,
    },
  ),
  packets("duplicates", "the same DATA chunks over and over", () => fill(() => data(1_000, 0, byte)), {
    setUp: openOne,
  }),
  packets(
    "forward-tsn",
    "FORWARD TSNs that skip 250 streams each",
    (peer) => {
      const streams = Array.from({ length: 250 }, (_, stream) => u16(stream, peer.requestNumber & 0xffff));
      peer.requestNumber++;
      return [chunk(Chunk.forwardTsn, 0, u32(peer.tsn++), ...streams)];
    },
    { setUp: openOne },
  ),
  packets("init", "INITs over a live association, each answered with a cookie", (peer) => [peer.init()], {
    setUp: openOne,
    tag: 0,
  }),
  packets("cookie", "the same COOKIE ECHO over and over", (peer) => [chunk(Chunk.cookieEcho, 0, peer.cookie)], {
    setUp: openOne,
  }),
  packets(
    "heartbeat",
    "HEARTBEATs of 4 bytes, as many as fit",
    () => fill(() => chunk(Chunk.heartbeat, 0, u16(1, 8), u32(7))),
    {
      setUp: openOne,
    },
  ),
  packets("unknown-chunks", "chunks that ask to be reported, as many as fit", () => fill(() => chunk(0x7f, 0)), {
    setUp: openOne,
  }),
  byPeer(
    "loud",
    "6,500 messages a second to an application that needs 1 ms for each",
    { group: "iterate", setUp: openOne },
    async (peer, rate) => {
      const chunks = fill(() => peer.data(0, byte), 26 * 20);
      if (await rate.take(PACKET_OVERHEAD_BYTES + 26 * 20)) peer.send(chunks);
      await sleep(4);
    },
  ),
];
