/** libdatachannel as a client: node node-datachannel-client.mjs SIGNALLING_URL COUNT */
import { PeerConnection } from "node-datachannel";
import { finish, postOffer, startEcho } from "./echo.mjs";

const [url, count] = process.argv.slice(2);
const peer = new PeerConnection("client", { iceServers: [], disableAutoNegotiation: true });
peer.onStateChange((state) => console.log(`state ${state}`));
const channel = peer.createDataChannel("data", { unordered: true, maxRetransmits: 0 });
let received = () => {};
channel.onOpen(() => {
  received = startEcho(Number(count), (message) => channel.sendMessageBinary(message), finish);
});
channel.onMessage((message) => received(Buffer.from(message)));
peer.onGatheringStateChange(async (state) => {
  if (state !== "complete") return;
  const { answer, candidate } = await postOffer(url, peer.localDescription().sdp);
  peer.setRemoteDescription(answer.sdp, "answer");
  peer.addRemoteCandidate(candidate.candidate, candidate.sdpMid);
});
peer.setLocalDescription("offer");
