/**
 * Other stacks as servers: node answering-server.mjs werift|node-datachannel|@roamhq/wrtc. Each answers an offer as it does by
 * itself, once it has gathered its candidates, and sends every message back. Prints the port of its signalling.
 */
import { createServer } from "node:http";

/** By name: from the SDP of an offer to that of the answer. */
const STACKS = {
  async werift(sdp) {
    const { RTCPeerConnection } = await import("werift");
    const peer = new RTCPeerConnection();
    peer.onDataChannel.subscribe((channel) => channel.onMessage.subscribe((message) => channel.send(message)));
    return answerOf(peer, sdp);
  },

  async "@roamhq/wrtc"(sdp) {
    const { default: wrtc } = await import("@roamhq/wrtc");
    const peer = new wrtc.RTCPeerConnection();
    peers.push(peer);
    peer.ondatachannel = ({ channel }) => {
      channel.onmessage = ({ data }) => channel.send(data);
    };
    return answerOf(peer, sdp);
  },

  async "node-datachannel"(sdp) {
    const { default: nodeDataChannel } = await import("node-datachannel");
    const peer = new nodeDataChannel.PeerConnection("server", { iceServers: [] });
    peers.push(peer);
    peer.onDataChannel((channel) => {
      peers.push(channel);
      channel.onMessage((message) =>
        typeof message === "string" ? channel.sendMessage(message) : channel.sendMessageBinary(Buffer.from(message)),
      );
    });
    const gathered = new Promise((resolve) => {
      peer.onGatheringStateChange((state) => state === "complete" && resolve());
    });
    peer.setRemoteDescription(sdp, "offer");
    await gathered;
    return peer.localDescription().sdp;
  },
};

/** Nothing of them is collected while they are needed. */
const peers = [];

async function answerOf(peer, sdp) {
  await peer.setRemoteDescription({ type: "offer", sdp });
  await peer.setLocalDescription(await peer.createAnswer());
  while (peer.iceGatheringState !== "complete") await new Promise((resolve) => setTimeout(resolve, 10));
  return peer.localDescription.sdp;
}

const answer = STACKS[process.argv[2]];
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    const sdp = await answer(Buffer.concat(chunks).toString());
    response.end(JSON.stringify({ answer: { type: "answer", sdp } }));
  } catch (error) {
    console.error(error);
    response.writeHead(500).end(String(error));
  }
});
server.listen(0, "127.0.0.1", () => console.log(`signalling ${server.address().port}`));
