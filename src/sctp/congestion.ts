import { type Tsn, tsnAfter } from "../wire/serial.ts";

/**
 * Packets of the first window. RFC 9260 §7.2.1 has about four (4,404 bytes); RFC 6928 raised TCP's to ten, and both
 * browsers' SCTP uses ten. A server that answers a new player with a 10 KB snapshot sends it in one go.
 */
const INITIAL_PACKETS = 10;
/** RFC 9260 §7.2.3: the window after a loss is "max(cwnd / 2, 4 * PMDCS)". */
const LEAST_PACKETS = 4;
/**
 * Unreliable messages may fill this many packets whatever the window has become. The RFC's four starve a game on a bad line:
 * 60 messages of 1,000 bytes a second over 200 ms are 15 packets in flight, and losses there are chance, not congestion.
 * Sixteen are little more than a first window, and fewer per second the longer a congested queue makes the round trip.
 * Reliable data gets nothing of it: it would fill it all the time, and others at a narrow line would get no share.
 * After a time-out it begins with one packet, as the window does: a path that is down is not to be flooded.
 */
const UNRELIABLE_PACKETS = 16;
/** A window beyond this serves nobody at the rates this library is for, and bounds what may be outstanding. */
const MAX_WINDOW_BYTES = 4_194_304;

/**
 * Congestion window of the one path (RFC 9260 §7.2): slow start, congestion avoidance, fast recovery.
 *
 * Bytes are bytes of user data, as in `flight size`. Lost unreliable messages count like any other loss: RFC 3758 §3.5 F5.
 */
export class CongestionWindow {
  readonly #packetBytes: number;
  #window: number;
  #unreliable: number;
  #slowStartThreshold = MAX_WINDOW_BYTES;
  #partialBytesAcked = 0;
  #recoveryPoint: Tsn | undefined;

  /** @param packetBytes user data that fits in one packet (PMDCS) */
  constructor(packetBytes: number) {
    this.#packetBytes = packetBytes;
    this.#window = INITIAL_PACKETS * packetBytes;
    this.#unreliable = this.#window;
  }

  /** What reliable data may have in flight (`cwnd`). */
  get bytes(): number {
    return this.#window;
  }

  /** What may be in flight in all: where the window is smaller, the rest is for unreliable messages. */
  get totalBytes(): number {
    return Math.max(this.#window, this.#unreliable);
  }

  /** RFC 9260 §6.1 B: no more may leave, reliable or not. */
  isFull(flight: { readonly bytes: number; readonly reliableBytes: number }, forReliable: boolean): boolean {
    return flight.bytes >= this.totalBytes || (forReliable && flight.reliableBytes >= this.#window);
  }

  get inSlowStart(): boolean {
    return this.#window <= this.#slowStartThreshold;
  }

  get inFastRecovery(): boolean {
    return this.#recoveryPoint !== undefined;
  }

  /**
   * A SACK moved the cumulative TSN ack.
   *
   * @param ackedBytes user data it acknowledged for the first time
   * @param flightBefore bytes in flight before it
   * @param flightAfter bytes in flight after it
   */
  acked(cumulativeTsn: Tsn, ackedBytes: number, flightBefore: number, flightAfter: number): void {
    const most = UNRELIABLE_PACKETS * this.#packetBytes;
    if (this.#unreliable < most) this.#unreliable = Math.min(most, this.#unreliable + ackedBytes);
    if (this.#recoveryPoint !== undefined) {
      // §7.2.4: fast recovery ends once everything outstanding at its start is acknowledged; until then no growth.
      if (!tsnAfter(this.#recoveryPoint, cumulativeTsn)) this.#recoveryPoint = undefined;
      else return;
    }
    // §7.2.1, §7.2.2: the window grows only where it was the limit.
    const wasFull = flightBefore + this.#packetBytes > this.#window;
    if (this.#window <= this.#slowStartThreshold) {
      // §7.2.1: "by, at most, the lesser of the total size of the … DATA chunk(s) acknowledged and L times the PMDCS"
      if (wasFull) this.#grow(Math.min(ackedBytes, this.#packetBytes));
      return;
    }
    // §7.2.2
    this.#partialBytesAcked += ackedBytes;
    if (this.#partialBytesAcked >= this.#window) {
      this.#partialBytesAcked = wasFull ? this.#partialBytesAcked - this.#window : this.#window;
      if (wasFull) this.#grow(this.#packetBytes);
    }
    if (flightAfter === 0) this.#partialBytesAcked = 0;
  }

  /** A chunk was found lost by miss indications (§7.2.4). `highestTsn`: the last one sent. */
  lost(highestTsn: Tsn): void {
    if (this.#recoveryPoint !== undefined) return;
    this.#halve();
    this.#window = Math.min(this.#window, this.#slowStartThreshold);
    this.#recoveryPoint = highestTsn;
  }

  /** The retransmission timer fired with data in flight (§7.2.3). */
  timedOut(): void {
    this.#halve();
    this.#window = this.#packetBytes;
    this.#unreliable = this.#packetBytes;
    this.#recoveryPoint = undefined;
  }

  /** Nothing was in flight for a whole time-out (§7.2.1): what the window was says less about the path each time. */
  idle(timeouts: number): void {
    const floor = INITIAL_PACKETS * this.#packetBytes;
    if (this.#window > floor) this.#window = Math.max(floor, this.#window / 2 ** Math.min(timeouts, 16));
  }

  #halve(): void {
    this.#slowStartThreshold = Math.max(this.#window >>> 1, LEAST_PACKETS * this.#packetBytes);
    this.#partialBytesAcked = 0;
  }

  #grow(bytes: number): void {
    this.#window = Math.min(MAX_WINDOW_BYTES, this.#window + bytes);
  }
}
