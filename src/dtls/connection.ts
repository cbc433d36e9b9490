import type { Datapath } from "../wasm/datapath.ts";
import type { DropCounters } from "../wire/drops.ts";
import { Timers } from "../wire/timers.ts";
import {
  ALERT_CLOSE_NOTIFY,
  ALERT_DECODE_ERROR,
  ALERT_INTERNAL_ERROR,
  ALERT_LEVEL_FATAL,
  ALERT_LEVEL_WARNING,
  ALERT_NO_RENEGOTIATION,
  ALERT_UNEXPECTED_MESSAGE,
  ALERT_USER_CANCELED,
  type AlertDescription,
  parseAlert,
} from "./alert.ts";
import { ClientStart } from "./client-start.ts";
import { Delivery } from "./delivery.ts";
import { EarlyQueue } from "./early.ts";
import { FIRST_APPLICATION_EPOCH, HANDSHAKE_EPOCH } from "./epochs.ts";
import type { FlightItem } from "./flight.ts";
import type { HandshakeMessage } from "./handshake.ts";
import { type KeyLog, type KeyLogLabel, keyLogLine } from "./keylog.ts";
import type { TrafficKey } from "./keys12.ts";
import {
  type DtlsVersion,
  type FlightPlan,
  type HandshakeFacts,
  type HandshakeHost,
  type HandshakeMachine,
  type HandshakeSettings,
  MALFORMED,
} from "./machine.ts";
import { CLIENT_HELLO, HELLO_REQUEST, SERVER_HELLO_DONE } from "./messages.ts";
import { type DtlsCloseReason, type DtlsEvents, type DtlsOptions, MAX_RECORDS_13, resolveOptions } from "./options.ts";
import {
  CONTENT_ACK,
  CONTENT_ALERT,
  CONTENT_APPLICATION_DATA,
  CONTENT_CHANGE_CIPHER_SPEC,
  CONTENT_HANDSHAKE,
  OVERHEAD_12,
  type RecordEvents,
  RecordLayer,
} from "./record.ts";
import { Provisional } from "./provisional.ts";
import { ServerStart } from "./server-start.ts";

export type { DtlsVersion } from "./machine.ts";
export type { DtlsCloseReason, DtlsEvents, DtlsOptions } from "./options.ts";

export type DtlsState = "new" | "handshaking" | "connected" | "closed";

/** RFC 9147 §4.5.3: the limit is 2^24.5 records, the change begins at 2^24. */
const KEY_OVERTIME = Math.SQRT2;
/** A client makes another hello after so many timeouts, by when it has sent its unanswered flight four times, the last in small datagrams. */
const START_ANEW_AFTER = 10;
/** Stands for a message_seq before the first: the checkpoint of a client that has said nothing yet. */
const BEFORE_ALL = -1;
/** RFC 9147 §5.8.1: for "at least twice the default MSL", 2 minutes, a server answers the client's repeated last flight. */
const LINGER_MS = 240_000;

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
  readonly #delivery: Delivery;
  readonly #keyLog: KeyLog | undefined;
  readonly #handshakeTimeoutMs: number;
  readonly #mirrorsSequence: boolean;
  readonly #compact: boolean;
  /** Records that one key may seal. */
  #maxRecords: number;
  /** Until the handshake is complete. */
  #settings: HandshakeSettings | undefined;
  readonly #facts: HandshakeFacts = {
    version: undefined,
    cipherSuite: undefined,
    group: undefined,
    peerCertificate: undefined,
  };
  readonly #timers = new Timers<"handshake" | "start-anew" | "linger">();
  #earlyRecords: EarlyQueue | undefined;
  #earlyData: EarlyQueue | undefined;
  #machine: HandshakeMachine;
  #state: DtlsState = "new";
  /** Application data may be sent. */
  #writable = false;
  #now = 0;
  /** Until a protected record of the peer was opened: from then on nothing unprotected can end the connection. */
  #provisional: Provisional | undefined = new Provisional();
  readonly #mtuBytes: number;
  #maxPlaintextBytes: number;

  /** @throws RangeError or TypeError naming the option and its limit. */
  constructor(options: DtlsOptions, events: DtlsEvents) {
    const { role, mtuBytes, handshakeMtuBytes, initialTimeoutMs, handshakeTimeoutMs, maxRecords, drops, settings } =
      resolveOptions(options);
    this.#events = events;
    this.#datapath = options.datapath;
    this.#drops = drops;
    this.#keyLog = options.keyLog;
    this.#handshakeTimeoutMs = handshakeTimeoutMs;
    this.#maxRecords = maxRecords;
    this.#compact = options.compact === true;
    this.#settings = settings;
    this.#mtuBytes = mtuBytes;
    this.#maxPlaintextBytes = mtuBytes - OVERHEAD_12;
    const inside = new DtlsConnection.#Inside(this);
    this.#records = new RecordLayer(this.#datapath, handshakeMtuBytes, drops, inside);
    this.#delivery = new Delivery(this.#records, this.#datapath, drops, initialTimeoutMs);
    this.#mirrorsSequence = settings.helloVerify !== undefined;
    this.#machine = role === "server" ? new ServerStart(inside) : new ClientStart(inside);
  }

  get state(): DtlsState {
    return this.#state;
  }

  /** The negotiated version, once it is known. */
  get version(): DtlsVersion | undefined {
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

  /** The longest plaintext that `send` and `commit` take, in bytes. It grows a little where DTLS 1.3 is agreed on. */
  get maxPlaintextBytes(): number {
    return this.#maxPlaintextBytes;
  }

  /** The same, under the name it has for SCTP: one packet per record (RFC 8261 §5). */
  get maxPacketBytes(): number {
    return this.#maxPlaintextBytes;
  }

  /** When {@link handleTimeout} wants to be called, in the clock of `now`; `Infinity` when never. */
  get nextDeadline(): number {
    return Math.min(this.#timers.next, this.#delivery.nextDeadline);
  }

  /** Client: sends the ClientHello. A server waits for one and needs no start. */
  start(now: number): void {
    if (this.#state !== "new" || this.#machine.start === undefined) return;
    this.#now = now;
    this.#beginHandshake();
    this.#provisional?.accept(BEFORE_ALL, this.#checkpoint(0));
    this.#machine.start();
    this.#records.flush();
  }

  /** Takes a received UDP datagram, which is copied into the datapath's memory. Never throws. */
  handleDatagram(now: number, datagram: Uint8Array): void {
    if (this.#isClosed) return;
    this.#now = now;
    this.#records.read(datagram);
    if (this.#earlyRecords !== undefined || this.#earlyData !== undefined) this.#handleEarly();
    if (this.#isClosed) return;
    this.#delivery.settleAcks(now, this.#state === "connected");
    this.#records.flush();
  }

  /** Call at or after {@link nextDeadline}; calling it earlier does no harm. */
  handleTimeout(now: number): void {
    this.#now = now;
    for (let due = this.#timers.expire(now); due !== undefined; due = this.#timers.expire(now)) {
      if (due === "linger") this.#records.epochs.releaseRead(HANDSHAKE_EPOCH);
      else if (due === "start-anew") this.#startAnew();
      else this.#end({ cause: "timeout" });
    }
    this.#delivery.handleTimeout(now);
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
    if (!this.#writable) return false;
    if (this.#records.epochs.current.sequence >= this.#maxRecords) {
      return this.#commitLate(now, plaintextOffset, length);
    }
    this.#records.commit(plaintextOffset, length);
    return true;
  }

  /** DTLS 1.3: replaces our key for application data, and the peer's if `requestPeer`. Does nothing in DTLS 1.2. */
  updateKey(now: number, requestPeer = false): void {
    if (this.#state !== "connected") return;
    this.#now = now;
    this.#machine.updateKey?.(requestPeer);
    this.#records.flush();
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

  /** The key has sealed as many records as it should: in DTLS 1.3 another one takes over, for which there is some room left. */
  #commitLate(now: number, plaintextOffset: number, length: number): boolean {
    this.#now = now;
    const { sequence } = this.#records.epochs.current;
    if (this.#facts.version === "1.2" || sequence >= this.#maxRecords * KEY_OVERTIME) {
      this.#end({ cause: "exhausted" }, ALERT_CLOSE_NOTIFY);
      return false;
    }
    if (this.#state === "connected") this.#machine.updateKey?.(false);
    this.#records.commit(plaintextOffset, length);
    this.#records.flush();
    return true;
  }

  // --- records in ---

  #handleContent(epoch: number, type: number, offset: number, length: number, sequence: number): void {
    if (epoch > 0) {
      if (this.#provisional !== undefined) this.#settle();
      if (type === CONTENT_APPLICATION_DATA && epoch !== HANDSHAKE_EPOCH) {
        this.#handleApplicationData(offset, length);
        return;
      }
    } else if (this.#state === "connected") {
      // Anybody can send these. A ClientHello among them may come from a restarted peer: whether it replaces this
      // connection is for the owner to decide, who knows whether the address was verified anew.
      this.#drops.count("dtls-unexpected");
      return;
    }
    const content = this.#datapath.memory.subarray(offset, offset + length);
    if (type === CONTENT_HANDSHAKE) this.#handleHandshake(epoch, sequence, content);
    else if (type === CONTENT_ALERT) this.#handleAlert(epoch, content);
    else if (type === CONTENT_ACK && this.#delivery.acknowledges) this.#delivery.handleAck(this.#now, epoch, content);
    // A ChangeCipherSpec says what the epoch of the following record says as well; it is not waited for.
    else if (type !== CONTENT_CHANGE_CIPHER_SPEC || epoch > 0) this.#drops.count("dtls-unexpected");
  }

  #handleApplicationData(offset: number, length: number): void {
    if (this.#state === "connected") {
      this.#delivery.forgetAnsweredFlight();
      if (this.#events.applicationDataAt !== undefined) this.#events.applicationDataAt(offset, length);
      else this.#events.applicationData(this.#datapath.memory.subarray(offset, offset + length));
      return;
    }
    this.#earlyData ??= new EarlyQueue();
    const early = this.#datapath.memory.subarray(offset, offset + length);
    if (!this.#earlyData.push(early)) this.#drops.count("dtls-reassembly-limit");
  }

  #handleUnreadable(record: Uint8Array): void {
    // Of DTLS 1.2 only epoch 1 can become readable.
    const hopeful = record[0] > CONTENT_ACK || (record[3] === 0 && record[4] === 1);
    if (this.#state !== "handshaking" || !hopeful) {
      this.#drops.count("dtls-unknown-epoch");
      return;
    }
    this.#earlyRecords ??= new EarlyQueue();
    if (!this.#earlyRecords.push(record)) this.#drops.count("dtls-reassembly-limit");
    // RFC 9147 §7.1: a client without the ServerHello says so with an empty acknowledgement.
    else if (record[0] > CONTENT_ACK) this.#delivery.expectMore(this.#now);
  }

  /** What came too early is looked at again. It goes back into its queue where it still is too early. */
  #handleEarly(): void {
    const records = this.#earlyRecords?.entries ?? [];
    this.#earlyRecords = undefined;
    for (const record of records) this.#records.read(record);
    if (this.#state !== "connected") return;
    const waiting = this.#earlyData?.entries ?? [];
    this.#earlyData = undefined;
    for (const data of waiting) {
      if (this.#state === "connected") this.#events.applicationData(data);
    }
  }

  #handleAlert(epoch: number, content: Uint8Array): void {
    const alert = parseAlert(content);
    if (alert === undefined || (epoch === 0 && this.#provisional === undefined)) {
      // RFC 6347 §4.1.2.7: a forged alert must not end a connection.
      this.#drops.count(alert === undefined ? "dtls-malformed" : "dtls-unexpected");
      return;
    }
    const { level, description } = alert;
    // RFC 8446 §6: "error alerts … MUST be treated as error alerts when received regardless of the AlertLevel".
    const fatal = this.#facts.version === "1.3" ? description !== ALERT_USER_CANCELED : level === ALERT_LEVEL_FATAL;
    if (description === ALERT_CLOSE_NOTIFY) {
      // RFC 5246 §7.2.1: "The other party MUST respond with a close_notify alert of its own and close down the
      // connection immediately".
      this.#end({ cause: "peer" }, ALERT_CLOSE_NOTIFY);
    } else if (fatal) {
      this.#end({ cause: "peer-alert", alert: description });
    }
  }

  // --- handshake ---

  #handleHandshake(epoch: number, sequence: number, content: Uint8Array): void {
    if (this.#state === "new") this.#beginHandshake();
    if (this.#facts.version === "1.2" && this.#state === "connected" && asksForRenegotiation(content)) {
      // RFC 5746 §4.5: "it is RECOMMENDED that servers not … renegotiate"; the connection goes on (RFC 5246 §7.2.2).
      this.#alert(ALERT_LEVEL_WARNING, ALERT_NO_RENEGOTIATION);
      return;
    }
    if (this.#mirrorsSequence && epoch === 0) this.#mirrorSequence(sequence);
    this.#delivery.handleHandshake(this.#now, epoch, sequence, content);
    while (this.#state !== "closed") {
      const message = this.#delivery.take();
      if (message === undefined || !this.#handleMessage(message)) return;
    }
  }

  /**
   * RFC 6347 §4.2.1: a server that asks for cookies "MUST use the record sequence number in the ClientHello" in its answer, so
   * that it repeats none of which it has kept no account.
   */
  #mirrorSequence(sequence: number): void {
    const write = this.#records.epochs.write(0);
    if (sequence > write.sequence) write.sequence = sequence;
  }

  /** False where the message was given back. */
  #handleMessage(message: HandshakeMessage): boolean {
    const { flight } = this.#delivery;
    const provisional = message.epoch === 0 ? this.#provisional : undefined;
    if (provisional?.hasAccepted(message.sequence) && !this.#takeBack(provisional, message)) return true;
    const checkpoint = provisional && this.#checkpoint(message.sequence);
    const outcome = this.#machine.handle(message);
    if (outcome === undefined && checkpoint !== undefined) provisional?.accept(message.sequence, checkpoint);
    if (typeof outcome === "number" && this.#mayBeForged(message, outcome)) {
      this.#drops.count("dtls-unexpected");
      this.#delivery.reject(message);
      return false;
    } else if (typeof outcome === "number") {
      this.#fail(outcome);
    } else if (outcome !== undefined && message.epoch > 0) {
      this.#fail(outcome === MALFORMED ? ALERT_DECODE_ERROR : ALERT_UNEXPECTED_MESSAGE);
    } else if (outcome !== undefined) {
      // Nobody vouches for what is not protected: forget it, the true message may still come.
      this.#drops.count(outcome === MALFORMED ? "dtls-malformed" : "dtls-unexpected");
      this.#delivery.reject(message);
      return false;
    } else if (message.epoch > 0 && this.#state === "handshaking" && flight === this.#delivery.flight) {
      // RFC 9147 §7.2: "the receipt of any record responding to a given flight MUST be taken as an implicit acknowledgement".
      // Not a ServerHello that nothing protected has followed: the server may know another ClientHello than ours.
      this.#delivery.forgetFlight();
    }
    return true;
  }

  /**
   * A failure that unprotected messages alone have brought about is not yet one of the peer. What is refused is waited for again, and
   * so is what came before it, which may contradict what was accepted.
   */
  #mayBeForged({ epoch, type }: HandshakeMessage, alert: AlertDescription): boolean {
    if (epoch > 0 || this.#provisional === undefined) return false;
    if (alert === ALERT_INTERNAL_ERROR || type === SERVER_HELLO_DONE) return false;
    return this.#provisional.setBack(this.#now) && this.#provisional.isHopeful(this.#now);
  }

  /** Another message has come, twice, in the place of one that was accepted. */
  #takeBack(provisional: Provisional, message: HandshakeMessage): boolean {
    this.#drops.count("dtls-unexpected");
    if (!provisional.setBack(this.#now)) return false;
    provisional.goBack(message.sequence);
    this.#delivery.replace(message);
    return true;
  }

  /** Client: the server does not answer our answer, so perhaps our first hello or its own came garbled. There is another one. */
  #startAnew(): void {
    // A server whose answer is refused is no silent one.
    if (!this.#provisional?.isUndisturbed || !this.#provisional.setBack(this.#now)) return;
    this.#provisional.goBack(BEFORE_ALL);
    this.#provisional.accept(BEFORE_ALL, this.#checkpoint(0));
    this.#machine = this.#machine.anew?.() ?? this.#machine;
    this.#machine.start?.();
  }

  /** Notes how everything stands before an unprotected message. Calling what it returns goes back there, whatever came since. */
  #checkpoint(sequence: number): () => void {
    const machine = this.#machine;
    const restoreMachine = machine.checkpoint?.();
    const restoreDelivery = this.#delivery.checkpoint(sequence);
    const restoreKeys = this.#records.epochs.checkpoint();
    const facts = { ...this.#facts };
    return () => {
      if (this.#machine !== machine) this.#machine.wipe();
      this.#machine = machine;
      restoreMachine?.();
      restoreDelivery(this.#now);
      restoreKeys();
      Object.assign(this.#facts, facts);
      this.#timers.clear("start-anew");
      if (this.#writable) this.#events.startedOver?.();
      this.#writable = false;
    };
  }

  /** A protected record was opened: the hellos, and whatever else its key rests on, are the peer's. */
  #settle(): void {
    this.#provisional = undefined;
    this.#timers.clear("start-anew");
    this.#delivery.settle();
  }

  #beginHandshake(): void {
    this.#state = "handshaking";
    this.#timers.set("handshake", this.#now + this.#handshakeTimeoutMs);
  }

  /** Asked again after each step that may have ended the connection. */
  get #isClosed(): boolean {
    return this.#state === "closed";
  }

  #openForWriting(): void {
    this.#writable = true;
    if (this.#facts.version === "1.3") this.#maxRecords = Math.min(this.#maxRecords, MAX_RECORDS_13);
    this.#maxPlaintextBytes = this.#records.maxPlaintextBytes;
  }

  #complete(keepFlight: boolean): void {
    this.#state = "connected";
    this.#timers.clear("handshake");
    // A smaller one was a guess about why nothing came back; now something does.
    this.#records.mtuBytes = this.#mtuBytes;
    if (!keepFlight) {
      this.#delivery.forgetFlight();
      this.#records.epochs.releaseWrite(0);
    }
    // The client of DTLS 1.3 waits for the acknowledgement of its last flight, the server gives it.
    if (this.#facts.version === "1.3" && !keepFlight) {
      this.#delivery.acknowledge();
      this.#records.epochs.releaseWrite(HANDSHAKE_EPOCH);
      this.#timers.set("linger", this.#now + LINGER_MS);
    }
    this.#openForWriting();
    this.#settings = undefined;
    this.#events.connected();
    if (!this.#compact) return;
    this.#machine.forgetExporter?.();
    this.#facts.peerCertificate = undefined;
  }

  #sendFlight(items: readonly FlightItem[], answered: HandshakeMessage | undefined, plan: FlightPlan = {}): void {
    if (this.#state === "connected") {
      this.#delivery.sendNext(this.#now, items, plan);
      return;
    }
    this.#delivery.send(this.#now, items, answered, plan);
    if (answered !== undefined && this.#provisional?.hasAccepted(BEFORE_ALL)) {
      this.#timers.set("start-anew", this.#now + START_ANEW_AFTER * this.#delivery.timeoutMs);
    }
    const last = items[items.length - 1];
    if (typeof last === "object" && last.epoch > this.#records.epochs.current.epoch)
      this.#records.epochs.use(last.epoch);
  }

  #installWrite13(epoch: number, trafficSecret: Uint8Array): boolean {
    if (!this.#records.epochs.installWrite13(epoch, trafficSecret)) return false;
    this.#delivery.acknowledges = true;
    // Replaced by an acknowledged KeyUpdate: nothing will be sent in it again.
    if (epoch > FIRST_APPLICATION_EPOCH) this.#records.epochs.releaseWrite(epoch - 1);
    return true;
  }

  #installRead13(epoch: number, trafficSecret: Uint8Array): boolean {
    if (epoch > FIRST_APPLICATION_EPOCH) {
      // RFC 9147 §8: of the epochs before, the last is kept for what was on its way. So there are never more than four keys.
      this.#records.epochs.releaseRead(epoch - 2);
      // Who changes keys has long had the acknowledgement of its last handshake flight.
      this.#records.epochs.releaseRead(HANDSHAKE_EPOCH);
    }
    return this.#records.epochs.installRead13(epoch, trafficSecret);
  }

  /** The connection as its parts see it: one object for all that they call, and none of it public. */
  static readonly #Inside = class implements HandshakeHost, RecordEvents {
    readonly #connection: DtlsConnection;

    constructor(connection: DtlsConnection) {
      this.#connection = connection;
    }

    // For the state machine.

    get settings(): HandshakeSettings {
      const settings = this.#connection.#settings;
      if (settings === undefined) throw new Error("the handshake is over"); // our own bug
      return settings;
    }

    get facts(): HandshakeFacts {
      return this.#connection.#facts;
    }

    message(type: number, body: Uint8Array, epoch = 0): HandshakeMessage {
      return { type, body, epoch, sequence: this.#connection.#delivery.takeNumber() };
    }

    sendFlight(items: readonly FlightItem[], answered: HandshakeMessage | undefined, plan?: FlightPlan): void {
      this.#connection.#sendFlight(items, answered, plan);
    }

    installKeys12(write: TrafficKey, read: TrafficKey): boolean {
      return this.#connection.#records.epochs.install12(write, read);
    }

    installWrite13(epoch: number, trafficSecret: Uint8Array): boolean {
      return this.#connection.#installWrite13(epoch, trafficSecret);
    }

    installRead13(epoch: number, trafficSecret: Uint8Array): boolean {
      return this.#connection.#installRead13(epoch, trafficSecret);
    }

    releaseHandshakeKeys(): void {
      const { epochs } = this.#connection.#records;
      epochs.releaseWrite(HANDSHAKE_EPOCH);
      epochs.releaseRead(HANDSHAKE_EPOCH);
    }

    writable(): void {
      this.#connection.#openForWriting();
      this.#connection.#events.writable?.();
    }

    complete(keepFlight: boolean): void {
      this.#connection.#complete(keepFlight);
    }

    become(machine: HandshakeMachine): void {
      this.#connection.#machine = machine;
    }

    logSecret(label: KeyLogLabel, clientRandom: Uint8Array, secret: Uint8Array): void {
      this.#connection.#keyLog?.(keyLogLine(label, clientRandom, secret));
    }

    // For the record layer.

    transmit(datagram: Uint8Array): void {
      this.#connection.#events.transmit(datagram);
    }

    content(epoch: number, type: number, offset: number, length: number, sequence: number): void {
      this.#connection.#handleContent(epoch, type, offset, length, sequence);
    }

    unreadable(record: Uint8Array): void {
      this.#connection.#handleUnreadable(record);
    }

    forgeryLimit(): void {
      this.#connection.#end({ cause: "exhausted" }, ALERT_CLOSE_NOTIFY);
    }
  };

  // --- the end ---

  #fail(alert: AlertDescription): void {
    this.#end({ cause: "alert", alert }, alert);
  }

  #end(reason: DtlsCloseReason, alert?: AlertDescription): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#writable = false;
    if (alert !== undefined) {
      // RFC 5246 §7.2.1: close_notify is a warning by tradition; every other alert of ours is fatal.
      this.#alert(alert === ALERT_CLOSE_NOTIFY ? ALERT_LEVEL_WARNING : ALERT_LEVEL_FATAL, alert);
    }
    this.#records.flush();
    this.#records.close();
    this.#machine.wipe();
    this.#timers.clearAll();
    this.#delivery.close();
    this.#events.closed(reason);
  }

  #alert(level: number, description: AlertDescription): void {
    this.#records.addBytes(this.#records.epochs.current, CONTENT_ALERT, Uint8Array.of(level, description));
  }
}

/** The beginning of a HelloRequest or ClientHello; a new handshake counts its messages from 0 again (RFC 6347 §4.2.2). */
function asksForRenegotiation(content: Uint8Array): boolean {
  return content[0] === HELLO_REQUEST || content[0] === CLIENT_HELLO;
}
