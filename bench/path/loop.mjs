/**
 * A server's endpoint and one connected client in memory, without sockets: what the client sends is collected, and given to
 * the endpoint one datagram at a time.
 */
import { randomBytes } from "node:crypto";
import { Endpoint } from "../../build/core/endpoint.js";
import { Certificate } from "../../build/dtls/certificate.js";
import { DtlsConnection } from "../../build/dtls/connection.js";
import { resolveLimits } from "../../build/server-options.js";
import { Association } from "../../build/sctp/association.js";
import { Datapath } from "../../build/wasm/datapath.js";
import { DropCounters } from "../../build/wire/drops.js";
import { DCEP_OPEN, PPID_BINARY, PPID_DCEP } from "../load/dcep.mjs";
import { ControllingIce } from "../load/ice.mjs";

const random = (length) => new Uint8Array(randomBytes(length));
const SOURCE = { address: "127.0.0.1", port: 40_000 };

export class Loop {
  now = 1_000;
  /** Messages that came out of the endpoint. */
  messages = 0;
  /** Datagrams that came out of the endpoint. */
  sent = 0;
  sentBytes = 0;
  /** The server's side. */
  connection;
  channel;
  endpoint;
  #toClient = [];
  #toServer = [];
  #dtls;
  #association;
  #message = { streamId: 0, ppid: PPID_BINARY, data: undefined, ordered: false, maxRetransmits: 0 };

  constructor() {
    const certificate = Certificate.generate();
    const options = { certificate, limits: resolveLimits(undefined), random };
    this.endpoint = new Endpoint(options, {
      transmit: (datagram) => {
        this.sent++;
        this.sentBytes += datagram.length;
        this.#toClient.push(datagram.slice());
      },
      opened: (connection) => {
        this.connection = connection;
      },
      channelOpened: () => {},
      message: (_connection, channel) => {
        this.messages++;
        this.channel = channel;
      },
      closed: () => {},
    });
    this.#connect(certificate);
  }

  /** Datagrams from the client, one message of `bytes` in each; each carries a SACK for what the client has seen. */
  clientDatagrams(count, bytes) {
    const data = new Uint8Array(bytes).fill(7);
    this.#settle();
    for (let i = 0; i < count; i++) {
      this.#message.data = data;
      this.#association.send(this.now, this.#message);
      this.#association.flush(this.now);
    }
    return this.#toServer.splice(0);
  }

  /** One datagram into the endpoint. */
  receive(datagram) {
    this.endpoint.handleDatagram(this.now, SOURCE, datagram);
  }

  send(data) {
    return this.connection.send(this.now, data, this.channel);
  }

  flush() {
    this.endpoint.flush(this.now);
  }

  /** Gives the client what was sent to it, and the server what the client says to that. */
  settle() {
    this.#settle();
    this.now += 250;
    this.#association.handleTimeout(this.now);
    this.#settle();
  }

  #connect(certificate) {
    const ice = new ControllingIce();
    const { fingerprintBytes: fingerprint } = certificate;
    const remote = { ufrag: ice.ufrag, fingerprint, sctpPort: 5000, maxMessageBytes: 65_536 };
    const session = this.endpoint.createSession(this.now, remote, undefined);
    ice.setRemote({ ufrag: session.localUfrag, pwd: session.localPwd });
    const datapath = new Datapath({ keySlots: 8 });
    const drops = new DropCounters();
    this.#dtls = new DtlsConnection(
      { role: "client", certificate, datapath, drops, random, verifyPeerCertificate: () => true },
      {
        transmit: (datagram) => this.#toServer.push(datagram.slice()),
        connected: () => this.#associate(datapath, drops),
        applicationData: (packet) => this.#association.handlePacket(this.now, packet),
        closed: () => {},
      },
    );
    this.receive(ice.check());
    this.#toClient.length = 0;
    this.#dtls.start(this.now);
    this.#settle();
    this.#association.send(this.now, { streamId: 0, ppid: PPID_DCEP, data: DCEP_OPEN, ordered: true });
    this.#settle();
    for (const datagram of this.clientDatagrams(1, 100)) this.receive(datagram);
    if (this.channel === undefined) throw new Error("the in-memory connection does not open");
  }

  #associate(datapath, drops) {
    this.#association = new Association({ random, drops }, datapath, this.#dtls, {
      established: () => {},
      message: () => {},
      incomingStreamsReset: () => {},
      outgoingStreamsReset: () => {},
      closed: () => {},
    });
    this.#association.connect(this.now);
  }

  #settle() {
    for (let round = 0; round < 100; round++) {
      this.#association?.flush(this.now);
      this.flush();
      if (this.#toClient.length + this.#toServer.length === 0) return;
      for (const datagram of this.#toServer.splice(0)) this.receive(datagram);
      for (const datagram of this.#toClient.splice(0))
        if (datagram[0] >= 20) this.#dtls.handleDatagram(this.now, datagram);
    }
  }
}
