/**
 * A client whose every record and packet is written by hand, and the endpoint it attacks: in memory, without sockets. Its handshake
 * is the library's own; then the keys are taken over, so that records of any type can be sealed.
 */
import { randomBytes } from "node:crypto";
import { Endpoint } from "../../../build/core/server-endpoint.js";
import { Certificate } from "../../../build/dtls/certificate.js";
import { DtlsConnection } from "../../../build/dtls/connection.js";
import { nextTrafficSecret, trafficKeys } from "../../../build/dtls/keys13.js";
import { writeInit } from "../../../build/sctp/init.js";
import { resolveLimits } from "../../../build/server/options.js";
import { Datapath } from "../../../build/wasm/datapath.js";
import { DropCounters } from "../../../build/wire/drops.js";
import { ControllingIce } from "../../load/ice.mjs";
import { chunk, dataChunk, open, packet, reconfigResponse, sack } from "./chunks.mjs";

export const random = (length) => new Uint8Array(randomBytes(length));
export const datapath = new Datapath({ keySlots: 4_096 });
export const certificate = Certificate.generate();
const drops = new DropCounters();

/** As fast as a client that sends 2 Mbit/s: how the clock moves while an attack goes on. */
const BYTES_PER_MS = 250;
/** Sequence numbers of our own sealing begin beyond those of the handshake. */
const FIRST_SEQUENCE = 3_000;
/** Client's messages of a handshake of DTLS 1.3: ClientHello, Certificate, CertificateVerify, Finished. */
const FIRST_MESSAGE = 4;

const INIT_ACK = 0x02;
const DATA = 0x00;
const HEARTBEAT = 0x04;
const HEARTBEAT_ACK = 0x05;
const COOKIE_ECHO = 0x0a;
const COOKIE_ACK = 0x0b;
const RE_CONFIG = 0x82;
const STATE_COOKIE = 7;
const OUTGOING_SSN_RESET = 13;
const CONTENT_APPLICATION_DATA = 23;

/** The server's side: an endpoint whose application takes messages and does nothing with them. */
export class Arena {
  now = 1_000;
  sentBytes = 0;
  /** Connections that have ended. */
  ended = [];
  endpoint;
  /** What the application does with a message. */
  onMessage = undefined;
  #listeners = new Map();
  #port = 1_024;
  #host = 1;

  constructor(limits = {}) {
    this.endpoint = new Endpoint(
      { certificate, limits: resolveLimits({ maxConnectionsPerAddress: 8_192, ...limits }), random },
      {
        transmit: (datagram, destination) => {
          this.sentBytes += datagram.length;
          this.#listeners.get(destination.port)?.(datagram);
        },
        opened: () => {},
        message: (connection, channel, data) => this.onMessage?.(connection, channel, data),
        closed: (connection, reason) => this.ended.push({ connection, reason }),
      },
    );
  }

  /** What `deliver` has taken since this was set to an object: `{ ns, count, bytes }`. */
  meter = undefined;

  /** One datagram, as it comes alone: handled, and what it gives rise to is sent. */
  deliver(source, datagram) {
    const { meter } = this;
    if (meter === undefined) {
      this.#deliver(source, datagram);
      return;
    }
    const start = process.hrtime.bigint();
    this.#deliver(source, datagram);
    meter.ns += Number(process.hrtime.bigint() - start);
    meter.count++;
    meter.bytes += datagram.length;
  }

  #deliver(source, datagram) {
    this.now += datagram.length / BYTES_PER_MS;
    this.endpoint.handleDatagram(this.now, source, datagram);
    this.endpoint.flush(this.now);
  }

  /** An address that nobody has had. */
  newAddress() {
    if (++this.#port > 60_000) {
      this.#port = 1_025;
      this.#host++;
    }
    return { address: `10.9.${this.#host >> 8}.${this.#host & 255}`, port: this.#port };
  }

  listen(source, listener) {
    this.#listeners.set(source.port, listener);
  }

  /** A session with its ICE agent, whose checks may carry DTLS with `sped`; no datagram has come yet. */
  newSession({ sped = false } = {}) {
    const ice = new ControllingIce();
    const description = {
      ufrag: ice.ufrag,
      fingerprint: certificate.fingerprintBytes,
      sctpPort: 5000,
      maxMessageBytes: 65_536,
      sped,
    };
    const session = this.endpoint.createSession(this.now, description, undefined);
    if (session === undefined) throw new Error("no place for a session");
    ice.setRemote({ ufrag: session.localUfrag, pwd: session.localPwd });
    return { session, ice };
  }
}

export class Attacker {
  arena;
  source;
  ice;
  session;
  connection;
  tsn = 1_000;
  /** The server's next RE-CONFIG request of ours. */
  requestSequence = 1_000;
  /** The last TSN the server has sent. */
  serverTsn = 0;
  peerTag = 0;
  tag = 0x11223344;
  /** The state cookie, for who wants to echo it again. */
  cookie;
  /** The server's packets, for who asks for them. */
  onPacket = undefined;
  #dtls;
  #secret;
  #slot;
  #epoch = 3;
  #sequence = FIRST_SEQUENCE;
  #messageSequence = FIRST_MESSAGE;
  #isUp = false;
  #inbox = [];

  constructor(arena) {
    this.arena = arena;
    this.source = arena.newAddress();
    arena.listen(this.source, (datagram) => this.#inbox.push(datagram.slice()));
    Object.assign(this, arena.newSession());
    this.#connectDtls();
    this.#associate();
    this.datagrams = 0;
  }

  get isClosed() {
    return this.connection.state === "closed";
  }

  deliver(datagram) {
    this.arena.deliver(this.source, datagram);
  }

  /** One SCTP packet with these chunks in a datagram. */
  seal(...chunks) {
    return this.record(CONTENT_APPLICATION_DATA, packet(datapath, this.peerTag, chunks));
  }

  /** The same with another verification tag. */
  sealWithTag(tag, ...chunks) {
    return this.record(CONTENT_APPLICATION_DATA, packet(datapath, tag, chunks));
  }

  /** A datagram with one record of DTLS 1.3, without length. */
  record(type, content) {
    const { memory, view } = datapath;
    const at = datapath.nextTx();
    memory[at] = 0x20 | 0x08 | (this.#epoch & 3);
    view.setUint16(at + 1, this.#sequence & 0xffff);
    memory.set(content, at + 3);
    memory[at + 3 + content.length] = type;
    const length = datapath.seal13(this.#slot, at, 3, this.#sequence++, content.length + 1);
    const mask = datapath.recordNumberMask(this.#slot, at + 3);
    memory[at + 1] ^= mask >>> 8;
    memory[at + 2] ^= mask;
    return memory.slice(at, at + length);
  }

  /** KeyUpdates in one record; what follows is sealed with the last key. */
  keyUpdates(count, requested) {
    const messages = new Uint8Array(13 * count);
    for (let i = 0; i < count; i++) {
      const number = this.#messageSequence++;
      messages.set([24, 0, 0, 1, number >>> 8, number & 255, 0, 0, 0, 0, 0, 1, requested ? 1 : 0], 13 * i);
    }
    const record = this.record(22, messages);
    for (let i = 0; i < count; i++) {
      this.#secret = nextTrafficSecret(this.#secret);
      this.#epoch++;
    }
    this.#installKey(0);
    return record;
  }

  nextTsn() {
    return this.tsn++;
  }

  data(fields) {
    return dataChunk({ tsn: fields.tsn ?? this.nextTsn(), ...fields });
  }

  /** Opens channels and takes the answers. */
  openChannels(count, fields = {}) {
    for (let i = 0; i < count; i++) {
      this.deliver(this.seal(this.data({ streamId: 2 * i, ssn: 0, ppid: 50, flags: 3, data: open(fields) })));
      if (i % 32 === 31) this.settle();
    }
    this.settle();
  }

  /** Untimed: reads what the server has sent, acknowledges its DATA, and answers its requests. */
  settle(acknowledge = true) {
    for (let round = 0; round < 20; round++) {
      this.arena.endpoint.flush(this.arena.now);
      const datagrams = this.#inbox.splice(0);
      if (datagrams.length === 0 || this.isClosed) return;
      const before = this.serverTsn;
      this.answers = [];
      for (const datagram of datagrams) if (datagram[0] >= 20) this.#dtls.handleDatagram(this.arena.now, datagram);
      if (acknowledge && this.serverTsn !== before) this.answers.push(sack(this.serverTsn));
      for (const answer of this.answers) this.deliver(this.seal(answer));
    }
  }

  /** Untimed: time goes by, in which the connection stays alive. */
  pass(ms) {
    this.arena.now += ms;
    this.deliver(this.ice.check());
    this.arena.endpoint.handleTimeout(this.arena.now);
    this.settle();
  }

  #connectDtls() {
    const { arena } = this;
    let connected = false;
    this.#dtls = new DtlsConnection(
      {
        role: "client",
        certificate,
        datapath,
        drops,
        random,
        versions: ["1.3"],
        groups: [0x001d],
        verifyPeerCertificate: () => true,
        keyLog: (line) => {
          const found = /^CLIENT_TRAFFIC_SECRET_0 \S+ (\S+)/.exec(line);
          if (found !== null) this.#secret = Uint8Array.from(Buffer.from(found[1], "hex"));
        },
      },
      {
        transmit: (datagram) => this.deliver(datagram.slice()),
        connected: () => {
          connected = true;
        },
        applicationData: (bytes) => this.#readPacket(bytes.slice()),
        closed: () => {},
      },
    );
    this.deliver(this.ice.check());
    this.connection = this.session.connection;
    this.#dtls.start(arena.now);
    for (let i = 0; i < 20 && !connected; i++) {
      for (const datagram of this.#inbox.splice(0)) {
        if (datagram[0] >= 20) this.#dtls.handleDatagram(arena.now, datagram);
      }
    }
    if (!connected) throw new Error("the attacker's handshake does not come through");
    this.#installKey(FIRST_SEQUENCE);
  }

  #installKey(firstSequence) {
    if (this.#slot !== undefined) datapath.releaseKey(this.#slot);
    const { key, iv, numberKey } = trafficKeys(this.#secret);
    this.#slot = datapath.acquireKey(key, iv);
    datapath.setRecordNumberKey(this.#slot, numberKey);
    this.#sequence = firstSequence;
  }

  #associate() {
    this.answers = [];
    const init = {
      initiateTag: this.tag,
      receiveWindow: 1 << 20,
      outboundStreams: 1_024,
      inboundStreams: 1_024,
      initialTsn: this.tsn,
    };
    this.initChunk = writeInit(init);
    this.deliver(this.sealWithTag(0, this.initChunk));
    this.settle();
    if (!this.#isUp) throw new Error("the attacker's association does not come up");
  }

  #readPacket(bytes) {
    this.onPacket?.(bytes);
    const view = new DataView(bytes.buffer);
    for (let at = 12; at + 4 <= bytes.length; ) {
      const length = view.getUint16(at + 2);
      this.#readChunk(bytes[at], view, bytes.subarray(at, at + length), at);
      at += (length + 3) & ~3;
    }
  }

  #readChunk(type, view, bytes, at) {
    if (type === INIT_ACK) {
      this.peerTag = view.getUint32(at + 4);
      this.serverTsn = view.getUint32(at + 16) - 1;
      for (let parameter = 20; parameter < bytes.length; ) {
        const length = (bytes[parameter + 2] << 8) | bytes[parameter + 3];
        if (bytes[parameter + 1] === STATE_COOKIE && bytes[parameter] === 0) {
          this.cookie = bytes.slice(parameter + 4, parameter + length);
        }
        parameter += (length + 3) & ~3;
      }
      this.answers.push(chunk(COOKIE_ECHO, 0, this.cookie));
    } else if (type === COOKIE_ACK) this.#isUp = true;
    else if (type === DATA) this.serverTsn = view.getUint32(at + 4);
    else if (type === HEARTBEAT) this.answers.push(chunk(HEARTBEAT_ACK, 0, bytes.subarray(4)));
    else if (type === RE_CONFIG && bytes[5] === OUTGOING_SSN_RESET) {
      this.answers.push(reconfigResponse(view.getUint32(at + 8), 1));
    }
  }
}
