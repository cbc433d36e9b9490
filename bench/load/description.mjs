/** Just enough SDP for a client that opens one data channel. */

/** @returns {string} an offer of one data channel whose DTLS client we are (setup:active) */
export function writeOffer({ ufrag, pwd, fingerprint, address, port }) {
  return [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    `m=application ${port} UDP/DTLS/SCTP webrtc-datachannel`,
    `c=IN IP4 ${address}`,
    "a=mid:0",
    "a=sendrecv",
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    "a=ice-options:trickle",
    `a=fingerprint:sha-256 ${fingerprint}`,
    "a=setup:active",
    "a=sctp-port:5000",
    "a=max-message-size:65536",
    `a=candidate:1 1 udp 2130706431 ${address} ${port} typ host`,
    "a=end-of-candidates",
    "",
  ].join("\r\n");
}

/** What an answer says of the server: its ICE credentials and its first IPv4 candidate over UDP. */
export function readAnswer(sdp) {
  const value = (name) => sdp.match(new RegExp(`^a=${name}:(.*?)\\r?$`, "m"))?.[1].trim();
  const candidates = [...sdp.matchAll(/^a=candidate:\S+ 1 udp (\d+) (\d+\.\d+\.\d+\.\d+) (\d+) typ host/gim)];
  const [best] = candidates.sort((a, b) => isLoopback(b[2]) - isLoopback(a[2]) || b[1] - a[1]);
  if (best === undefined) throw new Error(`the answer has no candidate for IPv4 over UDP:\n${sdp}`);
  return {
    ufrag: value("ice-ufrag"),
    pwd: value("ice-pwd"),
    setup: value("setup"),
    address: best[2],
    port: Number(best[3]),
  };
}

function isLoopback(address) {
  return address.startsWith("127.");
}
