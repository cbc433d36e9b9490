/**
 * A client for the benchmarks: one UDP socket, ICE, DTLS, SCTP and one data channel, made of our own parts. It behaves like
 * a browser where that decides what a server has to do: a packet per message, SACKs that ride on data and are delayed
 * otherwise, a check every few seconds.
 */
import { createSocket } from "node:dgram";
import { Certificate } from "../../build/dtls/certificate.js";
import { DtlsConnection } from "../../build/dtls/connection.js";
import { Association } from "../../build/sctp/association.js";
import { Datapath } from "../../build/wasm/datapath.js";
import { DropCounters } from "../../build/wire/drops.js";
import { randomBytes } from "node:crypto";
import { DCEP_ACK, DCEP_OPEN, PPID_BINARY, PPID_DCEP } from "./dcep.mjs";
import { readAnswer, writeOffer } from "./description.mjs";
import { ControllingIce } from "./ice.mjs";

const CHECK_EVERY_MS = 4_000;
const FIRST_CHECKS_EVERY_MS = 50;
const TICK_MS = 20;
const CONNECT_TIMEOUT_MS = 30_000;
const MTU_BYTES = 1_200;
const DTLS_FIRST = 20;

const datapath = new Datapath({ keySlots: 16_384 });
const certificate = Certificate.generate();
const random = (length) => new Uint8Array(randomBytes(length));
const drops = new DropCounters();

const GOLDEN_RATIO = 0.6180339887;
let spreads = 0;

/** All clients of this process share one timer. */
const clients = new Set();
setInterval(tick, TICK_MS).unref();

export class RtcClient {
  /** Versions of DTLS that clients offer from now on. */
  static dtlsVersions = ["1.2"];
  /** Called after each datagram that brought messages, with their number. */
  onMessages = () => {};
  /** Called with each message, if set. */
  onMessage = undefined;
  datagramsSent = 0;
  datagramsReceived = 0;
  /** `performance.now()` at which the last datagram was handed to the system. */
  sentAt = 0;
  /** … and at which the last one came. */
  receivedAt = 0;

  #ice = new ControllingIce();
  #socket;
  #remote;
  #dtls;
  #association;
  #open = false;
  #closed = false;
  #arrived = 0;
  #nextCheck = 0;
  #wake = () => {};
  #message = { streamId: 0, ppid: PPID_BINARY, data: undefined, ordered: false, maxRetransmits: 0 };

  /**
   * Connects to the server that answers the offer.
   *
   * @param {(offer: string) => Promise<string>} signal
   */
  static async connect(signal) {
    const client = new RtcClient();
    await client.#connect(signal);
    return client;
  }

  /** Sends one message in a datagram of its own. */
  send(data) {
    const now = performance.now();
    this.#message.data = data;
    const result = this.#association.send(now, this.#message);
    this.#association.flush(now);
    return result === "sent" || result === "queued";
  }

  get isOpen() {
    return this.#open && !this.#closed;
  }

  /** The SCTP side of it. */
  get stats() {
    return this.#association?.stats;
  }

  async close() {
    const now = performance.now();
    clients.delete(this);
    this.#association?.abort(now);
    this.#dtls?.close(now);
    this.#closed = true;
    await new Promise((resolve) => this.#socket.close(resolve));
  }

  async #connect(signal) {
    this.#socket = await boundSocket((datagram, from) => this.#handleDatagram(datagram, from));
    const { address, port } = this.#socket.address();
    const { ufrag, pwd } = this.#ice;
    const offer = writeOffer({ ufrag, pwd, fingerprint: certificate.fingerprint, address: "127.0.0.1", port });
    this.#remote = readAnswer(await signal(offer));
    this.#ice.setRemote(this.#remote);
    if (address !== "0.0.0.0") throw new Error(`bound to ${address}`);
    await new Promise((resolve, reject) =>
      this.#socket.connect(this.#remote.port, this.#remote.address, (error) => (error ? reject(error) : resolve())),
    );
    this.#socket.on("error", () => {}); // A server that is gone: ECONNREFUSED.
    const opened = new Promise((resolve, reject) => {
      this.#wake = resolve;
      setTimeout(() => reject(new Error("no connection within 30 s")), CONNECT_TIMEOUT_MS).unref();
    });
    clients.add(this);
    this.#check(performance.now());
    await opened;
    this.#open = true;
  }

  #transmit(datagram) {
    this.datagramsSent++;
    this.sentAt = performance.now();
    // Borrowed bytes: copied where the socket cannot take them at once.
    this.#socket.send(this.#socket.getSendQueueCount() > 0 ? datagram.slice() : datagram);
  }

  #check(now) {
    this.#nextCheck = now + (this.#dtls === undefined ? FIRST_CHECKS_EVERY_MS : spread(CHECK_EVERY_MS));
    this.#transmit(this.#ice.check());
  }

  #handleDatagram(datagram, from) {
    // Before the answer it can only be for whoever had the port before.
    if (this.#closed || this.#remote === undefined) return;
    this.datagramsReceived++;
    if (datagram[0] < DTLS_FIRST) {
      const { succeeded, reply } = this.#ice.handle(datagram, from);
      if (reply !== undefined) this.#transmit(reply);
      if (succeeded) this.#startDtls();
      return;
    }
    this.#arrived = 0;
    const now = performance.now();
    this.receivedAt = now;
    if (this.#dtls === undefined) this.#startDtls();
    this.#dtls.handleDatagram(now, datagram);
    if (this.#arrived > 0) this.onMessages(this.#arrived);
    this.#association?.flush(now);
  }

  #startDtls() {
    if (this.#dtls !== undefined) return;
    const role = this.#remote.setup === "active" ? "server" : "client";
    const versions = RtcClient.dtlsVersions;
    this.#dtls = new DtlsConnection(
      { role, certificate, datapath, drops, random, versions, mtuBytes: MTU_BYTES, verifyPeerCertificate: () => true },
      {
        transmit: (datagram) => this.#transmit(datagram),
        connected: () => this.#startSctp(),
        applicationData: (packet) => this.#association.handlePacket(performance.now(), packet),
        closed: () => {
          this.#closed = true;
        },
      },
    );
    this.#dtls.start(performance.now());
  }

  #startSctp() {
    const now = performance.now();
    this.#association = new Association({ random, drops }, datapath, this.#dtls, {
      established: () => this.#openChannel(performance.now()),
      message: (_stream, ppid, data) => this.#handleMessage(ppid, data),
      incomingStreamsReset: () => {},
      outgoingStreamsReset: () => {},
      closed: () => {
        this.#closed = true;
      },
    });
    this.#association.connect(now);
    this.#association.flush(now);
  }

  #openChannel(now) {
    this.#association.send(now, { streamId: 0, ppid: PPID_DCEP, data: DCEP_OPEN, ordered: true });
  }

  #handleMessage(ppid, data) {
    if (ppid !== PPID_DCEP) {
      this.#arrived++;
      this.onMessage?.(data);
    } else if (data[0] === DCEP_ACK) this.#wake();
  }

  tick(now) {
    if (now >= this.#nextCheck) this.#check(now);
    if (this.#dtls !== undefined && now >= this.#dtls.nextDeadline) this.#dtls.handleTimeout(now);
    if (this.#association !== undefined && now >= this.#association.nextDeadline) this.#association.handleTimeout(now);
  }
}

/** Between three and five quarters of `ms`, evenly over the calls: checks of many clients must not fall together. */
function spread(ms) {
  spreads = (spreads + GOLDEN_RATIO) % 1;
  return ms * (0.75 + spreads / 2);
}

function tick() {
  const now = performance.now();
  for (const client of clients) client.tick(now);
}

function boundSocket(onDatagram) {
  const socket = createSocket({ type: "udp4", recvBufferSize: 1_048_576, sendBufferSize: 1_048_576 });
  socket.on("message", onDatagram);
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, "0.0.0.0", () => resolve(socket.off("error", reject)));
  });
}
