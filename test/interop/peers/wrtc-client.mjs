/** libwebrtc, by @roamhq/wrtc, as a client: node wrtc-client.mjs SIGNALLING_URL COUNT */
import wrtc from "@roamhq/wrtc";
import { CHANNELS, echoOverAll, postOffer } from "./echo.mjs";

const [url, count] = process.argv.slice(2);
const peer = new wrtc.RTCPeerConnection();
peer.onconnectionstatechange = () => console.log(`state ${peer.connectionState}`);
const channels = Object.entries(CHANNELS).map(([label, options]) => {
  const channel = peer.createDataChannel(label, options);
  channel.binaryType = "arraybuffer";
  const side = {
    label,
    send: (message) => channel.send(message),
    onMessage: () => {},
    opened: new Promise((resolve) => {
      channel.onopen = resolve;
    }),
  };
  channel.onmessage = ({ data }) => side.onMessage(typeof data === "string" ? data : Buffer.from(data));
  return side;
});
await peer.setLocalDescription(await peer.createOffer());
const { answer, candidate } = await postOffer(url, peer.localDescription.sdp);
await peer.setRemoteDescription(answer);
await peer.addIceCandidate(candidate);
await echoOverAll(channels, Number(count));
