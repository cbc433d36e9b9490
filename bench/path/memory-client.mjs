/** A client without a socket: what it sends is collected in `sent`, for an endpoint that is called directly. */
import { randomBytes } from "node:crypto";
import { Association } from "../../build/sctp/association.js";
import { DtlsConnection } from "../../build/dtls/connection.js";
import { DropCounters } from "../../build/wire/drops.js";
import { DCEP_OPEN, PPID_BINARY, PPID_DCEP } from "../load/dcep.mjs";
import { ControllingIce } from "../load/ice.mjs";

export const random = (length) => new Uint8Array(randomBytes(length));
const drops = new DropCounters();
const NO_EVENTS = { incomingStreamsReset() {}, outgoingStreamsReset() {}, closed() {} };

export class MemoryClient {
  /** Datagrams for the server. */
  sent = [];
  /** Messages that have come back. */
  received = 0;
  source;
  #ice = new ControllingIce();
  #datapath;
  #dtls;
  #association;
  #message = { streamId: 0, ppid: PPID_BINARY, data: undefined, ordered: false, maxRetransmits: 0 };

  /**
   * @param {object} certificate
   * @param {object} datapath may be shared by clients
   * @param {{ address: string, port: number }} source
   */
  constructor(certificate, datapath, source) {
    this.#datapath = datapath;
    this.source = source;
    this.#dtls = new DtlsConnection(
      { role: "client", certificate, datapath, drops, random, verifyPeerCertificate: () => true },
      {
        transmit: (datagram) => this.sent.push(datagram.slice()),
        connected: () => this.#associate(),
        applicationData: (packet) => this.#association.handlePacket(this.now, packet),
        closed: () => {},
      },
    );
  }

  now = 0;

  /** What `Endpoint.createSession` wants to know. */
  description({ fingerprintBytes: fingerprint }) {
    return { ufrag: this.#ice.ufrag, fingerprint, sctpPort: 5000, maxMessageBytes: 65_536 };
  }

  /** A check; the first one needs to know the server's session. */
  check(session) {
    if (session !== undefined) this.#ice.setRemote({ ufrag: session.localUfrag, pwd: session.localPwd });
    return this.#ice.check();
  }

  start(now) {
    this.now = now;
    this.#dtls.start(now);
  }

  /** Opens the channel; call once the handshake is through. */
  open() {
    this.#association.send(this.now, { streamId: 0, ppid: PPID_DCEP, data: DCEP_OPEN, ordered: true });
  }

  /** One datagram with one message; it carries the SACK for what has come. */
  send(now, data) {
    this.now = now;
    this.#message.data = data;
    this.#association.send(now, this.#message);
    this.#association.flush(now);
  }

  receive(now, datagram) {
    this.now = now;
    if (datagram[0] >= 20) this.#dtls.handleDatagram(now, datagram);
  }

  flush() {
    this.#association?.flush(this.now);
  }

  handleTimeout(now) {
    this.now = now;
    this.#association.handleTimeout(now);
  }

  #associate() {
    this.#association = new Association({ random, drops }, this.#datapath, this.#dtls, {
      ...NO_EVENTS,
      established: () => {},
      message: () => {
        this.received++;
      },
    });
    this.#association.connect(this.now);
  }
}
