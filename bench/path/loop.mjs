/**
 * A server's endpoint and one connected client in memory, without sockets: what the client sends is collected, and given to
 * the endpoint one datagram at a time.
 */
import { Endpoint } from "../../build/core/server-endpoint.js";
import { Certificate } from "../../build/dtls/certificate.js";
import { resolveLimits } from "../../build/server/options.js";
import { Datapath } from "../../build/wasm/datapath.js";
import { MemoryClient, random } from "./memory-client.mjs";

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
  #client;

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
    for (let i = 0; i < count; i++) this.#client.send(this.now, data);
    return this.#client.sent.splice(0);
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
    this.#client.handleTimeout(this.now);
    this.#settle();
  }

  #connect(certificate) {
    this.#client = new MemoryClient(certificate, new Datapath({ keySlots: 8 }), SOURCE);
    const session = this.endpoint.createSession(this.now, this.#client.description(certificate), undefined);
    this.receive(this.#client.check(session));
    this.#toClient.length = 0;
    this.#client.start(this.now);
    this.#settle();
    this.#client.open();
    this.#settle();
    for (const datagram of this.clientDatagrams(1, 100)) this.receive(datagram);
    if (this.channel === undefined) throw new Error("the in-memory connection does not open");
  }

  #settle() {
    for (let round = 0; round < 100; round++) {
      this.#client.flush();
      this.flush();
      if (this.#toClient.length + this.#client.sent.length === 0) return;
      for (const datagram of this.#client.sent.splice(0)) this.receive(datagram);
      for (const datagram of this.#toClient.splice(0)) this.#client.receive(this.now, datagram);
    }
  }
}
