import { Endpoint, type EndpointOptions, type HeldSession } from "../../../../src/core/server-endpoint.ts";
import type { Connection } from "../../../../src/core/server-connection.ts";
import type { RemoteDescription } from "../../../../src/core/session.ts";
import { Certificate } from "../../../../src/dtls/certificate.ts";
import { DtlsConnection, type DtlsVersion } from "../../../../src/dtls/connection.ts";
import type { CloseReason } from "../../../../src/errors.ts";
import { isStun, type StunAttribute } from "../../../../src/ice/stun.ts";
import { writeBindingRequest } from "../../../../src/ice/stun-write.ts";
import {
  type AssociationLimits,
  DEFAULT_ASSOCIATION_LIMITS,
  DEFAULT_ENDPOINT_LIMITS,
  type EndpointLimits,
} from "../../../../src/limits.ts";
import { Association } from "../../../../src/sctp/association.ts";
import { Datapath } from "../../../../src/wasm/datapath.ts";
import { isSameAddress, type SocketAddress } from "../../../../src/wire/address.ts";
import { DropCounters } from "../../../../src/wire/drops.ts";
import { Random } from "../../../sim/random.ts";

const serverCertificate = Certificate.generate();
export const pageCertificate = Certificate.generate();
const pageDatapath = new Datapath({ keySlots: 64, txSlots: 4 });
const PPID_BINARY = 53;
/** More in one go is a deadline that does not move on. */
const MAX_TIMEOUTS = 20_000;

/** The default limits of a server with little room. */
export function smallLimits(
  limits: Partial<EndpointLimits & AssociationLimits> = {},
): EndpointLimits & AssociationLimits {
  return { ...DEFAULT_ENDPOINT_LIMITS, ...DEFAULT_ASSOCIATION_LIMITS, maxConnections: 8, maxHandshakes: 8, ...limits };
}

export interface Sent {
  readonly at: number;
  readonly to: SocketAddress;
  readonly datagram: Uint8Array;
}

/** A server's endpoint, its clock, and what it has sent. */
export class ScriptedServer {
  now = 0;
  readonly endpoint: Endpoint;
  readonly sent: Sent[] = [];
  readonly received: Uint8Array[] = [];
  readonly closed: { connection: Connection; reason: CloseReason; at: number }[] = [];
  readonly random: Random;

  constructor(
    seed: string,
    limits: Partial<EndpointLimits & AssociationLimits> = {},
    options: Partial<EndpointOptions> = {},
  ) {
    this.random = new Random(seed);
    this.endpoint = new Endpoint(
      {
        certificate: serverCertificate,
        random: this.random.fork("server").bytes,
        limits: smallLimits(limits),
        negotiatedChannels: [{ label: "data", id: 0, ordered: false, maxRetransmits: 0 }],
        ...options,
      },
      {
        transmit: (datagram, to) => this.sent.push({ at: this.now, to, datagram: datagram.slice() }),
        opened() {},
        message: (_connection, _channel, data) => this.received.push(data as Uint8Array),
        closed: (connection, reason) => this.closed.push({ connection, reason, at: this.now }),
      },
    );
  }

  /** Lets time pass; what becomes due is done at its time. */
  runUntil(time: number): void {
    let calls = 0;
    for (let due = this.endpoint.nextDeadline; due <= time; due = this.endpoint.nextDeadline) {
      if (++calls > MAX_TIMEOUTS) throw new Error(`the deadline stays at ${due} ms`);
      this.now = Math.max(this.now, due);
      this.endpoint.handleTimeout(this.now);
      this.endpoint.flush(this.now);
    }
    this.now = time;
  }

  /** What was sent to an address from a time on, answers to checks left out. */
  sentTo(address: SocketAddress, from = 0): Sent[] {
    return this.sent.filter(({ to, at, datagram }) => {
      return at >= from && isSameAddress(to, address) && !isStun(datagram[0]);
    });
  }

  /** All bytes that were sent to an address from a time on. */
  allBytesTo(address: SocketAddress, from = 0): number {
    const there = this.sent.filter(({ to, at }) => at >= from && isSameAddress(to, address));
    return there.reduce((sum, { datagram }) => sum + datagram.length, 0);
  }

  bytesTo(address: SocketAddress, from = 0): number {
    return this.sentTo(address, from).reduce((sum, { datagram }) => sum + datagram.length, 0);
  }
}

/** A page that does, and sends from wherever, only what the test says: its checks, its handshake and its messages are apart. */
export class ScriptedPage {
  readonly session: HeldSession;
  readonly dtls: DtlsConnection;
  readonly association: Association;
  /** What the page would send, oldest first. */
  readonly outbox: Uint8Array[] = [];
  readonly #server: ScriptedServer;
  /** Up to where the server's datagrams were heard or missed. */
  #heard: number;

  /** @param said what its offer said otherwise than other pages' */
  constructor(
    server: ScriptedServer,
    sped = false,
    said: Partial<RemoteDescription> = {},
    dtlsVersions?: readonly DtlsVersion[],
    signalledFrom?: string,
    groups?: readonly number[],
  ) {
    this.#server = server;
    this.#heard = server.sent.length;
    const random = server.random.fork(`page ${server.endpoint.pendingSessionCount}`).bytes;
    const { fingerprintBytes: fingerprint } = pageCertificate;
    const offer = { ufrag: "page", fingerprint, sctpPort: 5000, maxMessageBytes: 0, sped, ...said };
    this.session = server.endpoint.createSession(server.now, offer, undefined, signalledFrom)!;
    this.dtls = new DtlsConnection(
      {
        role: "client",
        certificate: pageCertificate,
        datapath: pageDatapath,
        mtuBytes: 1200,
        random,
        ...(dtlsVersions && { versions: dtlsVersions }),
        ...(groups && { groups }),
        verifyPeerCertificate: () => true,
      },
      {
        transmit: (datagram) => this.outbox.push(datagram.slice()),
        applicationData: (packet) => this.association.handlePacket(this.#server.now, packet),
        connected() {},
        closed() {},
      },
    );
    this.association = new Association({ random, drops: new DropCounters() }, pageDatapath, this.dtls, {
      established() {},
      message() {},
      incomingStreamsReset() {},
      outgoingStreamsReset() {},
      closed() {},
    });
  }

  get connection(): Connection {
    return this.session.connection!;
  }

  /** A check that verifies. Returns its bytes. */
  check(from: SocketAddress, nominated: boolean, extra: StunAttribute[] = []): number {
    const { session } = this;
    const { random } = this.#server;
    const request = writeBindingRequest({
      transactionId: random.bytes(12),
      username: `${session.localUfrag}:${session.remoteUfrag}`,
      key: new TextEncoder().encode(session.localPwd),
      priority: 1,
      tieBreaker: random.bytes(8),
      role: "controlling",
      useCandidate: nominated,
      extra,
    });
    this.#deliver(from, request);
    return request.length;
  }

  /** Sends what is in the outbox. Returns its bytes. */
  send(from: SocketAddress): number {
    this.association.flush(this.#server.now);
    let bytes = 0;
    for (const datagram of this.outbox.splice(0)) {
      bytes += datagram.length;
      this.#deliver(from, datagram);
    }
    return bytes;
  }

  /** Sends a message. Returns the bytes that it and all before it take. */
  say(from: SocketAddress, message = new Uint8Array(8)): number {
    const data = { streamId: 0, ppid: PPID_BINARY, data: message, ordered: false, maxRetransmits: 0 };
    this.association.send(this.#server.now, data);
    return this.send(from);
  }

  /** Takes in what the server has sent to an address since the last time; what went elsewhere is lost. */
  hear(at: SocketAddress): void {
    const { sent, now } = this.#server;
    const fresh = sent.slice(this.#heard);
    this.#heard = sent.length;
    for (const { to, datagram } of fresh) {
      if (isSameAddress(to, at) && !isStun(datagram[0])) this.dtls.handleDatagram(now, datagram);
    }
    this.association.flush(now);
  }

  /** Sends and hears in turn, until neither has more to say. */
  converse(at: SocketAddress): void {
    this.hear(at);
    while (this.send(at) > 0) this.hear(at);
  }

  /** Both are open, and idle. */
  open(at: SocketAddress, nominated = true): this {
    this.check(at, nominated);
    this.dtls.start(this.#server.now);
    this.converse(at);
    this.say(at);
    this.converse(at);
    return this;
  }

  #deliver(from: SocketAddress, datagram: Uint8Array): void {
    const { endpoint, now } = this.#server;
    endpoint.handleDatagram(now, from, datagram);
    endpoint.flush(now);
  }
}
