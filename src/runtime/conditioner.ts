/** A bad network for trying things out, between a socket and its owner: it loses, delays, reorders, repeats and throttles. */
import { checkNames, type Names } from "../application/names.ts";
import type { SocketAddress } from "../wire/address.ts";
import { SeededRandom } from "./seeded.ts";
import type { OpenUdp, UdpSocket } from "./udp.ts";

/** What one direction of a line does to the datagrams on it. All default to 0: nothing. */
export interface LinkConditions {
  /** Share of datagrams that vanish, 0 … 1. */
  loss?: number;
  /** Added to each datagram's way, ms. */
  latencyMs?: number;
  /** Uniform over 0 … this, added to the latency, ms. Datagrams stay in order. */
  jitterMs?: number;
  /** Share of datagrams that are held back and overtaken, 0 … 1. */
  reorder?: number;
  /** Share of datagrams that arrive twice, 0 … 1. */
  duplicate?: number;
  /** Bytes per second that the line carries; what does not fit into a queue of 250 ms is lost. 0 for no limit. */
  bytesPerSecond?: number;
}

/** Conditions of both directions, and what is different in one of them. */
export interface ConditionerOptions extends LinkConditions {
  /** From this end to the other. */
  send?: LinkConditions;
  /** From the other end to this one. */
  receive?: LinkConditions;
  /** Equal seeds give equal fates to equal sequences of datagrams. Default: another one for each server and each `connect`. */
  seed?: string;
}

const LINE_CONDITIONS: Names<LinkConditions> = {
  loss: true,
  latencyMs: true,
  jitterMs: true,
  reorder: true,
  duplicate: true,
  bytesPerSecond: true,
};
const CONDITIONER: Names<ConditionerOptions> = { ...LINE_CONDITIONS, send: true, receive: true, seed: true };
const SHARES: readonly string[] = ["loss", "reorder", "duplicate"];
const MAX_DELAY_MS = 60_000;
/** How far behind the others a datagram may fall that is held back or repeated, at most, ms. */
const HOLD_BACK_MS = 20;
/** How long a datagram may wait for a throttled line, ms. */
const QUEUE_MS = 250;

/** @throws TypeError or RangeError that names the option */
export function checkConditioner(options: ConditionerOptions): void {
  checkNames("conditioner", options, CONDITIONER, "a condition");
  const { send = {}, receive = {}, seed, ...both } = options;
  if (seed !== undefined && typeof seed !== "string") throw new TypeError("conditioner.seed must be a string");
  checkNames("conditioner.send", send, LINE_CONDITIONS, "a condition of one direction");
  checkNames("conditioner.receive", receive, LINE_CONDITIONS, "a condition of one direction");
  for (const [prefix, conditions] of Object.entries({ "": both, "send.": send, "receive.": receive })) {
    for (const [name, value] of Object.entries(conditions)) checkCondition(`${prefix}${name}`, name, value);
  }
}

let unseeded = 0;

/** The same `openUdp`, with sockets whose datagrams meet these conditions. */
export function conditionUdp(openUdp: OpenUdp, options: ConditionerOptions): OpenUdp {
  checkConditioner(options);
  const { send, receive, seed = `unseeded ${unseeded++}`, ...both } = options;
  let sockets = 0;
  return async (udp, onDatagram) => {
    const name = `${seed} ${sockets++}`;
    const incoming = new Line({ ...both, ...receive }, `${name} receive`, onDatagram);
    const socket = await openUdp(udp, (datagram, from) => incoming.carry(datagram, from));
    return new ConditionedSocket(socket, { ...both, ...send }, `${name} send`, incoming);
  };
}

class ConditionedSocket implements UdpSocket {
  readonly #socket: UdpSocket;
  readonly #outgoing: Line;
  readonly #incoming: Line;

  constructor(socket: UdpSocket, conditions: LinkConditions, seed: string, incoming: Line) {
    this.#socket = socket;
    this.#incoming = incoming;
    this.#outgoing = new Line(conditions, seed, (datagram, to) => socket.send(datagram, to));
  }

  get localAddress(): SocketAddress {
    return this.#socket.localAddress;
  }

  get sendErrors(): number {
    return this.#socket.sendErrors;
  }

  get receiveErrors(): number {
    return this.#socket.receiveErrors;
  }

  send(datagram: Uint8Array, to: SocketAddress): void {
    this.#outgoing.carry(datagram, to);
  }

  connect(to: SocketAddress): void {
    this.#socket.connect?.(to);
  }

  disconnect(): void {
    this.#socket.disconnect?.();
  }

  set onPathLost(handler: (() => void) | undefined) {
    this.#socket.onPathLost = handler;
  }

  flush(): void {
    this.#socket.flush?.();
  }

  /** What is under way to the peer still arrives there: a goodbye above all. */
  async close(): Promise<void> {
    this.#incoming.stop();
    await this.#outgoing.drained();
    this.#outgoing.stop();
    await this.#socket.close();
  }
}

interface Parcel {
  readonly due: number;
  readonly datagram: Uint8Array;
  readonly address: SocketAddress;
}

/** One direction. */
class Line {
  readonly #conditions: Required<LinkConditions>;
  readonly #random: SeededRandom;
  readonly #deliver: (datagram: Uint8Array, address: SocketAddress) => void;
  /** By due time. */
  readonly #parcels: Parcel[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastDue = 0;
  /** When a throttled line will have carried all that it was given. */
  #freeAt = 0;
  #stopped = false;
  #drained: (() => void) | undefined;

  constructor(
    conditions: LinkConditions,
    seed: string,
    deliver: (datagram: Uint8Array, address: SocketAddress) => void,
  ) {
    const none = { loss: 0, latencyMs: 0, jitterMs: 0, reorder: 0, duplicate: 0, bytesPerSecond: 0 };
    this.#conditions = { ...none, ...conditions };
    this.#random = new SeededRandom(seed);
    this.#deliver = deliver;
  }

  /** @param datagram borrowed until the call returns */
  carry(datagram: Uint8Array, address: SocketAddress): void {
    if (this.#stopped) return;
    const { loss, reorder, duplicate, latencyMs, jitterMs } = this.#conditions;
    const now = performance.now();
    // As many numbers are drawn whatever comes of them, so that one condition does not change the fates of another.
    const isLost = this.#random.next() < loss;
    const jitter = this.#random.next() * jitterMs;
    const isHeldBack = this.#random.next() < reorder;
    const isRepeated = this.#random.next() < duplicate;
    const holdBack = this.#random.next() * HOLD_BACK_MS;
    const sentAt = this.#throttle(now, datagram.length);
    if (isLost || sentAt === undefined) return;
    const due = Math.max(this.#lastDue, sentAt + latencyMs + jitter);
    if (!isHeldBack) this.#lastDue = due;
    this.#schedule(now, isHeldBack ? due + holdBack : due, datagram, address);
    if (isRepeated) this.#schedule(now, due + holdBack, datagram, address);
  }

  /** Resolves when nothing is under way. */
  drained(): Promise<void> {
    if (this.#parcels.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#parcels.length = 0;
  }

  #throttle(now: number, bytes: number): number | undefined {
    const { bytesPerSecond } = this.#conditions;
    if (bytesPerSecond === 0) return now;
    const start = Math.max(now, this.#freeAt);
    if (start - now > QUEUE_MS) return undefined;
    this.#freeAt = start + (1_000 * bytes) / bytesPerSecond;
    return this.#freeAt;
  }

  #schedule(now: number, due: number, datagram: Uint8Array, address: SocketAddress): void {
    if (due <= now && this.#parcels.length === 0) {
      this.#deliver(datagram, address);
      return;
    }
    let at = this.#parcels.length;
    while (at > 0 && this.#parcels[at - 1].due > due) at--;
    const copy = { address: address.address, port: address.port, via: address.via };
    this.#parcels.splice(at, 0, { due, datagram: datagram.slice(), address: copy });
    if (at === 0) this.#arm(now);
  }

  #arm(now: number): void {
    clearTimeout(this.#timer);
    const [first] = this.#parcels;
    if (first !== undefined) this.#timer = setTimeout(this.#handleTimer, Math.max(0, first.due - now));
  }

  readonly #handleTimer = (): void => {
    const now = performance.now();
    let count = 0;
    // Timers come up to a millisecond early: their clock has no fractions.
    while (count < this.#parcels.length && this.#parcels[count].due <= now + 1) count++;
    for (const { datagram, address } of this.#parcels.splice(0, count)) {
      if (!this.#stopped) this.#deliver(datagram, address);
    }
    this.#arm(now);
    if (this.#parcels.length === 0) this.#drained?.();
  };
}

function checkCondition(path: string, name: string, value: unknown): void {
  if (value === undefined) return;
  const isShare = SHARES.includes(name);
  if (typeof value !== "number") throw new TypeError(`conditioner.${path} must be a number`);
  const limit = isShare ? 1 : name === "bytesPerSecond" ? Number.MAX_SAFE_INTEGER : MAX_DELAY_MS;
  if (!(value >= 0 && value <= limit))
    throw new RangeError(`conditioner.${path} must be from 0 to ${limit}, not ${value}`);
}
