/**
 * What an echo of 100 B costs in memory, without sockets, where one connection after the other has its turn, and where other
 * work has pushed code and data out of the caches between two messages. Prints one line of JSON: ns per echo, by case.
 *
 *   node bench/path/rotation.mjs [ROUNDS] [CASE …]     a case is CONNECTIONS or CONNECTIONS,MEGABYTES
 */
import { Endpoint } from "../../build/core/server-endpoint.js";
import { Certificate } from "../../build/dtls/certificate.js";
import { resolveLimits } from "../../build/server/options.js";
import { Datapath } from "../../build/wasm/datapath.js";
import { MemoryClient, random } from "./memory-client.mjs";
import { reader } from "./reader.mjs";

const CASES = ["20", "2000", "20,4", "20,16"];
const DATA = new Uint8Array(100).fill(7);
const TICK_MS = 16;
const CHECKS_MS = 4_000;
/** Between two connections that begin: what a server has time for, by `maxHandshakesPerSecond`. */
const HANDSHAKE_MS = 4;
/** Echoes of one round that are timed one by one, with other work in front of each. */
const COLD_ECHOES = 40;
/** The answers of a lot of 50 connections, and more. */
const KEPT_BYTES = 65_536;

class Rotation {
  #now = 1_000;
  #endpoint;
  #clients = [];
  #connections = [];
  #arrived = [];
  /** What was sent, in a buffer that is used again and again: less for the caches than a copy of its own. */
  #kept = new Uint8Array(KEPT_BYTES);
  #keptTo = 0;

  constructor(count) {
    const certificate = Certificate.generate();
    const limits = resolveLimits({
      maxConnectionsPerAddress: count,
      maxHandshakes: count,
      maxHandshakesPerAddress: count,
      maxHandshakesPerSecond: 1_000_000,
      maxHandshakesPerSecondPerAddress: 1_000_000,
    });
    this.#endpoint = new Endpoint(
      { certificate, limits, random },
      {
        transmit: (datagram, destination) => {
          this.#arrived.push(this.#clients[destination.port - 10_000], this.#keep(datagram));
        },
        opened: (connection) => this.#connections.push(connection),
        channelOpened: () => {},
        message: (connection, channel, data) => connection.send(this.#now, data, channel),
        closed: () => {},
      },
    );
    const datapath = new Datapath({ keySlots: 3 * count + 8 });
    for (let i = 0; i < count; i++) this.#connect(certificate, datapath, i);
  }

  /** Each client sends one message, in an order of its own. Returns ns per echo in the endpoint. */
  round(between) {
    this.#now += TICK_MS;
    const datagrams = [];
    for (const client of this.#clients) client.send(this.#now, DATA);
    for (const client of this.#clients)
      datagrams.push({ source: client.source, bytes: client.sent.pop(), at: random(4).join() });
    if (this.#now % CHECKS_MS < TICK_MS) this.#checkAll();
    datagrams.sort((a, b) => (a.at < b.at ? -1 : 1));
    return between === undefined
      ? this.#together(datagrams)
      : this.#apart(datagrams.slice(0, COLD_ECHOES), datagrams.slice(COLD_ECHOES), between);
  }

  /** In lots that leave what was sent in its ring. */
  #together(datagrams) {
    let ns = 0;
    for (let i = 0; i < datagrams.length; i += 50) {
      const lot = datagrams.slice(i, i + 50);
      ns += this.#timed(() => {
        for (const { source, bytes } of lot) {
          this.#endpoint.handleDatagram(this.#now, source, bytes);
          this.#endpoint.flush(this.#now);
        }
      });
      this.#takeArrived();
    }
    this.#endpoint.handleTimeout(this.#now);
    return [ns / datagrams.length];
  }

  #apart(timed, others, between) {
    const found = [];
    for (const { source, bytes } of timed) {
      between();
      found.push(
        this.#timed(() => {
          this.#endpoint.handleDatagram(this.#now, source, bytes);
          this.#endpoint.flush(this.#now);
        }),
      );
      this.#takeArrived();
    }
    if (others.length > 0) this.#together(others);
    return found;
  }

  /** Untimed: consent to send, which would expire. */
  #checkAll() {
    for (const client of this.#clients) this.#endpoint.handleDatagram(this.#now, client.source, client.check());
    this.#arrived.length = 0;
  }

  #keep(datagram) {
    if (this.#keptTo + datagram.length > KEPT_BYTES) this.#keptTo = 0;
    const start = this.#keptTo;
    this.#kept.set(datagram, start);
    this.#keptTo += datagram.length;
    return this.#kept.subarray(start, this.#keptTo);
  }

  #timed(work) {
    const start = process.hrtime.bigint();
    work();
    return Number(process.hrtime.bigint() - start);
  }

  #takeArrived() {
    const arrived = this.#arrived.splice(0);
    for (let i = 0; i < arrived.length; i += 2) arrived[i].receive(this.#now, arrived[i + 1]);
  }

  #connect(certificate, datapath, index) {
    this.#now += HANDSHAKE_MS;
    // As a socket reports it: text of its own for each.
    const source = { address: `10.0.${index >> 8}.${index & 255}`, port: 10_000 + index, via: 1 };
    const client = new MemoryClient(certificate, datapath, source);
    this.#clients.push(client);
    const session = this.#endpoint.createSession(this.#now, client.description(certificate), undefined);
    this.#endpoint.handleDatagram(this.#now, source, client.check(session));
    client.start(this.#now);
    this.#settle(client);
    client.open();
    this.#settle(client);
    if (this.#connections.length !== index + 1) throw new Error("a connection does not open");
  }

  #settle(client) {
    for (let round = 0; round < 20; round++) {
      client.flush();
      this.#endpoint.flush(this.#now);
      this.#takeArrived();
      for (const datagram of client.sent.splice(0)) this.#endpoint.handleDatagram(this.#now, client.source, datagram);
    }
  }
}

const [rounds = "150", ...cases] = process.argv.slice(2);
const found = {};
for (const name of cases.length > 0 ? cases : CASES) {
  const [count, megabytes] = name.split(",").map(Number);
  const rotation = new Rotation(count);
  const between = megabytes === undefined ? undefined : reader(megabytes);
  // Compiled before it is measured.
  for (let i = 0; i < 40_000 / count; i++) rotation.round();
  found[name] = [];
  const times = count >= 1_000 ? Number(rounds) / 5 : Number(rounds);
  for (let i = 0; i < times; i++) found[name].push(...rotation.round(between));
}
for (const [name, ns] of Object.entries(found)) {
  const sorted = ns.sort((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.floor(share * (sorted.length - 1))]);
  console.log(JSON.stringify({ case: name, medianNs: at(0.5), from: at(0.25), to: at(0.75) }));
}
