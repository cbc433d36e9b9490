/** Three kinds of unwanted input, sent as fast as a steady pace allows, to a server on 127.0.0.1. */
import { createSocket, type Socket } from "node:dgram";
import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { writeBindingRequest } from "../../src/ice/stun-write.ts";
import { fromHex } from "../../src/wire/bytes.ts";
import { Random } from "../sim/random.ts";
import { ROOT } from "./commands.ts";

/** Sockets, and so source ports, over which the datagrams are spread. */
const SOURCES = 64;
const DATAGRAMS_PER_TURN = 16;
const POSTS_AT_ONCE = 4;
const FIXTURES = join(ROOT, "test", "fixtures");

/** Binding requests under the user name of a live session, as anybody on the path can read it, signed with a wrong password. */
export async function floodStun(port: number, username: string, count: number): Promise<void> {
  const random = new Random("flood");
  const key = new TextEncoder().encode("not the password of anybody");
  await floodDatagrams(port, count, () =>
    writeBindingRequest({
      transactionId: random.bytes(12),
      username,
      key,
      priority: 1,
      tieBreaker: random.bytes(8),
      role: "controlling",
      useCandidate: true,
    }),
  );
}

/** A browser's ClientHello, from addresses of which no check was verified. */
export async function floodClientHello(port: number, count: number): Promise<void> {
  const text = await readFile(join(FIXTURES, "dtls", "chromium.clienthello.hex"), "utf8");
  const lines = text.split("\n").filter((line) => /^16[0-9a-f]+$/.test(line));
  const hellos = lines.map((line) => fromHex(line));
  if (hellos.length === 0) throw new Error("the fixture holds no ClientHello");
  await floodDatagrams(port, count, (index) => hellos[index % hellos.length] as Uint8Array);
}

/** Right offers that nobody follows up with a datagram. Resolves with how often each status came. */
export async function floodSignalling(url: string, count: number): Promise<Map<number, number>> {
  const offer = await readFile(join(FIXTURES, "offers", "chromium.offer.sdp"));
  const agent = new Agent({ keepAlive: true, maxSockets: POSTS_AT_ONCE });
  const statuses = new Map<number, number>();
  let left = count;
  const worker = async () => {
    while (left-- > 0) {
      const status = await post(url, offer, agent);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: POSTS_AT_ONCE }, worker));
  agent.destroy();
  return statuses;
}

function post(url: string, body: Uint8Array, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: "POST", agent }, (incoming) => {
      incoming.resume().on("end", () => resolve(incoming.statusCode ?? 0));
    });
    outgoing.on("error", reject).end(body);
  });
}

async function floodDatagrams(port: number, count: number, datagram: (index: number) => Uint8Array): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: SOURCES }, open));
  for (let sent = 0; sent < count; ) {
    const turn = Math.min(DATAGRAMS_PER_TURN, count - sent);
    const sends = Array.from({ length: turn }, (_, index) =>
      send(sockets[(sent + index) % SOURCES] as Socket, datagram(sent + index), port),
    );
    await Promise.all(sends);
    sent += turn;
    // A turn of the event loop for the other things that this process has to do.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (const socket of sockets) socket.close();
}

async function open(): Promise<Socket> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return socket;
}

function send(socket: Socket, datagram: Uint8Array, port: number): Promise<void> {
  return new Promise((resolve) => socket.send(datagram, port, "127.0.0.1", () => resolve()));
}
