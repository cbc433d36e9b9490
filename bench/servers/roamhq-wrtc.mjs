/** @roamhq/wrtc: libwebrtc by its Node binding. */
import { serve } from "./child.mjs";
import { peers } from "./peers.mjs";

const { RTCPeerConnection } = peers("@roamhq/wrtc");
const open = new Set();

serve({ answer });

async function answer(offer) {
  const peer = new RTCPeerConnection({ iceServers: [] });
  open.add(peer);
  peer.ondatachannel = ({ channel }) => {
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => channel.send(data);
    open.add(channel);
  };
  await peer.setRemoteDescription({ type: "offer", sdp: offer });
  await peer.setLocalDescription(await peer.createAnswer());
  await gathered(peer);
  return peer.localDescription.sdp;
}

function gathered(peer) {
  if (peer.iceGatheringState === "complete") return undefined;
  return new Promise((resolve) => {
    peer.onicegatheringstatechange = () => {
      if (peer.iceGatheringState === "complete") resolve();
    };
  });
}
