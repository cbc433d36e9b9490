import assert from "node:assert/strict";
import type { DtlsOptions, DtlsVersion } from "../../../src/dtls/connection.ts";
import { concatBytes, equalBytes } from "../../../src/wire/bytes.ts";
import { converse, endPair, makePair, type Pair, recordedHellos, type Side } from "../support/dtls.ts";
import { RogueDatapath, type RecordContent, tamperPlain } from "./rogue-datapath.ts";
import { type CoverageTarget, readSteps, runTimers, type Step, writeSteps } from "./target.ts";

type Role = "client" | "server";

const KEY_SLOTS = 32;
const HANDSHAKE = 22;
const HANDSHAKE_HEADER_BYTES = 12;
const VERSIONS: readonly (readonly DtlsVersion[])[] = [["1.3", "1.2"], ["1.3"], ["1.2"]];
/** Of the first byte of an input, beside the versions. */
const SMALL_DATAGRAMS = 4;
const ASKS_FOR_COOKIE = 8;
const NO_PEER = 16;

/** Operations of a step. Those below `RAW_BEFORE` change the record that the argument counts to. */
const EDITS = 6;
const RAW_BEFORE = 6;
const RECORD_AFTER = 7;
const RAW_AFTER = 8;
const WAIT = 9;
const UPDATE_KEY = 10;
const OPERATIONS = 11;

/**
 * One side of DTLS, 1.2 or 1.3. Its peer has the true keys, and puts into its records, protected or not, what the input says, during
 * the handshake and after it. Datagrams of the input as they are come before and between; where the input says so, nothing else comes.
 */
export function dtlsTarget(role: Role): CoverageTarget {
  const bench = new Bench(role);
  return {
    name: `dtls-${role}`,
    covers: ["dtls/"],
    seeds: seeds(bench),
    run: (input) => bench.run(input),
  };
}

class Bench {
  readonly #role: Role;
  readonly #rogue = new RogueDatapath({ keySlots: KEY_SLOTS, txSlots: 32 });
  readonly #edits: Step[] = [];
  #record = 0;
  /** What the next record is, whatever it was to be. */
  #replacement: RecordContent | undefined;
  /** When it is there, everything that the peer says in a handshake is kept in it. */
  recording: RecordContent[] | undefined;

  constructor(role: Role) {
    this.#role = role;
    this.#rogue.tamper = (record) => this.#tamper(record);
  }

  run(input: Uint8Array): void {
    const selector = input[0] ?? 0;
    const steps = readSteps(input.subarray(1));
    const pair = this.#pair(selector);
    this.#start(steps);
    const target = pair[this.#role];
    if (this.#role === "client") target.connection.start(0);
    for (const step of steps) {
      if (step.operation % OPERATIONS !== RAW_BEFORE) continue;
      target.connection.handleDatagram(0, step.bytes);
      target.check();
    }
    if ((selector & NO_PEER) !== 0) this.#checkStranger(target, steps);
    else this.#talk(pair, steps);
    this.#finish(pair);
  }

  #pair(selector: number): Pair {
    const versions = VERSIONS[(selector & 3) % VERSIONS.length];
    const options: Partial<DtlsOptions> = {
      versions,
      ...((selector & SMALL_DATAGRAMS) !== 0 && { handshakeMtuBytes: 300 }),
    };
    const secret = new Uint8Array(32);
    const helloVerify = { secret, peer: new Uint8Array(6) };
    const server = { ...options, ...((selector & ASKS_FOR_COOKIE) !== 0 && { helloVerify }) };
    const rogue = { datapath: this.#rogue };
    return this.#role === "server"
      ? makePair({ server, client: { ...options, ...rogue } })
      : makePair({ server: { ...server, ...rogue }, client: options });
  }

  #start(steps: readonly Step[]): void {
    this.#record = 0;
    this.#edits.length = 0;
    this.#edits.push(...steps.filter(({ operation }) => operation % OPERATIONS < EDITS));
  }

  /** Nobody who knows a key has said anything. */
  #checkStranger(target: Side, steps: readonly Step[]): void {
    assert.notEqual(target.connection.state, "connected", "connected to nobody");
    assert.deepEqual(target.received, []);
    const given = steps.reduce((sum, { bytes }) => sum + bytes.length, 0);
    assert(target.sentBytes <= 3_000 + 3 * given, "more out than a flight");
  }

  #talk(pair: Pair, steps: readonly Step[]): void {
    const filter = (datagram: Uint8Array) => [tamperPlain(datagram, (record) => this.#tamper(record))];
    if (this.#role === "server") converse(pair, filter);
    else converse(pair, undefined, filter);
    this.#compare(pair);
    this.#edits.length = 0;
    let now = 4_000;
    for (const { operation, argument, bytes } of steps) {
      now = this.#after(pair, now, operation % OPERATIONS, argument, bytes);
    }
  }

  #after(pair: Pair, now: number, operation: number, argument: number, bytes: Uint8Array): number {
    const target = pair[this.#role];
    const rogue = pair[this.#role === "server" ? "client" : "server"];
    if (operation === RECORD_AFTER) {
      this.#replacement = { type: argument, content: bytes };
      rogue.connection.send(now, Uint8Array.of(0));
      this.#replacement = undefined;
    } else if (operation === RAW_AFTER) target.connection.handleDatagram(now, bytes);
    else if (operation === UPDATE_KEY) target.connection.updateKey(now, (argument & 1) === 1);
    else if (operation === WAIT) runTimersOf(pair, now + 50 * argument);
    else return now;
    for (const datagram of rogue.take()) target.connection.handleDatagram(now, datagram);
    for (const datagram of target.take()) rogue.connection.handleDatagram(now, datagram);
    target.check();
    return operation === WAIT ? now + 50 * argument : now + 1;
  }

  /** Both sides connected: then they agree on the keys, and each has seen the certificate it expects. */
  #compare({ client, server }: Pair): void {
    if (client.connection.state !== "connected" || server.connection.state !== "connected") return;
    const [ours, theirs] = [client, server].map(({ connection }) => connection.exportKeyingMaterial("fuzz", 32));
    assert(
      ours !== undefined && theirs !== undefined && equalBytes(ours, theirs),
      "two sides that connected to somebody else",
    );
    assert(server.connection.peerCertificate !== undefined && client.connection.peerCertificate !== undefined);
  }

  #finish(pair: Pair): void {
    this.#edits.length = 0;
    const { connection } = pair[this.#role];
    runTimers(connection, 1e6, () => pair[this.#role].check());
    assert(connection.state !== "handshaking", "a handshake that nothing ends");
    endPair(pair);
    assert.equal(this.#rogue.freeKeySlots, KEY_SLOTS, "keys are released at the end");
  }

  #tamper(record: RecordContent): RecordContent {
    if (this.#replacement !== undefined) return this.#replacement;
    this.recording?.push(record);
    const index = this.#record++;
    return this.#edits.filter(({ argument }) => argument === index).reduce(edited, record);
  }
}

/** A record as a step changes it. */
function edited({ type, content }: RecordContent, { operation, bytes }: Step): RecordContent {
  switch (operation % OPERATIONS) {
    case 0:
      return { type, content: bytes };
    case 1:
      return type === HANDSHAKE ? { type, content: withBody(content, bytes) } : { type, content: bytes };
    case 2: {
      const copy = content.slice();
      const at = copy.length === 0 ? 0 : numberOf(bytes) % copy.length;
      copy.set(bytes.subarray(2, 2 + copy.length - at), at);
      return { type, content: copy };
    }
    case 3:
      return { type: bytes[0] ?? 0, content };
    case 4:
      return { type, content: content.subarray(0, numberOf(bytes)) };
    default:
      return { type, content: concatBytes(content, bytes) };
  }
}

/** A handshake message with another body, all in one fragment (RFC 6347 §4.2.2); type and sequence stay. */
function withBody(content: Uint8Array, body: Uint8Array): Uint8Array {
  const header = new Uint8Array(HANDSHAKE_HEADER_BYTES);
  header.set(content.subarray(0, 6));
  const length = [0, body.length >>> 8, body.length & 0xff];
  header.set(length, 1);
  header.set(length, 9);
  return concatBytes(header, body);
}

function numberOf(bytes: Uint8Array): number {
  return ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
}

function runTimersOf({ client, server }: Pair, until: number): void {
  for (const { connection } of [client, server]) runTimers(connection, until);
}

/** Each message of a true handshake, to be changed; what browsers sent; and records of each kind afterwards. */
function seeds(bench: Bench): Uint8Array[] {
  const all: Uint8Array[] = [];
  const withSelector = (selector: number, steps: Uint8Array) => concatBytes(Uint8Array.of(selector), steps);
  for (const selector of [
    0,
    1,
    2,
    1 + SMALL_DATAGRAMS,
    2 + SMALL_DATAGRAMS,
    1 + ASKS_FOR_COOKIE,
    2 + ASKS_FOR_COOKIE,
  ]) {
    bench.recording = [];
    bench.run(Uint8Array.of(selector));
    for (const [index, { type, content }] of bench.recording.slice(0, 12).entries()) {
      const body = type === HANDSHAKE ? content.subarray(HANDSHAKE_HEADER_BYTES) : content;
      all.push(withSelector(selector, writeSteps([[1, index, body]])));
    }
    bench.recording = undefined;
    all.push(withSelector(selector, writeSteps(recordsAfter())));
  }
  for (const hello of [...recordedHellos("chromium").slice(0, 2), ...recordedHellos("firefox").slice(0, 2)]) {
    all.push(withSelector(NO_PEER, writeSteps([[RAW_BEFORE, 0, hello]])));
  }
  return all;
}

function recordsAfter(): (readonly [number, number, Uint8Array])[] {
  const keyUpdate = Uint8Array.of(24, 0, 0, 1, 0, 9, 0, 0, 0, 0, 0, 1, 1);
  return [
    [RECORD_AFTER, 23, Uint8Array.of(1, 2, 3)],
    [RECORD_AFTER, HANDSHAKE, keyUpdate],
    [RECORD_AFTER, 26, new Uint8Array(18)],
    [UPDATE_KEY, 1, new Uint8Array(0)],
    [WAIT, 20, new Uint8Array(0)],
    [RECORD_AFTER, 21, Uint8Array.of(1, 0)],
  ];
}
