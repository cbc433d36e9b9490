import { randomBytes } from "node:crypto";
import { boundSocket, checkFor, openSession } from "../peer.mjs";

/** An attack by one address that sends datagrams, of which nobody has to be answered. `make(session, index)` gives the next one. */
function datagrams(name, what, make, sockets = 1) {
  return {
    name,
    what,
    group: "address",
    async prepare({ url, to, rate }) {
      const session = await openSession(url);
      if (session === undefined) throw new Error("the server refused a session");
      const all = await Promise.all(Array.from({ length: sockets }, () => boundSocket()));
      return {
        async run() {
          for (let index = 0; !rate.isOver; index++) {
            const datagram = make(session, index);
            if (await rate.take(datagram.length)) all[index % sockets].send(datagram, to.port, to.address);
          }
          for (const socket of all) socket.close();
        },
      };
    },
  };
}

function garbage(first, bytes) {
  const datagram = randomBytes(bytes);
  datagram[0] = first;
  return datagram;
}

/** What looks like a STUN request, and has nothing in it. */
function emptyCheck() {
  const datagram = garbage(0, 20);
  datagram.set([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
  return datagram;
}

export const iceAttacks = [
  datagrams("stun-garbage", "headers of STUN requests, without attributes", emptyCheck),
  datagrams("wrong-password", "checks of a true session under a wrong password", (session) =>
    checkFor(session, "x".repeat(24)),
  ),
  datagrams("dtls-garbage", "handshake records from an address that nobody has checked", () => garbage(22, 60)),
  datagrams("noise", "datagrams of no protocol", () => garbage(200, 20)),
  datagrams(
    "replayed-checks",
    "one true check from 200 ports in turn",
    (session) => {
      session.check ??= checkFor(session);
      return session.check;
    },
    200,
  ),
  datagrams(
    "moving",
    "true checks from 200 ports in turn, each of which takes the session along",
    (session) => checkFor(session),
    200,
  ),
];
