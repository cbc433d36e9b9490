import type { Datapath } from "../wasm/datapath.ts";
import type { DropCounters } from "../wire/drops.ts";
import type { MemoryAccount } from "../wire/memory-ledger.ts";
import { Timers } from "../wire/timers.ts";
import { AckList, encodeAck, type RecordNumber } from "./ack.ts";
import type { AlertDescription } from "./alert.ts";
import { Flight, type FlightItem } from "./flight.ts";
import { HANDSHAKE_HEADER_BYTES, type HandshakeMessage, messageSequence, Reassembly } from "./reassembly.ts";
import { CLIENT_HELLO } from "./messages.ts";
import type { FlightPlan } from "./machine.ts";
import { MAX_TIMEOUT_MS } from "./options.ts";
import { FIRST_APPLICATION_EPOCH } from "./epochs.ts";
import { CONTENT_ACK, type RecordLayer } from "./record.ts";

/** A repeated flight is answered, but not again within this share of the initial timeout: it comes in several datagrams. */
const REPEAT_GUARD = 1 / 8;
/** RFC 6347 §4.1.1.1: "if repeated retransmissions do not result in a response … back off to a smaller record size". */
const TIMEOUTS_BEFORE_SMALLER_MTU = 3;
/** Every IPv4 path takes 576 bytes; less IP and UDP headers. */
const SMALL_MTU_BYTES = 548;
/** RFC 9147 §7.1: a flight of which a part is missing is acknowledged after a quarter of the retransmission timeout. */
const ACKNOWLEDGE_AFTER = 1 / 4;
const RECORD_NUMBER_BYTES = 16;
const MAX_MESSAGE_NUMBER = 0xffff;
/** More messages than any flight has. */
const MAX_FLIGHT_MESSAGES = 16;

/**
 * Carries handshake messages over a link that loses, repeats and reorders: ours in flights that are sent until they are
 * answered or, in DTLS 1.3, acknowledged; the peer's put together and in sequence (RFC 6347 §4.2.4, RFC 9147 §5.8, §7).
 */
export class Delivery {
  /** DTLS 1.3 was agreed on: records are acknowledged. */
  acknowledges = false;
  readonly #records: RecordLayer;
  readonly #datapath: Datapath;
  readonly #drops: DropCounters;
  readonly #initialTimeoutMs: number;
  readonly #timers = new Timers<"retransmit" | "acknowledge">();
  readonly #reassembly: Reassembly;
  readonly #acks = new AckList();
  #flight: Flight | undefined;
  /** A flight that has to wait until the present one is acknowledged. */
  #waiting: ((now: number) => void) | undefined;
  /** No timer repeats the present flight. */
  #isOnDemand = false;
  #timeoutMs: number;
  #timeouts = 0;
  #nextMessage = 0;

  constructor(
    records: RecordLayer,
    datapath: Datapath,
    drops: DropCounters,
    initialTimeoutMs: number,
    memory: MemoryAccount,
  ) {
    this.#reassembly = new Reassembly(memory);
    this.#records = records;
    this.#datapath = datapath;
    this.#drops = drops;
    this.#initialTimeoutMs = initialTimeoutMs;
    this.#timeoutMs = initialTimeoutMs;
  }

  /** What we have sent and may have to send again. */
  get flight(): Flight | undefined {
    return this.#flight;
  }

  get nextDeadline(): number {
    return this.#timers.next;
  }

  /** Server: counts messages, ours as well, from the number of the ClientHello on that is in this first record of a client. */
  beginWith(content: Uint8Array): void {
    if (content.length < HANDSHAKE_HEADER_BYTES || content[0] !== CLIENT_HELLO) return;
    const sequence = messageSequence(content, 0);
    this.#reassembly.next = sequence;
    this.#nextMessage = sequence;
  }

  /** The message_seq of our next message. */
  takeNumber(): number {
    return this.#nextMessage++;
  }

  /** One of both sides has no number left for a flight, and message_seq must not wrap (RFC 9147 §5.2: it has 16 bits). */
  get isOutOfNumbers(): boolean {
    return Math.max(this.#nextMessage, this.#reassembly.next) > MAX_MESSAGE_NUMBER - MAX_FLIGHT_MESSAGES;
  }

  /** The longest message of the peer that is taken from now on, bytes. */
  set maxMessageBytes(bytes: number) {
    this.#reassembly.maxMessageBytes = bytes;
  }

  /** Adds a flight to the datagram under construction, and repeats it until it is answered or acknowledged. */
  send(now: number, items: readonly FlightItem[], answered: HandshakeMessage | undefined, plan: FlightPlan): void {
    // RFC 6347 §4.2.4.1: the timer value is kept "until a transmission without loss occurs".
    if (this.#flight?.transmissions === 1) this.#timeoutMs = this.#initialTimeoutMs;
    this.#timeouts = 0;
    this.#isOnDemand = plan.onDemand === true;
    // RFC 9147 §7: our flight acknowledges what it answers. What comes after the handshake answers nothing.
    if (answered !== undefined) {
      this.#acks.clear();
      this.#timers.clear("acknowledge");
    }
    this.#flight = new Flight(items, {
      answers: answered?.sequence ?? -1,
      expectsAnswer: plan.onDemand !== true,
      acknowledged: plan.acknowledged,
    });
    this.#transmit(now);
  }

  /** As {@link send}, once the present flight is acknowledged; at once if there is none. */
  sendNext(now: number, items: readonly FlightItem[], plan: FlightPlan): void {
    if (this.#flight === undefined) this.send(now, items, undefined, plan);
    else this.#waiting = (later) => this.send(later, items, undefined, plan);
  }

  /** Takes the fragments of a handshake record. The alert for what is not allowed in one, which counts if it is protected. */
  handleHandshake(now: number, epoch: number, sequence: number, content: Uint8Array): AlertDescription | undefined {
    let alert: AlertDescription | undefined;
    let isDropped = false;
    this.#reassembly.addRecord(epoch, content, (result) => {
      if ("drop" in result) {
        this.#drops.count(result.drop);
        isDropped = true;
        alert ??= result.alert;
      } else this.#handleRepeated(now, result.repeated);
    });
    // RFC 9147 §7: "MUST NOT acknowledge records containing handshake messages or fragments which have not been processed
    // or buffered".
    if (!isDropped) this.#acks.add(epoch, sequence);
    return alert;
  }

  /** The peer's next message, once it is whole. */
  take(): HandshakeMessage | undefined {
    return this.#reassembly.take();
  }

  /** Gives a message back as never received. */
  reject(message: HandshakeMessage): void {
    this.#reassembly.reject(message);
    // Or it would not be sent again.
    this.#acks.clear();
  }

  /**
   * RFC 9147 §7.2. During the handshake an acknowledgement comes in no lower epoch than what it acknowledges (§7): less could be
   * anybody's. Later ones come in whatever epoch the peer has reached. One without protection only says that something is missing:
   * what it lists may be anybody's as well, or have come garbled.
   */
  handleAck(now: number, epoch: number, numbers: readonly RecordNumber[]): void {
    const flight = this.#flight;
    if (flight === undefined) return;
    const credible = numbers.filter((number) => epoch > 0 && epoch >= Math.min(number.epoch, FIRST_APPLICATION_EPOCH));
    if (flight.acknowledge(credible)) this.#acknowledged(now, flight);
    // "SHOULD retransmit the unacknowledged messages or fragments."
    else this.#repeat(now, flight);
  }

  /** From now on the present flight is sent again only when the peer asks for it, by its own again or an acknowledgement. */
  repeatOnDemand(): void {
    this.#isOnDemand = true;
    this.#timers.clear("retransmit");
  }

  /** The peer has moved on, so it has our flight: RFC 9147 §7.2, "implicit acknowledgement for the entire flight". */
  forgetFlight(): void {
    this.#flight = undefined;
    this.#timers.clear("retransmit");
  }

  /** Data came, so the peer has a flight that is only repeated on demand. */
  forgetAnsweredFlight(): void {
    if (this.#flight === undefined || this.#flight.options.expectsAnswer) return;
    this.#flight = undefined;
    // Its ChangeCipherSpec would have been the last record without protection.
    this.#records.epochs.releaseWrite(0);
  }

  /** Acknowledges what has come of the peer's present flight: at once where that is all of it, or soon if the rest is still expected. */
  settleAcks(now: number, isConnected: boolean): void {
    if (!this.acknowledges || !this.#acks.hasNews) return;
    if (isConnected && !this.#reassembly.incomplete) this.acknowledgeAll();
    else this.expectMore(now);
  }

  /** Something of the peer's flight is missing: if it does not come soon, an acknowledgement says what did. */
  expectMore(now: number): void {
    if (!this.#timers.isSet("acknowledge")) {
      this.#timers.set("acknowledge", now + this.#timeoutMs * ACKNOWLEDGE_AFTER);
    }
  }

  /** The peer's flight is complete: acknowledges it. */
  acknowledgeAll(): void {
    this.#acknowledge();
    this.#acks.clear();
  }

  handleTimeout(now: number): void {
    for (let due = this.#timers.expire(now); due !== undefined; due = this.#timers.expire(now)) {
      if (due === "acknowledge") {
        this.#acknowledge();
        continue;
      }
      this.#timeouts++;
      if (this.#timeouts === TIMEOUTS_BEFORE_SMALLER_MTU) {
        this.#records.mtuBytes = Math.min(this.#records.mtuBytes, SMALL_MTU_BYTES);
      }
      this.#timeoutMs = Math.min(2 * this.#timeoutMs, MAX_TIMEOUT_MS);
      this.#transmit(now);
    }
  }

  close(): void {
    this.#flight = undefined;
    this.#waiting = undefined;
    this.#reassembly.release();
    this.#timers.clearAll();
  }

  /** RFC 6347 §4.2.4: a repeated flight means that the peer lacks our answer to it. */
  #handleRepeated(now: number, sequence: number): void {
    const flight = this.#flight;
    if (sequence === flight?.options.answers) this.#repeat(now, flight);
  }

  /** Adds acknowledgements to the datagram under construction. */
  #acknowledge(): void {
    const { current } = this.#records.epochs;
    this.#timers.clear("acknowledge");
    const numbers = this.#acks.list();
    const fits = Math.max(1, Math.floor((this.#records.maxPlaintextBytes - 2) / RECORD_NUMBER_BYTES));
    let at = 0;
    do {
      // RFC 9147 §7: in the highest epoch we send in. An empty list says that something came that could not be read.
      this.#records.addBytes(current, CONTENT_ACK, encodeAck(numbers.slice(at, at + fits)));
      at += fits;
    } while (at < numbers.length);
  }

  #acknowledged(now: number, flight: Flight): void {
    this.forgetFlight();
    flight.options.acknowledged?.();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(now);
  }

  #repeat(now: number, flight: Flight): void {
    if (now - flight.sentAt >= this.#initialTimeoutMs * REPEAT_GUARD) this.#transmit(now);
  }

  /** Adds the present flight to the datagram under construction; whoever called flushes. */
  #transmit(now: number): void {
    const flight = this.#flight;
    if (flight === undefined) return;
    flight.write(now, this.#records, this.#datapath);
    if (!this.#isOnDemand) this.#timers.set("retransmit", now + this.#timeoutMs);
    else this.#timers.clear("retransmit");
  }
}
