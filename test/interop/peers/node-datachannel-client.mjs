/** libdatachannel as a client: node node-datachannel-client.mjs SIGNALLING_URL COUNT */
import { PeerConnection } from "node-datachannel";
import { CHANNELS, echoOverAll, postOffer } from "./echo.mjs";

const [url, count] = process.argv.slice(2);
const peer = new PeerConnection("client", { iceServers: [], disableAutoNegotiation: true });
peer.onStateChange((state) => console.log(`state ${state}`));
peer.onGatheringStateChange(async (state) => {
  if (state !== "complete") return;
  const { answer, candidate } = await postOffer(url, peer.localDescription().sdp);
  peer.setRemoteDescription(answer.sdp, "answer");
  peer.addRemoteCandidate(candidate.candidate, candidate.sdpMid);
});
const channels = Object.entries(CHANNELS).map(([label, { ordered = true, maxRetransmits }]) => {
  const channel = peer.createDataChannel(label, { unordered: !ordered, maxRetransmits });
  const side = {
    label,
    send: (message) =>
      typeof message === "string" ? channel.sendMessage(message) : channel.sendMessageBinary(message),
    onMessage: () => {},
    opened: new Promise((resolve) => channel.onOpen(resolve)),
  };
  channel.onMessage((message) => side.onMessage(typeof message === "string" ? message : Buffer.from(message)));
  return side;
});
peer.setLocalDescription("offer");
await echoOverAll(channels, Number(count));
