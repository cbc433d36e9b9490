/** werift: WebRTC in TypeScript. */
import { serve } from "./child.mjs";
import { peers } from "./peers.mjs";

const { RTCPeerConnection } = peers("werift");
const open = new Set();

serve({ answer });

async function answer(offer) {
  const peer = new RTCPeerConnection({ iceServers: [], iceUseIpv6: false, iceAdditionalHostAddresses: ["127.0.0.1"] });
  open.add(peer);
  peer.onDataChannel.subscribe((channel) => {
    channel.onMessage.subscribe((message) => channel.send(message));
  });
  await peer.setRemoteDescription({ type: "offer", sdp: offer });
  await peer.setLocalDescription(await peer.createAnswer());
  return peer.localDescription.sdp;
}
