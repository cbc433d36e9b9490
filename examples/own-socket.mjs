// The core without our socket, clock or timer: an echo server over a UDP socket of your own. `node examples/own-socket.mjs`
import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import { Certificate, DEFAULT_LIMITS, Endpoint, randomBytes, SessionEndpoint } from "webrtc-datagram/core";
import { nodeListener } from "webrtc-datagram/node-http";

const { UDP_PORT = 42424, HTTP_PORT = 8080 } = process.env;
const udp = createSocket("udp4").bind(UDP_PORT, "127.0.0.1");
const now = () => performance.now();
const certificate = Certificate.generate();
const options = { certificate, limits: DEFAULT_LIMITS, random: randomBytes };
const endpoint = new Endpoint(options, {
  // The callback keeps a failure from being thrown as an event: an address that cannot be reached may be a peer's choice.
  transmit: (datagram, { port, address }) => udp.send(datagram.slice(), port, address, () => {}),
  opened: (connection) => console.log(`open ${connection.session.localUfrag}`),
  message: (connection, channel, data) => connection.send(now(), data, channel),
  closed: (connection, reason) => console.log(`close ${connection.session.localUfrag} ${reason}`),
});

let timer;
function settle() {
  endpoint.flush(now()); // Once per turn would bundle more; once per datagram is simpler.
  clearTimeout(timer);
  timer = setTimeout(wake, Math.min(endpoint.nextDeadline - now(), 1000));
}
function wake() {
  endpoint.handleTimeout(now());
  settle();
}
udp.on("message", (datagram, source) => {
  endpoint.handleDatagram(now(), source, datagram);
  settle();
});

const signalling = new SessionEndpoint({
  createSession(offer) {
    const session = endpoint.createSession(now(), offer);
    if (session === undefined) return { refused: "the server is full" };
    const { localUfrag: ufrag, localPwd: pwd } = session;
    const { fingerprintBytes: fingerprint } = certificate;
    return { ufrag, pwd, fingerprint, candidates: [udp.address()], maxMessageBytes: DEFAULT_LIMITS.maxMessageBytes };
  },
});
const http = createServer(nodeListener((request) => signalling.handleRequest(request)));
http.listen(HTTP_PORT, "127.0.0.1", () => console.log(`POST an offer to http://127.0.0.1:${HTTP_PORT}/`));
