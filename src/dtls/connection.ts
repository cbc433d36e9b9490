import type { Datapath } from "../wasm/datapath.ts";
import type { DropCounters, DropReason } from "../wire/drops.ts";
import { type MemoryAccount, unlimitedAccount } from "../wire/memory-ledger.ts";
import type { Prefetchable } from "../wire/prefetch.ts";
import { parseAck } from "./ack.ts";
import {
  ALERT_CLOSE_NOTIFY,
  ALERT_DECODE_ERROR,
  ALERT_ILLEGAL_PARAMETER,
  ALERT_LEVEL_FATAL,
  ALERT_LEVEL_WARNING,
  ALERT_NO_RENEGOTIATION,
  ALERT_UNEXPECTED_MESSAGE,
  ALERT_USER_CANCELED,
  type AlertDescription,
  parseAlert,
} from "./alert.ts";
import { Delivery } from "./delivery.ts";
import { EarlyQueue } from "./early.ts";
import { HANDSHAKE_EPOCH } from "./epochs.ts";
import { type DtlsState, Handshaking, type HandshakingEvents } from "./handshake.ts";
import type { DtlsVersion } from "./machine.ts";
import { CLIENT_HELLO, HELLO_REQUEST } from "./messages.ts";
import { type DtlsCloseReason, type DtlsEvents, type DtlsOptions, MAX_RECORDS_13, resolveOptions } from "./options.ts";
import {
  CONTENT_ACK,
  CONTENT_ALERT,
  CONTENT_APPLICATION_DATA,
  CONTENT_CHANGE_CIPHER_SPEC,
  CONTENT_HANDSHAKE,
  type DataSink,
  OVERHEAD_12,
  type RecordEvents,
  RecordLayer,
} from "./record.ts";

export type { DtlsState } from "./handshake.ts";
export type { DtlsVersion } from "./machine.ts";
export type { DtlsCloseReason, DtlsEvents, DtlsOptions } from "./options.ts";

/** RFC 9147 §4.5.3: the limit is 2^24.5 records, the change begins at 2^24. */
const KEY_OVERTIME = Math.SQRT2;

/**
 * One DTLS connection, without input or output of its own: datagrams, the time and application data come in; datagrams,
 * application data, state changes and the next deadline come out. It can be driven by any harness with its own clock.
 *
 * @example
 * const server = new DtlsConnection({ role: "server", certificate, datapath, verifyPeerCertificate }, events);
 * server.handleDatagram(now, datagram);      // → events.transmit, events.connected, events.applicationData
 * if (now >= server.nextDeadline) server.handleTimeout(now);
 */
export class DtlsConnection implements Prefetchable {
  // What a record of application data needs comes first, so that it stands in as few cache lines as may be.
  readonly #records: RecordLayer;
  /** Application data may be sent. */
  #writable = false;
  /** Something has come that is no application data of an open connection: after the datagram there is more to do. */
  #hasMore = false;
  /** The first record of a key before which its limit is looked at: a small integer, which `#maxRecords` is not. */
  #lateFrom = 0;
  #maxPlaintextBytes: number;
  #events: DtlsEvents;
  readonly #datapath: Datapath;
  readonly #drops: DropCounters;
  readonly #memory: MemoryAccount;
  readonly #delivery: Delivery;
  readonly #handshaking: Handshaking;
  /** Records under one key. */
  #maxRecords: number;
  #earlyRecords: EarlyQueue | undefined;
  #earlyData: EarlyQueue | undefined;

  /** @throws RangeError or TypeError naming the option and its limit. */
  constructor(options: DtlsOptions, events: DtlsEvents) {
    const resolved = resolveOptions(options);
    const { mtuBytes, handshakeMtuBytes, initialTimeoutMs, maxRecords, drops } = resolved;
    this.#events = events;
    this.#datapath = options.datapath;
    this.#drops = drops;
    this.#memory = options.memory ?? unlimitedAccount();
    this.#maxRecords = maxRecords;
    this.#maxPlaintextBytes = mtuBytes - OVERHEAD_12;
    const inside = new DtlsConnection.#Inside(this);
    this.#records = new RecordLayer(this.#datapath, handshakeMtuBytes, drops, inside, events);
    this.#delivery = new Delivery(this.#records, this.#datapath, drops, initialTimeoutMs, this.#memory);
    this.#handshaking = new Handshaking(resolved, this.#records, this.#delivery, inside);
  }

  /** See `Prefetchable`. */
  prefetch(): number {
    return (this.#writable ? 1 : 0) + this.#records.mtuBytes + this.#records.epochs.prefetch();
  }

  get state(): DtlsState {
    return this.#handshaking.state;
  }

  /** The negotiated version, once it is known. */
  get version(): DtlsVersion | undefined {
    return this.#handshaking.facts.version;
  }

  /** The negotiated cipher suite's IANA number, e.g. 0xc02b, once it is known. */
  get cipherSuite(): number | undefined {
    return this.#handshaking.facts.cipherSuite;
  }

  /** The key exchange's group by its IANA number, e.g. 0x001d for X25519, once it is known. */
  get group(): number | undefined {
    return this.#handshaking.facts.group;
  }

  /** The peer's certificate (DER), once it was verified. */
  get peerCertificate(): Uint8Array | undefined {
    return this.#handshaking.facts.peerCertificate;
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
    return this.#handshaking.nextDeadline;
  }

  /** Client: sends the ClientHello. A server waits for one and needs no start. */
  start(now: number): void {
    this.#handshaking.start(now);
    this.#records.flush();
  }

  /** Takes a received UDP datagram, which is copied into the datapath's memory. Never throws. */
  handleDatagram(now: number, datagram: Uint8Array): void {
    this.#records.read(now, datagram);
    if (this.#hasMore) this.#handleMore(now);
  }

  /** Call at or after {@link nextDeadline}; calling it earlier does no harm. */
  handleTimeout(now: number): void {
    this.#handshaking.handleTimeout(now);
    this.#records.flush();
  }

  /**
   * Copies, seals and sends one record. False, and nothing sent, while the connection is not connected, and where `plaintext` is
   * longer than {@link maxPlaintextBytes}: the peer has a say in both.
   */
  send(now: number, plaintext: Uint8Array): boolean {
    if (plaintext.length > this.#maxPlaintextBytes) return false;
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
   * Zero copy, second half: seals the `length` bytes at `plaintextOffset` in place and sends them; anywhere in the datapath's
   * memory, where 21 bytes in front and 17 behind may be written over. False, and nothing sent, while the connection is not
   * connected.
   */
  commit(now: number, plaintextOffset: number, length: number): boolean {
    if (!this.#writable) return false;
    if (this.#records.epochs.current.sequence >= this.#lateFrom) {
      return this.#commitLate(now, plaintextOffset, length);
    }
    this.#records.commit(plaintextOffset, length);
    return true;
  }

  /** DTLS 1.3: replaces our key for application data, and the peer's if `requestPeer`. Does nothing in DTLS 1.2. */
  updateKey(now: number, requestPeer = false): void {
    if (this.state !== "connected") return;
    this.#handshaking.updateKey(now, requestPeer);
    this.#records.flush();
  }

  /** Tells somebody else from now on. */
  handOverTo(events: DtlsEvents): void {
    this.#events = events;
    this.#records.handOverTo(events);
  }

  /** Server: no timer repeats the present flight any more. The client has it repeated by repeating its own. */
  repeatOnDemand(): void {
    this.#delivery.repeatOnDemand();
  }

  /** Wipes all keys and ends the connection, without a word to anybody. */
  abandon(): void {
    if (this.#isClosed) return;
    this.#release();
    this.#records.close();
  }

  /** Sends close_notify, wipes all keys and ends the connection. */
  close(_now: number): void {
    this.#end({ cause: "local" }, this.state === "new" ? undefined : ALERT_CLOSE_NOTIFY);
  }

  /**
   * Keying material bound to this connection (RFC 5705; RFC 8446 §7.5), the same on both sides.
   * @param length bytes, 1 … 8,160
   * @returns `undefined` while not connected: a peer may have closed
   * @throws RangeError for the length; Error where the option `compact` has left none
   */
  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array | undefined {
    // 255 blocks of SHA-256, the limit of HKDF-Expand (RFC 5869 §2.3).
    if (!(Number.isInteger(length) && length >= 1 && length <= 8160)) throw new RangeError("length must be 1 … 8160");
    if (this.state !== "connected") return undefined;
    return this.#handshaking.exportKeyingMaterial(label, length, context);
  }

  #openForWriting(): void {
    this.#writable = true;
    if (this.version === "1.3") this.#maxRecords = Math.min(this.#maxRecords, MAX_RECORDS_13);
    this.#lateFrom = Math.min(this.#maxRecords, MAX_RECORDS_13);
    this.#maxPlaintextBytes = this.#records.maxPlaintextBytes;
  }

  /**
   * The key has sealed many records. If it has sealed as many as it should, in DTLS 1.3 another one takes over, for which there is some
   * room left.
   */
  #commitLate(now: number, plaintextOffset: number, length: number): boolean {
    const { sequence } = this.#records.epochs.current;
    const isUsedUp = sequence >= this.#maxRecords;
    if (isUsedUp && (this.version === "1.2" || sequence >= this.#maxRecords * KEY_OVERTIME)) {
      this.#end({ cause: "exhausted" }, ALERT_CLOSE_NOTIFY);
      return false;
    }
    if (isUsedUp && this.state === "connected") {
      this.#handshaking.updateKey(now, false);
    }
    this.#records.commit(plaintextOffset, length);
    this.#records.flush();
    return true;
  }

  // --- records in ---

  #handleContent(now: number, epoch: number, type: number, offset: number, length: number, sequence: number): void {
    this.#hasMore = true;
    const { state } = this.#handshaking;
    if (epoch > 0) {
      if (state !== "connected") this.#handshaking.authenticate();
      if (type === CONTENT_APPLICATION_DATA && epoch !== HANDSHAKE_EPOCH) {
        this.#handleApplicationData(offset, length);
        return;
      }
    } else if (state === "connected") {
      // Anybody can send these. A ClientHello among them may come from a restarted peer: whether it replaces this
      // connection is for the owner to decide, who knows whether the address was verified anew.
      this.#drops.count("dtls-unexpected");
      return;
    }
    const content = this.#datapath.memory.subarray(offset, offset + length);
    if (type === CONTENT_HANDSHAKE) this.#handleHandshake(now, epoch, sequence, content);
    else if (type === CONTENT_ALERT) this.#handleAlert(epoch, content);
    else if (type === CONTENT_ACK && this.#delivery.acknowledges) this.#handleAck(now, epoch, content);
    // In the clear a ChangeCipherSpec says what the epoch of the following record says as well; it is not waited for.
    // RFC 5246 §6, RFC 8446 §5: any other type, and a protected ChangeCipherSpec, is an unexpected_message.
    else if (type !== CONTENT_CHANGE_CIPHER_SPEC || epoch > 0) {
      this.#refuse(epoch, "dtls-unexpected", ALERT_UNEXPECTED_MESSAGE);
    }
  }

  /** One rule for all that is not as it must be: what anybody can have sent is dropped, the peer's own ends the connection. */
  #refuse(epoch: number, reason: DropReason, alert: AlertDescription): void {
    this.#drops.count(reason);
    if (epoch > 0) this.#end({ cause: "alert", alert }, alert);
  }

  #handleApplicationData(offset: number, length: number): void {
    if (this.#handshaking.state === "connected") {
      this.#delivery.forgetAnsweredFlight();
      // From now on none of these questions has another answer.
      if (hasDataSink(this.#events)) this.#records.dataSink = this.#events;
      if (this.#events.applicationDataAt !== undefined) this.#events.applicationDataAt(offset, length);
      else this.#events.applicationData(this.#datapath.memory.subarray(offset, offset + length));
      return;
    }
    this.#earlyData ??= new EarlyQueue(this.#memory);
    const early = this.#datapath.memory.subarray(offset, offset + length);
    if (!this.#earlyData.push(early)) this.#drops.count("dtls-reassembly-limit");
  }

  #handleUnreadable(now: number, record: Uint8Array): void {
    this.#hasMore = true;
    // Of DTLS 1.2 only epoch 1 can become readable.
    const hopeful = record[0] > CONTENT_ACK || (record[3] === 0 && record[4] === 1);
    if (this.state !== "handshaking" || !hopeful) {
      this.#drops.count("dtls-unknown-epoch");
      return;
    }
    this.#earlyRecords ??= new EarlyQueue(this.#memory);
    if (!this.#earlyRecords.push(record)) this.#drops.count("dtls-reassembly-limit");
    // RFC 9147 §7.1: a client without the ServerHello says so with an empty acknowledgement.
    else if (record[0] > CONTENT_ACK) this.#delivery.expectMore(now);
  }

  /** After a datagram in which not everything was application data. */
  #handleMore(now: number): void {
    this.#hasMore = false;
    if (this.#earlyRecords !== undefined || this.#earlyData !== undefined) this.#handleEarly(now);
    if (this.#isClosed) return;
    this.#delivery.settleAcks(now, this.state === "connected");
    this.#records.flush();
  }

  /** What came too early is looked at again. It goes back into its queue where it still is too early. */
  #handleEarly(now: number): void {
    const records = this.#earlyRecords?.takeAll() ?? [];
    this.#earlyRecords = undefined;
    for (const record of records) this.#records.read(now, record);
    if (this.state !== "connected") return;
    const waiting = this.#earlyData?.takeAll() ?? [];
    this.#earlyData = undefined;
    for (const data of waiting) {
      if (this.state === "connected") this.#events.applicationData(data);
    }
  }

  #handleHandshake(now: number, epoch: number, sequence: number, content: Uint8Array): void {
    if (content.length === 0) {
      // RFC 8446 §5.1 (RFC 5246 §6.2.1): "MUST NOT send zero-length fragments of Handshake types".
      this.#refuse(epoch, "dtls-malformed", ALERT_UNEXPECTED_MESSAGE);
    } else if (this.version === "1.2" && this.state === "connected" && asksForRenegotiation(content)) {
      // RFC 5746 §4.5: "it is RECOMMENDED that servers not … renegotiate"; the connection goes on (RFC 5246 §7.2.2).
      this.#alert(ALERT_LEVEL_WARNING, ALERT_NO_RENEGOTIATION);
    } else {
      this.#handshaking.handleRecord(now, epoch, sequence, content);
    }
  }

  #handleAck(now: number, epoch: number, content: Uint8Array): void {
    const numbers = parseAck(content);
    if (numbers === undefined) this.#refuse(epoch, "dtls-malformed", ALERT_DECODE_ERROR);
    else this.#handshaking.handleAck(now, epoch, numbers);
  }

  #handleAlert(epoch: number, content: Uint8Array): void {
    const alert = parseAlert(content);
    if (alert === undefined) {
      // RFC 8446 §5.4: a record of no content is an unexpected_message; §5.1: one alert a record, in one piece.
      const isEmpty = content.length === 0;
      this.#refuse(epoch, "dtls-malformed", isEmpty ? ALERT_UNEXPECTED_MESSAGE : ALERT_DECODE_ERROR);
      return;
    }
    const { level, description } = alert;
    if (epoch === 0 && this.#handshaking.isAuthenticated) {
      // RFC 6347 §4.1.2.7: a forged alert must not end a connection.
      this.#drops.count("dtls-unexpected");
      return;
    }
    if (this.version === "1.2" && level !== ALERT_LEVEL_WARNING && level !== ALERT_LEVEL_FATAL) {
      // RFC 5246 §7.2 has two levels; in DTLS 1.3 the level says nothing.
      this.#refuse(epoch, "dtls-malformed", ALERT_ILLEGAL_PARAMETER);
      return;
    }
    // RFC 8446 §6: "error alerts … MUST be treated as error alerts when received regardless of the AlertLevel".
    const fatal = this.version === "1.3" ? description !== ALERT_USER_CANCELED : level === ALERT_LEVEL_FATAL;
    if (description === ALERT_CLOSE_NOTIFY) {
      // RFC 5246 §7.2.1: "The other party MUST respond with a close_notify alert of its own and close down the
      // connection immediately".
      this.#end({ cause: "peer" }, ALERT_CLOSE_NOTIFY);
    } else if (fatal) {
      this.#end({ cause: "peer-alert", alert: description });
    }
  }

  /** The connection as its parts see it: one object for all that they call, and none of it public. */
  static readonly #Inside = class implements RecordEvents, HandshakingEvents {
    readonly #connection: DtlsConnection;

    constructor(connection: DtlsConnection) {
      this.#connection = connection;
    }

    // For the record layer.

    content(now: number, epoch: number, type: number, offset: number, length: number, sequence: number): void {
      this.#connection.#handleContent(now, epoch, type, offset, length, sequence);
    }

    unreadable(now: number, record: Uint8Array): void {
      this.#connection.#handleUnreadable(now, record);
    }

    refused(alert: AlertDescription): void {
      this.#connection.#refuse(1, "dtls-unexpected", alert);
    }

    forgeryLimit(): void {
      this.#connection.#end({ cause: "exhausted" }, ALERT_CLOSE_NOTIFY);
    }

    // For the handshake.

    writable(): void {
      this.#connection.#openForWriting();
      this.#connection.#events.writable?.();
    }

    connected(): void {
      this.#connection.#openForWriting();
      this.#connection.#events.connected();
    }

    failed(alert: AlertDescription): void {
      this.#connection.#end({ cause: "alert", alert }, alert);
    }

    timedOut(): void {
      this.#connection.#end({ cause: "timeout" });
    }

    outOfNumbers(): void {
      this.#connection.#end({ cause: "exhausted" }, ALERT_CLOSE_NOTIFY);
    }
  };

  // --- the end ---

  /** Asked again after each step that may have ended the connection. */
  get #isClosed(): boolean {
    return this.state === "closed";
  }

  #end(reason: DtlsCloseReason, alert?: AlertDescription): void {
    if (this.#isClosed) return;
    this.#release();
    if (alert !== undefined) {
      // RFC 5246 §7.2.1: close_notify is a warning by tradition; every other alert of ours is fatal.
      this.#alert(alert === ALERT_CLOSE_NOTIFY ? ALERT_LEVEL_WARNING : ALERT_LEVEL_FATAL, alert);
    }
    this.#records.flush();
    this.#records.close();
    this.#events.closed(reason);
  }

  #release(): void {
    this.#handshaking.close();
    this.#earlyRecords?.takeAll();
    this.#earlyData?.takeAll();
    this.#writable = false;
  }

  #alert(level: number, description: AlertDescription): void {
    this.#records.addBytes(this.#records.epochs.current, CONTENT_ALERT, Uint8Array.of(level, description));
  }
}

function hasDataSink(events: DtlsEvents): events is DtlsEvents & DataSink {
  return events.applicationDataAt !== undefined;
}

/** The beginning of a HelloRequest or ClientHello; a new handshake counts its messages from 0 again (RFC 6347 §4.2.2). */
function asksForRenegotiation(content: Uint8Array): boolean {
  return content[0] === HELLO_REQUEST || content[0] === CLIENT_HELLO;
}
