/** werift as a client: node werift-client.mjs SIGNALLING_URL COUNT */
import { RTCPeerConnection } from "werift";
import { finish, postOffer, startEcho } from "./echo.mjs";

const [url, count] = process.argv.slice(2);
const peer = new RTCPeerConnection({ iceServers: [], iceAdditionalHostAddresses: ["127.0.0.1"] });
peer.connectionStateChange.subscribe((state) => console.log(`state ${state}`));
// RFC 8832 §6: the DTLS client, which we are, opens streams of even numbers. Left to itself werift takes an odd one.
const channel = peer.createDataChannel("data", { ordered: false, maxRetransmits: 0, id: 0 });
let received = () => {};
channel.stateChanged.subscribe((state) => {
  if (state !== "open") return;
  received = startEcho(Number(count), (message) => channel.send(message), finish);
});
channel.onMessage.subscribe((message) => received(message));
await peer.setLocalDescription(await peer.createOffer());
// werift offers SRTP even for data alone, and gives up where the server does not take it up.
for (const transport of peer.dtlsTransports) transport.srtpProfiles = [];
const { answer, candidate } = await postOffer(url, peer.localDescription.sdp);
await peer.setRemoteDescription(answer);
await peer.addIceCandidate(candidate);
