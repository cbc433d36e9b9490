import type { DropCounters } from "../wire/drops.ts";
import { Timers } from "../wire/timers.ts";
import type { RecordNumber } from "./ack.ts";
import { ALERT_DECODE_ERROR, ALERT_UNEXPECTED_MESSAGE, type AlertDescription } from "./alert.ts";
import { ClientStart } from "./client-start.ts";
import type { Delivery } from "./delivery.ts";
import { FIRST_APPLICATION_EPOCH, HANDSHAKE_EPOCH } from "./epochs.ts";
import type { FlightItem } from "./flight.ts";
import type { HandshakeMessage } from "./reassembly.ts";
import { type KeyLog, type KeyLogLabel, keyLogLine } from "./keylog.ts";
import type { TrafficKey } from "./keys12.ts";
import {
  type FlightPlan,
  type HandshakeFacts,
  type HandshakeHost,
  type HandshakeMachine,
  type HandshakeSettings,
  MALFORMED,
  UNEXPECTED,
} from "./machine.ts";
import type { ResolvedOptions } from "./options.ts";
import type { RecordLayer } from "./record.ts";
import { ServerStart } from "./server-start.ts";

export type DtlsState = "new" | "handshaking" | "connected" | "closed";

/** RFC 9147 §5.8.1: for "at least twice the default MSL", 2 minutes, a server answers the client's repeated last flight. */
const LINGER_MS = 240_000;

/** After the handshake a server of DTLS 1.3 takes nothing but a KeyUpdate, a client tickets as well, which it ignores. */
const KEY_UPDATE_BYTES = 1;
const MAX_TICKET_BYTES = 2_048;

/** What a handshake tells the connection that it is for. */
export interface HandshakingEvents {
  /** Application data may be sent from now on, though the peer is not verified yet (DTLS 1.3 server). */
  writable(): void;
  /** It is complete and the peer verified. */
  connected(): void;
  /** What the peer sent was refused, with this alert. */
  failed(alert: AlertDescription): void;
  /** It took too long. */
  timedOut(): void;
  /** There is no message_seq left. */
  outOfNumbers(): void;
}

/**
 * The handshake of one connection, and what comes after it in handshake messages. Around the machine of its role and version it has
 * the time and the keys.
 */
export class Handshaking implements HandshakeHost {
  /** How far the connection has come. Written only here. */
  state: DtlsState = "new";
  readonly facts: HandshakeFacts = {
    version: undefined,
    cipherSuite: undefined,
    group: undefined,
    peerCertificate: undefined,
  };
  readonly #records: RecordLayer;
  readonly #delivery: Delivery;
  readonly #drops: DropCounters;
  readonly #events: HandshakingEvents;
  readonly #keyLog: KeyLog | undefined;
  readonly #mtuBytes: number;
  readonly #timeoutMs: number;
  readonly #compact: boolean;
  readonly #timers = new Timers<"handshake" | "linger">();
  /** Until the handshake is complete. */
  #settings: HandshakeSettings | undefined;
  #machine: HandshakeMachine;
  #isAuthenticated = false;
  readonly #isServer: boolean;
  #now = 0;

  constructor(options: ResolvedOptions, records: RecordLayer, delivery: Delivery, events: HandshakingEvents) {
    this.#records = records;
    this.#delivery = delivery;
    this.#drops = options.drops;
    this.#events = events;
    this.#keyLog = options.keyLog;
    this.#mtuBytes = options.mtuBytes;
    this.#timeoutMs = options.handshakeTimeoutMs;
    this.#compact = options.compact;
    this.#settings = options.settings;
    this.#isServer = options.role === "server";
    this.#machine = options.role === "server" ? new ServerStart(this) : new ClientStart(this);
  }

  // --- for the connection ---

  get nextDeadline(): number {
    return Math.min(this.#timers.next, this.#delivery.nextDeadline);
  }

  /** A protected record of the peer was opened: from then on nothing unprotected can end the connection. */
  get isAuthenticated(): boolean {
    return this.#isAuthenticated;
  }

  /** Client: sends the ClientHello. A server waits for one and needs no start. */
  start(now: number): void {
    if (this.state !== "new" || this.#machine.start === undefined) return;
    this.#now = now;
    this.#begin();
    this.#machine.start();
  }

  /** Takes the content of a handshake record. */
  handleRecord(now: number, epoch: number, sequence: number, content: Uint8Array): void {
    this.#now = now;
    if (this.state === "new") {
      this.#begin();
      // The request to say hello again may have come from another object, which kept nothing of it (RFC 6347 §4.2.1).
      if (this.#settings?.helloVerify !== undefined) this.#delivery.beginWith(content);
    }
    if (epoch === 0) this.#mirrorSequence(sequence);
    const alert = this.#delivery.handleHandshake(now, epoch, sequence, content);
    if (alert !== undefined && epoch > 0) this.#events.failed(alert);
    while (this.state !== "closed") {
      const message = this.#delivery.take();
      if (message === undefined || !this.#handleMessage(message)) return;
    }
  }

  /** Takes an acknowledgement, which may be what the machine waits for. */
  handleAck(now: number, epoch: number, numbers: readonly RecordNumber[]): void {
    this.#now = now;
    this.#delivery.handleAck(now, epoch, numbers);
  }

  /** A protected record was opened: the hellos, and whatever else its key rests on, are the peer's. */
  authenticate(): void {
    this.#isAuthenticated = true;
  }

  handleTimeout(now: number): void {
    this.#now = now;
    for (let due = this.#timers.expire(now); due !== undefined; due = this.#timers.expire(now)) {
      if (due === "linger") this.#records.epochs.releaseRead(HANDSHAKE_EPOCH);
      else this.#events.timedOut();
    }
    this.#delivery.handleTimeout(now);
  }

  /** DTLS 1.3: replaces our key for application data, and the peer's if `requestPeer`. Does nothing in DTLS 1.2. */
  updateKey(now: number, requestPeer: boolean): void {
    this.#now = now;
    if (this.#delivery.isOutOfNumbers) this.#events.outOfNumbers();
    else this.#machine.updateKey?.(requestPeer);
  }

  exportKeyingMaterial(label: string, length: number, context: Uint8Array | undefined): Uint8Array {
    return this.#machine.exportKeyingMaterial(label, length, context);
  }

  /** Wipes the secrets and forgets what was to be sent again. */
  close(): void {
    this.state = "closed";
    this.#machine.wipe();
    this.#timers.clearAll();
    this.#delivery.close();
  }

  // --- for the machine ---

  get settings(): HandshakeSettings {
    if (this.#settings === undefined) throw new Error("the handshake is over"); // our own bug
    return this.#settings;
  }

  get now(): number {
    return this.#now;
  }

  message(type: number, body: Uint8Array, epoch = 0): HandshakeMessage {
    return { type, body, epoch, sequence: this.#delivery.takeNumber() };
  }

  sendFlight(items: readonly FlightItem[], answered: HandshakeMessage | undefined, plan: FlightPlan = {}): void {
    if (this.state === "connected") {
      this.#delivery.sendNext(this.#now, items, plan);
      return;
    }
    // From a HelloRetryRequest on (RFC 9147 §7.1: a part of the second hello is acknowledged).
    if (this.facts.version === "1.3") this.#delivery.acknowledges = true;
    this.#delivery.send(this.#now, items, answered, plan);
    const last = items[items.length - 1];
    if (typeof last === "object" && last.epoch > this.#records.epochs.current.epoch)
      this.#records.epochs.use(last.epoch);
  }

  installKeys12(write: TrafficKey, read: TrafficKey): boolean {
    return this.#records.epochs.install12(write, read);
  }

  installWrite13(epoch: number, trafficSecret: Uint8Array): boolean {
    if (!this.#records.epochs.installWrite13(epoch, trafficSecret)) return false;
    this.#delivery.acknowledges = true;
    // Replaced by an acknowledged KeyUpdate: nothing will be sent in it again.
    if (epoch > FIRST_APPLICATION_EPOCH) this.#records.epochs.releaseWrite(epoch - 1);
    return true;
  }

  installRead13(epoch: number, trafficSecret: Uint8Array): boolean {
    if (epoch > FIRST_APPLICATION_EPOCH) {
      // RFC 9147 §8: of the epochs before, the last is kept for what was on its way. So there are never more than four keys.
      this.#records.epochs.releaseRead(epoch - 2);
      // Who changes keys has long had the acknowledgement of its last handshake flight.
      this.#records.epochs.releaseRead(HANDSHAKE_EPOCH);
    }
    return this.#records.epochs.installRead13(epoch, trafficSecret);
  }

  releaseHandshakeKeys(): void {
    this.#records.epochs.releaseWrite(HANDSHAKE_EPOCH);
    this.#records.epochs.releaseRead(HANDSHAKE_EPOCH);
  }

  writable(): void {
    this.#events.writable();
  }

  complete(keepFlight: boolean): void {
    this.state = "connected";
    this.#timers.clear("handshake");
    // A smaller one was a guess about why nothing came back; now something does.
    this.#records.mtuBytes = this.#mtuBytes;
    if (!keepFlight) {
      this.#delivery.forgetFlight();
      this.#records.epochs.releaseWrite(0);
    }
    // The client of DTLS 1.3 waits for the acknowledgement of its last flight, the server gives it.
    if (this.facts.version === "1.3" && !keepFlight) {
      this.#delivery.acknowledgeAll();
      this.#records.epochs.releaseWrite(HANDSHAKE_EPOCH);
      this.#timers.set("linger", this.#now + LINGER_MS);
    }
    this.#settings = undefined;
    this.#delivery.maxMessageBytes = this.#isServer ? KEY_UPDATE_BYTES : MAX_TICKET_BYTES;
    this.#events.connected();
    if (!this.#compact) return;
    this.#machine.forgetExporter?.();
    this.facts.peerCertificate = undefined;
  }

  become(machine: HandshakeMachine): void {
    this.#machine = machine;
  }

  logSecret(label: KeyLogLabel, clientRandom: Uint8Array, secret: Uint8Array): void {
    this.#keyLog?.(keyLogLine(label, clientRandom, secret));
  }

  // --- messages in ---

  #begin(): void {
    this.state = "handshaking";
    this.#timers.set("handshake", this.#now + this.#timeoutMs);
  }

  /**
   * RFC 6347 §4.2.1: a server that asks for cookies "MUST use the record sequence number in the ClientHello" in its answer, so
   * that it repeats none of which it has kept no account.
   */
  #mirrorSequence(sequence: number): void {
    if (this.#settings?.helloVerify === undefined) return;
    const write = this.#records.epochs.write(0);
    if (sequence > write.sequence) write.sequence = sequence;
  }

  /** False where the message was given back. */
  #handleMessage(message: HandshakeMessage): boolean {
    const { flight, isOutOfNumbers } = this.#delivery;
    if (isOutOfNumbers) {
      this.#events.outOfNumbers();
      return false;
    }
    const outcome = this.#machine.handle(message);
    if (outcome === UNEXPECTED && message.epoch === 0) {
      // RFC 6347 §4.1.2.7, RFC 9147 §4.5.2: what anybody can send is dropped, and what belongs in its place may still come.
      this.#drops.count("dtls-unexpected");
      this.#delivery.reject(message);
      return false;
    }
    if (outcome === MALFORMED) this.#events.failed(ALERT_DECODE_ERROR);
    else if (outcome === UNEXPECTED) this.#events.failed(ALERT_UNEXPECTED_MESSAGE);
    else if (outcome !== undefined) this.#events.failed(outcome);
    else if (message.epoch > 0 && this.state === "handshaking" && flight === this.#delivery.flight) {
      // RFC 9147 §7.2: "the receipt of any record responding to a given flight MUST be taken as an implicit acknowledgement".
      // Not an unprotected one: where more of the answer is missing, our flight asks for all of it again.
      this.#delivery.forgetFlight();
    }
    return true;
  }
}
