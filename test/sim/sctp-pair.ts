import type { SocketAddress } from "../../src/wire/address.ts";
import { AssociationNode } from "./association-node.ts";
import { Flow } from "./flow.ts";
import type { Host, Line, Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { SctpNode } from "./sctp-node.ts";
import { UsrsctpNode } from "./usrsctp/node.ts";

export type Stack = "ours" | "usrsctp";

export interface PairOptions {
  /** Who connects, and sends. */
  near: Stack;
  /** Who receives. */
  far: Stack;
  /** The near end's line. Default: one of its own. */
  line?: Line;
  /** Whether both offer I-DATA (RFC 8260). Default false. */
  interleaving?: boolean;
}

const PPID_BINARY = 53;
const ESTABLISH_MS = 60_000;

/** Two ends of an association around a network. */
export class SctpPair {
  readonly near: SctpNode;
  readonly far: SctpNode;
  readonly nearHost: Host;
  readonly farHost: Host;
  readonly #network: Network;

  constructor(network: Network, options: PairOptions) {
    const { near, far, line, interleaving = false } = options;
    this.#network = network;
    const index = network.hosts.length;
    const random = network.random.fork(`pair ${index}`);
    const nearAddress = { address: "198.51.100.1", port: 10_000 + index };
    const farAddress = { address: "192.0.2.1", port: 10_000 + index };
    const sendTo = (from: () => Host, to: SocketAddress) => (packet: Uint8Array) => network.send(from(), to, packet);
    const toFar = sendTo(() => this.nearHost, farAddress);
    const toNear = sendTo(() => this.farHost, nearAddress);
    this.near = createNode(near, "client", random.fork("near"), toFar, interleaving);
    this.far = createNode(far, "server", random.fork("far"), toNear, interleaving);
    this.nearHost = network.attach(this.near, nearAddress, line);
    this.farHost = network.attach(this.far, farAddress);
  }

  /** Why one of them ended, where one has. */
  get ended(): string | undefined {
    const { near, far } = this;
    if (near.closedBecause !== undefined) return `sender: ${near.closedBecause}`;
    return far.closedBecause === undefined ? undefined : `receiver: ${far.closedBecause}`;
  }

  /** The near end connects at a time to come. */
  connectAt(time: number): void {
    this.#network.at(time, this.nearHost, (now) => this.near.connect(now));
  }

  /** Connects at once, and lets time pass until both are established. */
  establish(): void {
    this.connectAt(this.#network.now);
    const both = () => this.near.isEstablished && this.far.isEstablished;
    if (this.#network.runUntil(this.#network.now + ESTABLISH_MS, both)) return;
    throw new Error(`not established [seed "${this.#network.random.seed}"]`);
  }

  /** What becomes of the messages that reach the far end. */
  receive(take: (now: number, streamId: number, message: Uint8Array) => void): void {
    this.far.onMessage = (streamId, _ppid, message) => take(this.#network.now, streamId, message);
  }

  close(): void {
    this.near.close();
    this.far.close();
  }
}

function createNode(
  stack: Stack,
  role: "client" | "server",
  random: Random,
  send: (packet: Uint8Array) => void,
  interleaving: boolean,
): SctpNode {
  if (stack === "usrsctp") return new UsrsctpNode(random, send, { role, interleaving });
  return new AssociationNode(random, send, { interleaving });
}

export interface BulkOptions {
  streamId: number;
  messageBytes: number;
  /** Default: without end. */
  messages?: number;
  /** Sent and not yet received, bytes at most. Default: as much as the sender takes. */
  maxUndeliveredBytes?: number;
}

/** Reliable, ordered messages, sent as fast as the sender takes them. Returns the flow, for the receiver to feed. */
export function sendBulk(node: SctpNode, options: BulkOptions): Flow {
  const { streamId, messageBytes, messages = Number.POSITIVE_INFINITY } = options;
  const { maxUndeliveredBytes = Number.POSITIVE_INFINITY } = options;
  const flow = new Flow(messageBytes);
  let waiting: Uint8Array | undefined;
  node.onTurn = (now) => {
    if (!node.isEstablished || node.closedBecause !== undefined) return;
    for (;;) {
      if (waiting === undefined) {
        if (flow.sent === messages || (flow.sent - flow.delivered) * messageBytes >= maxUndeliveredBytes) return;
        waiting = flow.next();
      }
      if (!node.offer(now, { streamId, ppid: PPID_BINARY, data: waiting, ordered: true })) return;
      waiting = undefined;
    }
  };
  return flow;
}

export interface SteadyOptions {
  /** Default: now. */
  startMs?: number;
  streamId: number;
  messages: number;
  messageBytes: number;
  rateHz: number;
  ordered: boolean;
  /** Default: reliable. */
  maxRetransmits?: number;
}

/** Messages at a steady rate, and how long each was under way. */
export class SteadyFlow {
  readonly flow: Flow;
  /** Of the messages that arrived, ms. */
  readonly latencies: number[] = [];
  /** Messages that the sender did not take. */
  refused = 0;
  readonly #sentAt: number[] = [];

  constructor(messageBytes: number) {
    this.flow = new Flow(messageBytes);
  }

  send(now: number): Uint8Array {
    this.#sentAt.push(now);
    return this.flow.next();
  }

  receive(now: number, message: Uint8Array): void {
    const index = this.flow.receive(message);
    if (index !== undefined) this.latencies.push(now - this.#sentAt[index]);
  }

  /** Share of all messages that arrived within this time. */
  shareWithin(ms: number): number {
    return this.latencies.filter((latency) => latency <= ms).length / this.flow.sent;
  }
}

/** The near end of a pair sends at a steady rate. Returns the flow, for the receiver to feed. */
export function sendSteadily(network: Network, { near, nearHost }: SctpPair, options: SteadyOptions): SteadyFlow {
  const { startMs = network.now, streamId, messages, messageBytes, rateHz, ordered, maxRetransmits } = options;
  const steady = new SteadyFlow(messageBytes);
  const phase = network.random.fork("phase").unit() * (1000 / rateHz);
  network.every(startMs + phase, 1000 / rateHz, messages, nearHost, (_, now) => {
    const data = steady.send(now);
    const limit = maxRetransmits === undefined ? {} : { maxRetransmits };
    if (!near.offer(now, { streamId, ppid: PPID_BINARY, data, ordered, ...limit })) steady.refused++;
  });
  return steady;
}
