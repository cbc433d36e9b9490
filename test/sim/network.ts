import { formatAddress, type SocketAddress } from "../../src/wire/address.ts";
import { EventQueue } from "./event-queue.ts";
import { Link, type LinkConditions } from "./link.ts";
import { Random } from "./random.ts";

/** Anything sans-IO that speaks over UDP: a server's endpoint, a browser, a bare association. */
export interface SimNode {
  handleDatagram(now: number, source: SocketAddress, datagram: Uint8Array): void;
  handleTimeout(now: number): void;
  /** Absolute, in the network's clock; `Infinity` when nothing is due. */
  readonly nextDeadline: number;
  /** Called once after everything that happened to the node at one instant, as a shell does at the end of its turn. */
  flush?(now: number): void;
}

/** A node's place in the network: its public address and the two directions of its access line. */
export class Host implements Line {
  readonly node: SimNode;
  /** From the node into the network. */
  readonly up: Link;
  /** From the network to the node. */
  readonly down: Link;
  /** Datagrams this host sent to addresses where nobody is. */
  unreachable = 0;
  /** What the others see; changes by {@link Network.rebind}. */
  address: SocketAddress;

  constructor(node: SimNode, address: SocketAddress, line: Line) {
    this.node = node;
    this.address = address;
    this.up = line.up;
    this.down = line.down;
  }

  setLine(conditions: LineConditions): void {
    setLine(this, conditions);
  }
}

/** Both directions of an access line. Hosts that are attached with the same one share its rate and its queues. */
export interface Line {
  /** From the nodes into the network. */
  readonly up: Link;
  /** From the network to the nodes. */
  readonly down: Link;
}

/** The same conditions for both directions; `rttMs` is split between them. */
export type LineConditions = Partial<LinkConditions> & { rttMs?: number };

export function setLine({ up, down }: Line, { rttMs, ...rest }: LineConditions): void {
  const delay = rttMs === undefined ? {} : { delayMs: rttMs / 2 };
  up.set({ ...rest, ...delay });
  down.set({ ...rest, ...delay });
}

// An instant in which more happens than this is a loop between nodes, or a deadline that never moves on.
const MAX_EVENTS_PER_INSTANT = 20_000;

/**
 * A network in virtual time: datagrams, timers and actions happen one after the other, at the times the links and nodes
 * say, and nothing else is random. Equal seeds and equal nodes give equal runs.
 *
 * @example
 * const network = new Network("seed 7");
 * const server = network.attach(serverNode, { address: "192.0.2.1", port: 3478 });
 * const browser = network.attach(browserNode, { address: "198.51.100.1", port: 50000 });
 * browser.setLine({ rttMs: 100, loss: 0.05 });
 * network.runUntil(10_000);
 */
export class Network {
  /** Milliseconds since the start. */
  now = 0;
  /** For whatever the simulation draws itself; the links have streams of their own. */
  readonly random: Random;
  readonly hosts: Host[] = [];
  /** Called with each datagram that reaches a node. For traces. */
  onDelivery: ((from: SocketAddress, to: SocketAddress, datagram: Uint8Array) => void) | undefined;

  readonly #queue = new EventQueue();
  readonly #byAddress = new Map<string, Host>();
  readonly #toFlush = new Set<Host>();
  #eventsThisInstant = 0;

  constructor(seed: string) {
    this.random = new Random(seed);
  }

  /** A line of its own, for hosts that share it. */
  createLine(label: string): Line {
    const random = this.random.fork(label);
    return { up: new Link(random.fork("up")), down: new Link(random.fork("down")) };
  }

  /** @param line default: one of the node's own */
  attach(node: SimNode, address: SocketAddress, line = this.createLine(`host ${this.hosts.length}`)): Host {
    const host = new Host(node, address, line);
    this.hosts.push(host);
    this.#byAddress.set(formatAddress(address), host);
    return host;
  }

  /** Takes a host off the network: it is neither reached nor called again. */
  detach(host: Host): void {
    this.hosts.splice(this.hosts.indexOf(host), 1);
    this.#toFlush.delete(host);
    if (this.#byAddress.get(formatAddress(host.address)) === host) this.#byAddress.delete(formatAddress(host.address));
  }

  /** Gives a host another public address, as a NAT does; what is under way to the old one is lost. */
  rebind(host: Host, address: SocketAddress): void {
    this.#byAddress.delete(formatAddress(host.address));
    host.address = address;
    this.#byAddress.set(formatAddress(address), host);
  }

  /** Sends a datagram (copied) from a host over its line up and the destination's line down. */
  send(from: Host, destination: SocketAddress, datagram: Uint8Array): void {
    const source = from.address;
    for (const up of from.up.send(this.now, datagram)) {
      this.#queue.push(up.at, () => this.#enterDownlink(from, source, destination, up.datagram));
    }
  }

  /** Runs an action at a time, then flushes the host it concerns. */
  at(time: number, host: Host, action: (now: number) => void): void {
    this.#queue.push(Math.max(time, this.now), () => {
      action(this.now);
      this.#toFlush.add(host);
    });
  }

  /** Runs an action each `intervalMs`, `count` times, the first time at `start`. */
  every(
    start: number,
    intervalMs: number,
    count: number,
    host: Host,
    action: (index: number, now: number) => void,
  ): void {
    const step = (index: number): void => {
      if (index === count) return;
      this.at(start + index * intervalMs, host, (now) => {
        action(index, now);
        step(index + 1);
      });
    };
    step(0);
  }

  /**
   * Lets time pass until `limit`, or until `done` holds after some event.
   *
   * @returns whether `done` held; false where there is none
   */
  runUntil(limit: number, done?: () => boolean): boolean {
    try {
      return this.#run(limit, done);
    } catch (error) {
      if (error instanceof Error) error.message += ` [seed "${this.random.seed}", at ${this.now.toFixed(3)} ms]`;
      throw error;
    }
  }

  #run(limit: number, done: (() => boolean) | undefined): boolean {
    for (;;) {
      if (done?.()) return true;
      const due = this.#nextDue();
      if (due > this.now) {
        if (this.#flushAll()) continue;
        if (due > limit) {
          this.now = Math.max(this.now, limit);
          return false;
        }
        this.#eventsThisInstant = 0;
        this.now = due;
      }
      this.#step();
    }
  }

  #nextDue(): number {
    let due = this.#queue.nextTime;
    for (const host of this.hosts) if (host.node.nextDeadline < due) due = host.node.nextDeadline;
    return due;
  }

  #step(): void {
    if (++this.#eventsThisInstant > MAX_EVENTS_PER_INSTANT) {
      throw new Error(`the simulation does not get past ${this.now} ms: ${this.#describeDue()}`);
    }
    if (this.#queue.nextTime <= this.now) {
      this.#queue.pop()();
      return;
    }
    for (const host of this.hosts) {
      if (host.node.nextDeadline > this.now) continue;
      host.node.handleTimeout(this.now);
      this.#toFlush.add(host);
      return;
    }
  }

  #flushAll(): boolean {
    if (this.#toFlush.size === 0) return false;
    const hosts = [...this.#toFlush];
    this.#toFlush.clear();
    for (const host of hosts) host.node.flush?.(this.now);
    return true;
  }

  #enterDownlink(from: Host, source: SocketAddress, destination: SocketAddress, datagram: Uint8Array): void {
    const to = this.#byAddress.get(formatAddress(destination));
    if (to === undefined) {
      from.unreachable++;
      return;
    }
    for (const down of to.down.send(this.now, datagram)) {
      this.#queue.push(down.at, () => this.#deliver(to, source, destination, down.datagram));
    }
  }

  #deliver(to: Host, source: SocketAddress, destination: SocketAddress, datagram: Uint8Array): void {
    // The mapping may have gone while the datagram was under way.
    if (this.#byAddress.get(formatAddress(destination)) !== to) return;
    this.onDelivery?.(source, destination, datagram);
    to.node.handleDatagram(this.now, source, datagram);
    this.#toFlush.add(to);
  }

  #describeDue(): string {
    const overdue = this.hosts.filter((host) => host.node.nextDeadline <= this.now);
    return overdue.length === 0
      ? "nodes answer each other without end"
      : `deadlines stand at ${overdue.map((host) => `${formatAddress(host.address)}: ${host.node.nextDeadline}`).join(", ")}`;
  }
}
