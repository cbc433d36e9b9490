/** CPU of one kind of datagram beside that of honest messages of the same size, in turns. */
import { ratioOf } from "../../report.mjs";
import { Attacker } from "./attacker.mjs";

/** What an honest message of no bytes takes as a datagram, and the largest datagram that one message makes. */
const OVERHEAD_BYTES = 48;
const LARGEST_BYTES = 1_200;
const HONEST_BYTES = 100;
const CHECK_EVERY_MS = 2_000;

/**
 * @param {object} kind see `kinds.mjs`
 * @param {() => object} newArena
 */
export function measure(kind, newArena, { rounds, datagrams }) {
  const state = new State(kind, newArena);
  const costs = [];
  const same = [];
  const small = [];
  for (let round = 0; round < rounds; round++) {
    const { ns, count, bytes } = state.attack(datagrams);
    const perDatagram = bytes / count;
    costs.push(ns / count);
    same.push(state.honest(datagrams, perDatagram));
    small.push(state.honest(datagrams, HONEST_BYTES + OVERHEAD_BYTES));
  }
  // The first third warms up.
  const from = Math.floor(rounds / 3);
  const [cost, sameSize, message] = [costs, same, small].map((values) => values.slice(from));
  return {
    kind,
    bytes: state.bytes / state.count,
    us: quartiles(cost.map((ns) => ns / 1_000)),
    honestUs: quartiles(sameSize.map((ns) => ns / 1_000)),
    timesMessage: ratioOf(cost, message),
    timesSize: ratioOf(cost, sameSize),
    quietTimesSize: lowerQuartile(cost) / lowerQuartile(sameSize),
    answerBytes: state.answerBytes / state.bytes,
    ended: state.ended,
    datagrams: state.count,
    drops: state.drops,
  };
}

/** Processor time of the whole process, the garbage collector's included: other programs on the machine do not count. */
function cpuNs() {
  const { user, system } = process.cpuUsage();
  return 1_000 * (user + system);
}

function quartiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  return { median: at(0.5), from: at(0.25), to: at(0.75) };
}

/** What it takes on a quiet machine: whatever disturbs a measurement makes it longer. */
function lowerQuartile(values) {
  return quartiles(values).from;
}

class State {
  bytes = 0;
  count = 0;
  answerBytes = 0;
  ended = 0;
  #kind;
  #arena;
  #honest;
  #attacker;

  constructor(kind, newArena) {
    this.#kind = kind;
    this.#arena = newArena();
    this.#honest = new Attacker(this.#arena);
    this.#honest.openChannels(1);
    this.#attacker = this.#prepare();
  }

  get drops() {
    return this.#arena.endpoint.drops.snapshot();
  }

  /** One batch; it ends early where the connection does. */
  attack(datagrams) {
    if (this.#attacker.isClosed) {
      this.ended++;
      this.#attacker = this.#prepare();
    }
    const attacker = this.#attacker;
    if (this.#kind.run !== undefined) return this.#runs(datagrams);
    if (this.#kind.play !== undefined) return this.#play(attacker, datagrams);
    const sources = [];
    const batch = this.#kind.make(attacker, datagrams, this.#arena);
    for (const entry of batch) sources.push(entry.source ?? attacker.source);
    const sentBefore = this.#arena.sentBytes;
    let count = 0;
    const start = cpuNs();
    while (count < batch.length && !attacker.isClosed) {
      this.#arena.deliver(sources[count], batch[count].bytes ?? batch[count]);
      count++;
    }
    const ns = cpuNs() - start;
    let bytes = 0;
    for (let i = 0; i < count; i++) bytes += (batch[i].bytes ?? batch[i]).length;
    this.bytes += bytes;
    this.count += count;
    this.answerBytes += this.#arena.sentBytes - sentBefore;
    if (attacker !== undefined && !attacker.isClosed) {
      this.#kind.after?.(attacker);
      attacker.settle(this.#kind.acknowledges !== false);
    }
    this.#keepAlive();
    return { ns, count, bytes };
  }

  /** An attack that waits for answers: what the server does is timed datagram by datagram. */
  #play(attacker, datagrams) {
    const sentBefore = this.#arena.sentBytes;
    const meter = { ns: 0, count: 0, bytes: 0 };
    this.#arena.meter = meter;
    while (meter.count < datagrams && !attacker.isClosed) this.#kind.play(attacker);
    this.#arena.meter = undefined;
    this.bytes += meter.bytes;
    this.count += meter.count;
    this.answerBytes += this.#arena.sentBytes - sentBefore;
    this.#keepAlive();
    return meter;
  }

  /** What comes otherwise than as a datagram. */
  #runs(times) {
    const start = cpuNs();
    for (let i = 0; i < times; i++) this.#kind.run();
    const ns = cpuNs() - start;
    const bytes = times * this.#kind.bytes;
    this.bytes += bytes;
    this.count += times;
    return { ns, count: times, bytes };
  }

  /** ns per honest datagram of this size; of as many full ones where that is more than one can have. */
  honest(datagrams, bytes) {
    const each = Math.max(1, bytes / LARGEST_BYTES);
    const data = new Uint8Array(Math.max(1, Math.round(Math.min(bytes, LARGEST_BYTES)) - OVERHEAD_BYTES)).fill(7);
    const honest = this.#honest;
    const batch = Array.from({ length: datagrams }, () => honest.seal(honest.data({ data })));
    const start = cpuNs();
    for (const datagram of batch) honest.deliver(datagram);
    const ns = cpuNs() - start;
    honest.settle();
    return (ns / datagrams) * each;
  }

  #prepare() {
    const attacker = new Attacker(this.#arena);
    this.#kind.prepare?.(attacker, this.#arena);
    return attacker;
  }

  #keepAlive() {
    const { now } = this.#arena;
    for (const one of [this.#honest, this.#attacker]) {
      if (one === undefined || one.isClosed || now - (one.checkedAt ?? 0) < CHECK_EVERY_MS) continue;
      one.deliver(one.ice.check());
      one.checkedAt = now;
    }
    this.#arena.endpoint.handleTimeout(now);
    for (const one of [this.#honest, this.#attacker])
      if (one !== undefined && !one.isClosed) one.settle(one === this.#honest || this.#kind.acknowledges !== false);
  }
}
