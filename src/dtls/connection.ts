import { randomBytes, type RandomSource } from "../crypto/platform.ts";
import type { Datapath } from "../wasm/datapath.ts";
import { DropCounters } from "../wire/drops.ts";
import { Timers } from "../wire/timers.ts";
import {
  ALERT_CLOSE_NOTIFY,
  ALERT_DECODE_ERROR,
  ALERT_LEVEL_FATAL,
  ALERT_LEVEL_WARNING,
  ALERT_NO_RENEGOTIATION,
  ALERT_UNEXPECTED_MESSAGE,
  type AlertDescription,
  parseAlert,
} from "./alert.ts";
import type { Certificate } from "./certificate.ts";
import { ClientStart } from "./client-start.ts";
import { EarlyQueue } from "./early.ts";
import { Flight, type FlightItem } from "./flight.ts";
import { type FragmentResult, type HandshakeMessage, Reassembly } from "./handshake.ts";
import { type KeyLog, keyLogLine } from "./keylog.ts";
import {
  type HandshakeFacts,
  type HandshakeHost,
  type HandshakeMachine,
  type HandshakeSettings,
  MALFORMED,
} from "./machine.ts";
import { CLIENT_HELLO, HELLO_REQUEST } from "./messages.ts";
import {
  CONTENT_ALERT,
  CONTENT_APPLICATION_DATA,
  CONTENT_CHANGE_CIPHER_SPEC,
  CONTENT_HANDSHAKE,
  MAX_SEQUENCE,
  OVERHEAD_12,
  RecordLayer,
  type WriteEpoch,
} from "./record.ts";
import { ServerStart } from "./server-start.ts";

export interface DtlsOptions {
  role: "client" | "server";
  /** Ours. Always shown as server; as client, when the server asks. */
  certificate: Certificate;
  /**
   * Asked once, before any application data passes: is this (DER) the certificate that signalling announced? Compare its
   * SHA-256 with the fingerprint (RFC 8827 §6.5). `false` ends the handshake with bad_certificate.
   */
  verifyPeerCertificate(der: Uint8Array): boolean;
  /** Seals and opens records. May be shared by any number of connections that do not call each other synchronously. */
  datapath: Datapath;
  /** Largest UDP payload, in bytes, 128 … 2,048. Default 1,200, which passes every path in use. */
  mtuBytes?: number;
  /**
   * First retransmission timeout, in milliseconds; it doubles with each further one, up to 60,000. Default 200.
   * RFC 6347 §4.2.4.1 says 1 s and allows less for real time; RFC 9147 §5.8.2 recommends 400 ms for DTLS-SRTP. Browsers
   * begin at 50 … 130 ms (measured), and a repeated flight costs a server one datagram of 700 bytes.
   */
  initialTimeoutMs?: number;
  /** A handshake that takes longer is given up, in milliseconds. Default 30,000. */
  handshakeTimeoutMs?: number;
  /** Server: ask for the client's certificate and refuse a client without. Default true; WebRTC needs it. */
  requireClientCertificate?: boolean;
  /**
   * Server: make an unknown client repeat its hello with a cookie (HelloVerifyRequest, RFC 6347 §4.2.1), bound to `peer`,
   * the bytes of its address and port. Costs a round trip; not needed where a STUN check has verified the address.
   */
  helloVerify?: { secret: Uint8Array; peer: Uint8Array };
  /** Given each secret in NSS key log format: for Wireshark, never in production. */
  keyLog?: KeyLog;
  /** Where dropped records and messages are counted. Default: a table of its own. */
  drops?: DropCounters;
  /** Source of hello randoms. Default: the platform's secure random source. */
  random?: RandomSource;
  /** Records sent with one key before the connection is closed. Default and limit 2^48 − 16. */
  maxRecords?: number;
}

/** What a connection tells its owner. Called synchronously, from inside the call that caused it. */
export interface DtlsEvents {
  /** Send this UDP datagram, of at most `mtuBytes`. Borrowed: a view that is valid until some datagrams later. */
  transmit(datagram: Uint8Array): void;
  /**
   * Authentic data of the verified peer, one record's worth. Borrowed: valid until this call returns.
   *
   * @param offset where it lies in the datapath's memory; `undefined` where it had to wait elsewhere
   */
  applicationData(plaintext: Uint8Array, offset: number | undefined): void;
  /**
   * The handshake is complete and the peer verified. Called before our last flight leaves, so that what is sent from
   * inside this call rides in the same datagram.
   */
  connected(): void;
  /** The end, whoever brought it about; called once, last. */
  closed(reason: DtlsCloseReason): void;
}

/** Why a connection ended. */
export interface DtlsCloseReason {
  /**
   * `local`: {@link DtlsConnection.close}. `peer`: its close_notify. `peer-alert`: its fatal alert. `alert`: we refused what
   * it sent. `timeout`: the handshake took too long. `exhausted`: no record number left.
   */
  readonly cause: "local" | "peer" | "peer-alert" | "alert" | "timeout" | "exhausted";
  /** With `alert` and `peer-alert`: the description's number (RFC 8446 §6); `alertName` gives its name. */
  readonly alert?: AlertDescription;
}

export type DtlsState = "new" | "handshaking" | "connected" | "closed";

const DEFAULT_MTU_BYTES = 1_200;
const DEFAULT_INITIAL_TIMEOUT_MS = 200;
const DEFAULT_HANDSHAKE_TIMEOUT_MS = 30_000;
/** RFC 6347 §4.2.4.1: doubled "up to no less than the RFC 6298 maximum of 60 seconds". */
const MAX_TIMEOUT_MS = 60_000;
/** A repeated flight is answered, but not again within this share of the initial timeout: it comes in several datagrams. */
const REPEAT_GUARD = 1 / 8;
/** RFC 6347 §4.1.1.1: "if repeated retransmissions do not result in a response … back off to a smaller record size". */
const TIMEOUTS_BEFORE_SMALLER_MTU = 3;
/** Every IPv4 path takes 576 bytes; less IP and UDP headers. */
const SMALL_MTU_BYTES = 548;
/** Left over when the limit is reached, for the alert that says so. */
const RESERVED_SEQUENCES = 16;

/**
 * One DTLS connection, without input or output of its own: datagrams, the time and application data come in; datagrams,
 * application data, state changes and the next deadline come out. It can be driven by any harness with its own clock.
 *
 * @example
 * const server = new DtlsConnection({ role: "server", certificate, datapath, verifyPeerCertificate }, events);
 * server.handleDatagram(now, datagram);      // → events.transmit, events.connected, events.applicationData
 * if (now >= server.nextDeadline) server.handleTimeout(now);
 */
export class DtlsConnection {
  readonly #events: DtlsEvents;
  readonly #datapath: Datapath;
  readonly #drops: DropCounters;
  readonly #records: RecordLayer;
  readonly #keyLog: KeyLog | undefined;
  readonly #initialTimeoutMs: number;
  readonly #handshakeTimeoutMs: number;
  readonly #maxRecords: number;
  readonly #facts: HandshakeFacts = {
    version: undefined,
    cipherSuite: undefined,
    group: undefined,
    peerCertificate: undefined,
  };
  readonly #timers = new Timers<"retransmit" | "handshake">();
  readonly #reassembly = new Reassembly();
  readonly #earlyRecords = new EarlyQueue();
  readonly #earlyData = new EarlyQueue();
  #machine: HandshakeMachine;
  #state: DtlsState = "new";
  #now = 0;
  #flight: Flight | undefined;
  #timeoutMs: number;
  #timeouts = 0;
  #nextMessage = 0;
  #write: WriteEpoch;
  /** A protected record of the peer was opened: from then on nothing unprotected can end the connection. */
  #authenticated = false;
  #maxPlaintextBytes: number;

  /** @throws RangeError or TypeError naming the option and its limit. */
  constructor(options: DtlsOptions, events: DtlsEvents) {
    const {
      role,
      mtuBytes = DEFAULT_MTU_BYTES,
      initialTimeoutMs = DEFAULT_INITIAL_TIMEOUT_MS,
      handshakeTimeoutMs = DEFAULT_HANDSHAKE_TIMEOUT_MS,
      drops = new DropCounters(),
      maxRecords = MAX_SEQUENCE - RESERVED_SEQUENCES + 1,
    } = options;
    if (role !== "client" && role !== "server") throw new TypeError('role must be "client" or "server"');
    if (!(Number.isInteger(mtuBytes) && mtuBytes >= 128 && mtuBytes <= 2048)) {
      throw new RangeError("mtuBytes must be an integer, 128 … 2048"); // Chromium breaks on records over 2,048 bytes.
    }
    if (!(initialTimeoutMs >= 1 && initialTimeoutMs <= MAX_TIMEOUT_MS)) {
      throw new RangeError(`initialTimeoutMs must be 1 … ${MAX_TIMEOUT_MS}`);
    }
    if (!(handshakeTimeoutMs >= 1)) throw new RangeError("handshakeTimeoutMs must be at least 1");
    if (!(maxRecords >= 1 && maxRecords <= MAX_SEQUENCE - RESERVED_SEQUENCES + 1)) {
      throw new RangeError("maxRecords must be 1 … 2^48 - 16");
    }
    this.#events = events;
    this.#datapath = options.datapath;
    this.#drops = drops;
    this.#keyLog = options.keyLog;
    this.#initialTimeoutMs = initialTimeoutMs;
    this.#handshakeTimeoutMs = handshakeTimeoutMs;
    this.#timeoutMs = initialTimeoutMs;
    this.#maxRecords = maxRecords;
    this.#maxPlaintextBytes = mtuBytes - OVERHEAD_12;
    this.#records = new RecordLayer(this.#datapath, mtuBytes, drops, {
      transmit: (datagram) => this.#events.transmit(datagram),
      content: (epoch, type, offset, length) => this.#handleContent(epoch, type, offset, length),
      unreadable: (epoch, record) => this.#handleUnreadable(epoch, record),
    });
    this.#write = this.#records.writeEpoch(0);
    const host = this.#host(settingsOf(options));
    this.#machine = role === "server" ? new ServerStart(host) : new ClientStart(host);
  }

  get state(): DtlsState {
    return this.#state;
  }

  /** The negotiated version, once it is known. */
  get version(): HandshakeFacts["version"] {
    return this.#facts.version;
  }

  /** The negotiated cipher suite's IANA number, e.g. 0xc02b, once it is known. */
  get cipherSuite(): number | undefined {
    return this.#facts.cipherSuite;
  }

  /** The key exchange's group by its IANA number, e.g. 0x001d for X25519, once it is known. */
  get group(): number | undefined {
    return this.#facts.group;
  }

  /** The peer's certificate (DER), once it was verified. */
  get peerCertificate(): Uint8Array | undefined {
    return this.#facts.peerCertificate;
  }

  /** The longest plaintext that `send` and `commit` take, in bytes. */
  get maxPlaintextBytes(): number {
    return this.#maxPlaintextBytes;
  }

  /** The same, under the name it has for SCTP: one packet per record (RFC 8261 §5). */
  get maxPacketBytes(): number {
    return this.#maxPlaintextBytes;
  }

  /** When {@link handleTimeout} wants to be called, in the clock of `now`; `Infinity` when never. */
  get nextDeadline(): number {
    return this.#timers.next;
  }

  /** Client: sends the ClientHello. A server waits for one and needs no start. */
  start(now: number): void {
    if (this.#state !== "new") return;
    this.#now = now;
    if (this.#machine.start === undefined) return;
    this.#beginHandshake();
    this.#machine.start();
    this.#records.flush();
  }

  /** Takes a received UDP datagram, which is copied into the datapath's memory. Never throws. */
  handleDatagram(now: number, datagram: Uint8Array): void {
    if (this.#state === "closed") return;
    this.#now = now;
    this.#records.read(datagram);
    if (!this.#earlyRecords.isEmpty || !this.#earlyData.isEmpty) this.#handleEarly();
    this.#records.flush();
  }

  /** Call at or after {@link nextDeadline}; calling it earlier does no harm. */
  handleTimeout(now: number): void {
    this.#now = now;
    for (let due = this.#timers.expire(now); due !== undefined; due = this.#timers.expire(now)) {
      if (due === "handshake") {
        this.#end({ cause: "timeout" });
        return;
      }
      this.#timeouts++;
      if (this.#timeouts === TIMEOUTS_BEFORE_SMALLER_MTU) {
        this.#records.mtuBytes = Math.min(this.#records.mtuBytes, SMALL_MTU_BYTES);
      }
      this.#timeoutMs = Math.min(2 * this.#timeoutMs, MAX_TIMEOUT_MS);
      this.#transmitFlight();
    }
    this.#records.flush();
  }

  /**
   * Copies, seals and sends one record. False, and nothing sent, while the connection is not connected.
   * @throws RangeError where `plaintext` is longer than {@link maxPlaintextBytes}.
   */
  send(now: number, plaintext: Uint8Array): boolean {
    if (plaintext.length > this.#maxPlaintextBytes) {
      throw new RangeError(`plaintext must have at most ${this.#maxPlaintextBytes} bytes, not ${plaintext.length}`);
    }
    const at = this.begin();
    this.#datapath.memory.set(plaintext, at);
    return this.commit(now, at, plaintext.length);
  }

  /**
   * Zero copy, first half: the offset in `datapath.memory` from which on a plaintext of at most {@link maxPlaintextBytes} may
   * be written. Room left in front of it stays unused; there is room for as many bytes again behind.
   */
  begin(): number {
    return this.#records.begin();
  }

  /**
   * Zero copy, second half: seals the `length` bytes at `plaintextOffset` in place and sends them. False, and nothing sent,
   * while the connection is not connected.
   */
  commit(now: number, plaintextOffset: number, length: number): boolean {
    if (this.#state !== "connected") return false;
    if (this.#write.sequence >= this.#maxRecords) {
      this.#now = now;
      this.#end({ cause: "exhausted" }, ALERT_CLOSE_NOTIFY);
      return false;
    }
    this.#records.commit(this.#write, plaintextOffset, length);
    return true;
  }

  /** Sends close_notify, wipes all keys and ends the connection. */
  close(now: number): void {
    this.#now = now;
    this.#end({ cause: "local" }, this.#state === "new" ? undefined : ALERT_CLOSE_NOTIFY);
  }

  /**
   * Keying material bound to this connection (RFC 5705; RFC 8446 §7.5), the same on both sides.
   * @param length bytes, 1 … 8,160
   * @throws Error while not connected; RangeError for the length.
   */
  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array {
    if (this.#state !== "connected") throw new Error(`cannot export keying material while ${this.#state}`);
    // 255 blocks of SHA-256, the limit of HKDF-Expand (RFC 5869 §2.3).
    if (!(Number.isInteger(length) && length >= 1 && length <= 8160)) throw new RangeError("length must be 1 … 8160");
    return this.#machine.exportKeyingMaterial(label, length, context);
  }

  // --- records in ---

  #handleContent(epoch: number, type: number, offset: number, length: number): void {
    const content = this.#datapath.memory.subarray(offset, offset + length);
    if (epoch > 0) {
      this.#authenticated = true;
      if (type === CONTENT_APPLICATION_DATA) {
        this.#handleApplicationData(content, offset);
        return;
      }
    } else if (this.#state === "connected") {
      // Anybody can send these. A ClientHello among them may come from a restarted peer: whether it replaces this
      // connection is for the owner to decide, who knows whether the address was verified anew.
      this.#drops.count("dtls-unexpected");
      return;
    }
    if (type === CONTENT_HANDSHAKE) this.#handleHandshake(epoch, content);
    else if (type === CONTENT_ALERT) this.#handleAlert(epoch, content);
    // A ChangeCipherSpec says what the epoch of the following record says as well; it is not waited for.
    else if (type !== CONTENT_CHANGE_CIPHER_SPEC || epoch > 0) this.#drops.count("dtls-unexpected");
  }

  #handleApplicationData(content: Uint8Array, offset: number): void {
    if (this.#state === "connected") {
      // The peer sends data, so it has our last flight.
      if (this.#flight !== undefined) this.#flight = undefined;
      this.#events.applicationData(content, offset);
    } else if (!this.#earlyData.push(content)) {
      this.#drops.count("dtls-reassembly-limit");
    }
  }

  #handleUnreadable(epoch: number, record: Uint8Array): void {
    if (this.#state !== "handshaking" || epoch !== 1) this.#drops.count("dtls-unknown-epoch");
    else if (!this.#earlyRecords.push(record)) this.#drops.count("dtls-reassembly-limit");
  }

  /** What came too early is looked at again. It goes back into its queue where it still is too early. */
  #handleEarly(): void {
    for (const record of this.#earlyRecords.drain()) this.#records.read(record);
    if (this.#state !== "connected") return;
    for (const data of this.#earlyData.drain()) {
      if (this.#state === "connected") this.#events.applicationData(data, undefined);
    }
  }

  #handleAlert(epoch: number, content: Uint8Array): void {
    const alert = parseAlert(content);
    if (alert === undefined || (epoch === 0 && this.#authenticated)) {
      // RFC 6347 §4.1.2.7: a forged alert must not end a connection.
      this.#drops.count(alert === undefined ? "dtls-malformed" : "dtls-unexpected");
      return;
    }
    if (alert.description === ALERT_CLOSE_NOTIFY) {
      // RFC 5246 §7.2.1: "The other party MUST respond with a close_notify alert of its own and close down the
      // connection immediately".
      this.#end({ cause: "peer" }, ALERT_CLOSE_NOTIFY);
    } else if (alert.level === ALERT_LEVEL_FATAL) {
      this.#end({ cause: "peer-alert", alert: alert.description });
    }
  }

  // --- handshake ---

  #handleHandshake(epoch: number, content: Uint8Array): void {
    if (this.#state === "new") this.#beginHandshake();
    if (this.#state === "connected" && asksForRenegotiation(content)) {
      // RFC 5746 §4.5: "it is RECOMMENDED that servers not … renegotiate"; the connection goes on (RFC 5246 §7.2.2).
      this.#alert(ALERT_LEVEL_WARNING, ALERT_NO_RENEGOTIATION);
      return;
    }
    this.#reassembly.addRecord(epoch, content, (result) => this.#handleFragmentResult(result));
    while (this.#state !== "closed") {
      const message = this.#reassembly.take();
      if (message === undefined) return;
      const outcome = this.#machine.handle(message);
      if (typeof outcome === "number") {
        this.#fail(outcome);
      } else if (outcome !== undefined && message.epoch > 0) {
        this.#fail(outcome === MALFORMED ? ALERT_DECODE_ERROR : ALERT_UNEXPECTED_MESSAGE);
      } else if (outcome !== undefined) {
        // Nobody vouches for what is not protected: forget it, the true message may still come.
        this.#drops.count(outcome === MALFORMED ? "dtls-malformed" : "dtls-unexpected");
        this.#reassembly.reject(message);
        return;
      }
    }
  }

  #handleFragmentResult(result: FragmentResult): void {
    if (typeof result === "string") {
      this.#drops.count(result);
      return;
    }
    // RFC 6347 §4.2.4: a repeated flight means that the peer lacks our answer to it.
    const flight = this.#flight;
    if (flight === undefined || result?.repeated !== flight.answers) return;
    if (this.#now - flight.sentAt >= this.#initialTimeoutMs * REPEAT_GUARD) this.#transmitFlight();
  }

  #beginHandshake(): void {
    this.#state = "handshaking";
    this.#timers.set("handshake", this.#now + this.#handshakeTimeoutMs);
  }

  #sendFlight(items: readonly FlightItem[], answered: HandshakeMessage | undefined, last: boolean): void {
    // RFC 6347 §4.2.4.1: the timer value is kept "until a transmission without loss occurs".
    if (this.#flight?.transmissions === 1) this.#timeoutMs = this.#initialTimeoutMs;
    this.#timeouts = 0;
    this.#flight = new Flight(items, answered?.sequence ?? -1, !last);
    this.#transmitFlight();
    const final = items[items.length - 1];
    this.#write = this.#records.writeEpoch(typeof final === "object" ? final.epoch : 0);
  }

  /** Adds the present flight to the datagram under construction; whoever called flushes. */
  #transmitFlight(): void {
    const flight = this.#flight;
    if (flight === undefined) return;
    flight.write(this.#now, this.#records, this.#datapath);
    if (flight.expectsAnswer) this.#timers.set("retransmit", this.#now + this.#timeoutMs);
    else this.#timers.clear("retransmit");
  }

  #complete(): void {
    this.#state = "connected";
    this.#timers.clearAll();
    // The last flight may be asked for again; a client's is answered by now.
    if (this.#flight?.expectsAnswer) this.#flight = undefined;
    this.#events.connected();
  }

  #host(settings: HandshakeSettings): HandshakeHost {
    return {
      settings,
      facts: this.#facts,
      message: (type, body, epoch = 0) => ({ type, body, epoch, sequence: this.#nextMessage++ }),
      sendFlight: (items, answered, last = false) => this.#sendFlight(items, answered, last),
      installKeys12: (write, read) => this.#records.installKeys12(1, write, read),
      complete: () => this.#complete(),
      become: (machine) => {
        this.#machine = machine;
      },
      logSecret: (label, clientRandom, secret) => this.#keyLog?.(keyLogLine(label, clientRandom, secret)),
    };
  }

  // --- the end ---

  #fail(alert: AlertDescription): void {
    this.#end({ cause: "alert", alert }, alert);
  }

  #end(reason: DtlsCloseReason, alert?: AlertDescription): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    if (alert !== undefined) {
      // RFC 5246 §7.2.1: close_notify is a warning by tradition; every other alert of ours is fatal.
      this.#alert(alert === ALERT_CLOSE_NOTIFY ? ALERT_LEVEL_WARNING : ALERT_LEVEL_FATAL, alert);
    }
    this.#records.flush();
    this.#records.close();
    this.#machine.wipe();
    this.#timers.clearAll();
    this.#flight = undefined;
    this.#events.closed(reason);
  }

  #alert(level: number, description: AlertDescription): void {
    this.#records.addBytes(this.#write, CONTENT_ALERT, Uint8Array.of(level, description));
  }
}

/** The beginning of a HelloRequest or ClientHello; a new handshake counts its messages from 0 again (RFC 6347 §4.2.2). */
function asksForRenegotiation(content: Uint8Array): boolean {
  return content[0] === HELLO_REQUEST || content[0] === CLIENT_HELLO;
}

function settingsOf(options: DtlsOptions): HandshakeSettings {
  const { certificate, requireClientCertificate = true, helloVerify, random = randomBytes } = options;
  const verifyPeerCertificate = (der: Uint8Array) => options.verifyPeerCertificate(der);
  return { certificate, verifyPeerCertificate, requireClientCertificate, helloVerify, random };
}
