/** libdatachannel by its Node binding. */
import { serve } from "./child.mjs";
import { peers } from "./peers.mjs";

const { PeerConnection } = peers("node-datachannel");
let count = 0;
const open = new Set();

serve({ answer });

function answer(offer) {
  return new Promise((resolve) => {
    const peer = new PeerConnection(`server ${count++}`, { iceServers: [], bindAddress: "127.0.0.1" });
    open.add(peer);
    peer.onDataChannel((channel) => {
      channel.onMessage((message) => channel.sendMessageBinary(message));
      open.add(channel);
    });
    peer.onGatheringStateChange((state) => {
      if (state === "complete") resolve(peer.localDescription().sdp);
    });
    peer.setRemoteDescription(offer, "offer");
  });
}
