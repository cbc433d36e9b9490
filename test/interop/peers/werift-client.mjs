/** werift as a client: node werift-client.mjs SIGNALLING_URL COUNT */
import { RTCPeerConnection } from "werift";
import { CHANNELS, echoOverAll, postOffer } from "./echo.mjs";

const [url, count] = process.argv.slice(2);
const peer = new RTCPeerConnection();
peer.connectionStateChange.subscribe((state) => console.log(`state ${state}`));
const channels = Object.entries(CHANNELS).map(([label, options]) => {
  const channel = peer.createDataChannel(label, options);
  const side = {
    label,
    send: (message) => channel.send(message),
    onMessage: () => {},
    opened: new Promise((resolve) => channel.stateChanged.subscribe((state) => state === "open" && resolve())),
  };
  channel.onMessage.subscribe((message) => side.onMessage(message));
  return side;
});
await peer.setLocalDescription(await peer.createOffer());
const { answer, candidate } = await postOffer(url, peer.localDescription.sdp);
await peer.setRemoteDescription(answer);
await peer.addIceCandidate(candidate);
await echoOverAll(channels, Number(count));
