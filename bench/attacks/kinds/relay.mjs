/**
 * Attacks in somebody else's name. The loopback interface lets nobody spoof a source address, so a newcomer reaches the server through a
 * relay of the attacker's, which sends more from the newcomer's address than the newcomer does, or sends again what it overheard.
 */
import { createServer } from "node:http";
import { boundSocket, checkFor, openSession, post } from "../peer.mjs";

const RELAY_ADDRESS = "127.0.0.30";
const OWN_SESSIONS = 8;
const SOCKETS = 50;
/** One comes in each run. */
const NEWCOMERS = 2;
const FIRST_DTLS_BYTE = 20;

class Relay {
  /** Checks of the newcomers, as they came. */
  overheard = [];
  #to;
  #front;
  #http;
  /** Sockets from which the server hears newcomers, and of those the ones that a newcomer has, by its port. */
  #sockets = [];
  #bySource = new Map();

  static async start(url, to) {
    const relay = new Relay();
    relay.#to = to;
    relay.#front = await boundSocket(RELAY_ADDRESS);
    relay.#sockets = await Promise.all(Array.from({ length: NEWCOMERS }, () => boundSocket(RELAY_ADDRESS)));
    relay.#front.on("message", (datagram, { address, port }) => relay.#forward(datagram, address, port));
    const { port } = relay.#front.address();
    relay.#http = createServer(async (request, response) => {
      let body = "";
      for await (const piece of request) body += piece;
      const { status, text } = await post(url, body);
      const place = new RegExp(`127\\.0\\.0\\.1 ${to.port} `, "g");
      response.writeHead(status === 0 ? 502 : status).end(text.replace(place, `${RELAY_ADDRESS} ${port} `));
    });
    await new Promise((resolve) => relay.#http.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get url() {
    return `http://127.0.0.1:${this.#http.address().port}/`;
  }

  /** From the addresses of newcomers, those to come included. @returns the bytes that it took */
  sendInTheirName(datagram) {
    for (const socket of this.#sockets) socket.send(datagram, this.#to.port, this.#to.address);
    return this.#sockets.length * datagram.length;
  }

  close() {
    this.#http.close();
    this.#front.close();
    for (const socket of this.#sockets) socket.close();
  }

  #forward(datagram, address, port) {
    if (datagram[0] < FIRST_DTLS_BYTE) this.overheard.push(datagram);
    let socket = this.#bySource.get(port);
    if (socket === undefined) {
      socket = this.#sockets[this.#bySource.size % NEWCOMERS];
      this.#bySource.set(port, socket);
      socket.on("message", (answer) => this.#front.send(answer, port, address));
    }
    socket.send(datagram, this.#to.port, this.#to.address);
  }
}

/** @param step called with the relay and a running number; resolves with the bytes that it sent */
function byRelay(name, what, prepareStep) {
  return {
    name,
    what,
    group: "address",
    async prepare({ url, to, rate }) {
      const relay = await Relay.start(url, to);
      const step = await prepareStep({ url, to, relay });
      return {
        newcomerUrl: relay.url,
        async run() {
          for (let index = 0; await rate.take(step(index)); index++);
          relay.close();
        },
      };
    },
  };
}

/** What is taken from the pace where there was nothing to send yet. */
const IDLE_BYTES = 1_000;

export const relayAttacks = [
  byRelay(
    "spoofed-checks",
    "true checks of the attacker's sessions, from a newcomer's address and port",
    async ({ url, relay }) => {
      const sessions = await Promise.all(Array.from({ length: OWN_SESSIONS }, () => openSession(url)));
      return (index) => {
        const check = checkFor(sessions[index % OWN_SESSIONS]);
        return relay.sendInTheirName(check) ? check.length : IDLE_BYTES;
      };
    },
  ),
  byRelay("overheard-checks", "a newcomer's own checks, again and again from 50 other ports", async ({ to, relay }) => {
    const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => boundSocket()));
    return (index) => {
      const check = relay.overheard[index % Math.max(1, relay.overheard.length)];
      if (check === undefined) return IDLE_BYTES;
      sockets[index % SOCKETS].send(check, to.port, to.address);
      return check.length;
    };
  }),
];
