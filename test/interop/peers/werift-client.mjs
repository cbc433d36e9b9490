/** werift as a client: node werift-client.mjs SIGNALLING_URL COUNT */
import { RTCPeerConnection } from "werift";
import { finish, postOffer, startEcho } from "./echo.mjs";

const [url, count] = process.argv.slice(2);
const peer = new RTCPeerConnection({ iceServers: [], iceAdditionalHostAddresses: ["127.0.0.1"] });
peer.connectionStateChange.subscribe((state) => console.log(`state ${state}`));
const channel = peer.createDataChannel("data", { ordered: false, maxRetransmits: 0 });
let received = () => {};
channel.stateChanged.subscribe((state) => {
  if (state !== "open") return;
  received = startEcho(Number(count), (message) => channel.send(message), finish);
});
channel.onMessage.subscribe((message) => received(message));
await peer.setLocalDescription(await peer.createOffer());
const { answer, candidate } = await postOffer(url, peer.localDescription.sdp);
await peer.setRemoteDescription(answer);
await peer.addIceCandidate(candidate);
