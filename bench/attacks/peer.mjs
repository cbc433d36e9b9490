/** A peer of its own making: it has a session, checks its path and has the true keys, and then sends what an attack wants. */
import { createSocket } from "node:dgram";
import { randomBytes } from "node:crypto";
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Certificate } from "../../build/dtls/certificate.js";
import { DtlsConnection } from "../../build/dtls/connection.js";
import { writeBindingRequest } from "../../build/ice/stun-write.js";
import { parseInit, writeInit } from "../../build/sctp/init.js";
import { Datapath } from "../../build/wasm/datapath.js";
import { DropCounters } from "../../build/wire/drops.js";
import { Chunk, chunk, data, open, PPID_DCEP, sack, u32 } from "./wire.mjs";

const TICK_MS = 50;
const CHECK_EVERY_MS = 2_500;
const OPEN_LIMIT_MS = 4_000;
const PORT = 5000;
/** From where attacks come; the honest client has 127.0.0.1. */
export const ATTACKER_ADDRESS = "127.0.0.9";

export const certificate = Certificate.generate();
export const datapath = new Datapath({ keySlots: 8_192, packetSlots: 64 });
const fingerprint = Array.from(certificate.fingerprintBytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
const agent = new Agent({ keepAlive: true, localAddress: ATTACKER_ADDRESS, maxSockets: 32 });

export function offerOf({ ufrag, pwd, maxMessageSize = 65_536, shown = fingerprint, extra = [] }) {
  const lines = [
    "v=0",
    "o=- 1 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `a=fingerprint:sha-256 ${shown.toUpperCase()}`,
    "a=setup:actpass",
    "a=mid:0",
    `a=sctp-port:${PORT}`,
    `a=max-message-size:${maxMessageSize}`,
  ];
  return `${[...lines, ...extra].join("\r\n")}\r\n`;
}

/** Posts a body. @returns `{ status, text }`; status 0 where the server hung up */
export async function post(url, body) {
  return await new Promise((resolve) => {
    const call = request(url, { method: "POST", agent, headers: { "content-type": "application/sdp" } }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece) => {
        text += piece;
      });
      response.on("end", () => resolve({ status: response.statusCode, text }));
      response.on("error", () => resolve({ status: 0, text: "" }));
    });
    call.on("error", () => resolve({ status: 0, text: "" }));
    call.end(body);
  });
}

/** A session of the attacker's, agreed by signalling. `undefined` where the server refused it. */
export async function openSession(url, options = {}) {
  const ufrag = randomBytes(6).toString("hex");
  const pwd = randomBytes(16).toString("hex");
  const body = offerOf({ ufrag, pwd, ...options });
  const { status, text } = await post(url, body);
  if (status !== 200) return undefined;
  const { sdp } = JSON.parse(text).answer;
  const field = (name) => new RegExp(`a=${name}:(.*)\r\n`).exec(sdp)[1];
  return { ufrag, remoteUfrag: field("ice-ufrag"), remotePwd: field("ice-pwd"), postedBytes: body.length };
}

export function checkFor({ ufrag, remoteUfrag, remotePwd }, password = remotePwd) {
  return writeBindingRequest({
    transactionId: randomBytes(12),
    username: `${remoteUfrag}:${ufrag}`,
    key: Buffer.from(password),
    priority: 1,
    tieBreaker: randomBytes(8),
    role: "controlling",
    useCandidate: true,
  });
}

export async function boundSocket(address = ATTACKER_ADDRESS) {
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  await new Promise((resolve) => socket.bind(0, address, resolve));
  return socket;
}

export class Peer {
  tsn = 1_000;
  requestNumber = 1_000;
  peerInit;
  cumulative = 0;
  /** Highest TSN that has come. */
  highest = 0;
  /** Whether what comes is acknowledged as it should be. */
  acknowledges = true;
  isUp = false;
  closed;
  dtls;
  session;
  socket;
  #to;
  #options;
  #tag = randomBytes(4).readUInt32BE() | 1;
  #peerTag = 0;
  #timer;
  #nextCheck = 0;
  #isReleased = false;

  /** @param options `inboundStreams`, `maxMessageSize`, `versions`, `keyLog`; `shown`, the fingerprint that the offer has */
  static async open(url, to, options = {}) {
    const peer = new Peer();
    peer.#to = to;
    peer.#options = options;
    peer.session = await openSession(url, options);
    if (peer.session === undefined) throw new Error("the server refused a session");
    peer.socket = await boundSocket();
    peer.socket.on("message", (datagram) => peer.#receive(datagram));
    peer.#startDtls();
    peer.#timer = setInterval(() => peer.#tick(), TICK_MS);
    peer.#tick();
    await sleep(20);
    peer.dtls.start(performance.now());
    await peer.#until(() => peer.isUp);
    return peer;
  }

  get isClosed() {
    return this.closed !== undefined;
  }

  /** A datagram as it is. */
  sendRaw(datagram) {
    this.socket.send(datagram, this.#to.port, this.#to.address);
  }

  /** Chunks in a packet with the right tag and checksum, sealed. @returns bytes of the packet */
  send(chunks, tag = this.#peerTag) {
    const packet = this.packet(chunks, tag);
    if (this.closed === undefined) this.dtls.send(performance.now(), packet);
    return packet.length;
  }

  packet(chunks, tag = this.#peerTag) {
    const packet = Buffer.concat([u32((PORT << 16) | PORT, tag, 0), ...chunks]);
    const { memory, rxOffset } = datapath;
    memory.set(packet, rxOffset);
    datapath.finishPacket(rxOffset, packet.length);
    return memory.slice(rxOffset, rxOffset + packet.length);
  }

  /** A DATA chunk with the next TSN. */
  data(streamId, payload, options) {
    const chunk = data(this.tsn, streamId, payload, options);
    this.tsn = (this.tsn + 1) >>> 0;
    return chunk;
  }

  openChannel(streamId, { label, channelType } = {}) {
    return this.data(streamId, open(label, channelType), { ppid: PPID_DCEP, flags: 3 });
  }

  init() {
    return writeInit({
      initiateTag: this.#tag,
      receiveWindow: 1 << 20,
      outboundStreams: 1_024,
      inboundStreams: this.#options.inboundStreams ?? 1_024,
      initialTsn: 1_000,
    });
  }

  /** Ends its part without a word, or with one. */
  close(politely = true) {
    clearInterval(this.#timer);
    if (this.#isReleased) return;
    this.#isReleased = true;
    if (!politely) this.closed ??= "local"; // From now on nothing leaves.
    this.dtls?.close(performance.now());
    this.closed ??= "local";
    this.socket?.close();
  }

  #startDtls() {
    const { versions = ["1.3", "1.2"], keyLog } = this.#options;
    const options = { role: "client", certificate, datapath, drops: new DropCounters(), versions, keyLog };
    this.dtls = new DtlsConnection(
      { ...options, verifyPeerCertificate: () => true },
      {
        transmit: (datagram) => this.closed === undefined && this.sendRaw(Buffer.from(datagram)),
        connected: () => setImmediate(() => this.send([this.init()], 0)),
        applicationData: (packet) => this.#handlePacket(Buffer.from(packet)),
        closed: (reason) => {
          this.closed = reason.cause;
        },
        writable() {},
        startedOver() {},
      },
    );
  }

  #tick() {
    const now = performance.now();
    if (this.closed !== undefined) return;
    this.dtls.handleTimeout(now);
    if (now < this.#nextCheck) return;
    this.#nextCheck = now + CHECK_EVERY_MS;
    this.sendRaw(checkFor(this.session));
  }

  async #until(condition) {
    const end = performance.now() + OPEN_LIMIT_MS;
    while (!condition()) {
      if (this.closed !== undefined || performance.now() > end) {
        this.close();
        throw new Error(`no association: ${this.closed}`);
      }
      await sleep(5);
    }
  }

  #receive(datagram) {
    if (datagram[0] >= 20 && this.closed === undefined) this.dtls.handleDatagram(performance.now(), datagram);
  }

  #handlePacket(packet) {
    let hasData = false;
    for (let at = 12; at + 4 <= packet.length; ) {
      const length = Math.max(4, packet.readUInt16BE(at + 2));
      hasData = this.#handleChunk(packet[at], packet.subarray(at + 4, at + length)) || hasData;
      at += (length + 3) & ~3;
    }
    if (hasData && this.acknowledges) this.send([sack(this.cumulative)]);
  }

  #handleChunk(type, value) {
    if (type === Chunk.initAck) {
      this.peerInit = parseInit(value);
      this.#peerTag = this.peerInit.initiateTag;
      this.cookie = Buffer.from(this.peerInit.cookie);
      this.cumulative = (this.peerInit.initialTsn - 1) >>> 0;
      this.send([chunk(Chunk.cookieEcho, 0, this.cookie)]);
    } else if (type === Chunk.cookieAck) this.isUp = true;
    else if (type === Chunk.heartbeat) this.send([chunk(Chunk.heartbeatAck, 0, value)]);
    else if (type === Chunk.abort) this.closed ??= "abort";
    else if (type === Chunk.data) {
      const tsn = value.readUInt32BE(0);
      this.highest = tsn;
      if (this.acknowledges) this.cumulative = tsn; // On the loopback interface nothing is lost or overtaken.
      return true;
    }
    return false;
  }
}
