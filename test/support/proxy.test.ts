import { createSocket, type Socket } from "node:dgram";
import { afterEach, beforeEach, expect, test } from "vitest";
import { UdpProxy } from "./proxy.ts";
import { EventLog } from "./wait.ts";

interface Received {
  text: string;
  port: number;
}

let client: { socket: Socket; received: EventLog<Received> };
let server: { socket: Socket; received: EventLog<Received> };
let proxy: UdpProxy | undefined;

beforeEach(async () => {
  [client, server] = [await open(), await open()];
});

afterEach(async () => {
  await proxy?.close();
  client.socket.close();
  server.socket.close();
});

async function open(): Promise<typeof client> {
  const socket = createSocket("udp4");
  const received = new EventLog<Received>();
  socket.on("message", (datagram, from) => received.push({ text: datagram.toString(), port: from.port }));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return { socket, received };
}

async function start(conditions: Parameters<typeof UdpProxy.start>[0] = {}): Promise<UdpProxy> {
  proxy = await UdpProxy.start(conditions);
  proxy.serverPort = server.socket.address().port;
  return proxy;
}

test("datagrams go there and back", async () => {
  const { port } = await start({ delayMs: 5 });
  client.socket.send("ping", port, "127.0.0.1");
  const ping = await server.received.waitFor(5_000, "ping", () => true);
  server.socket.send("pong", ping.port, "127.0.0.1");
  expect(await client.received.waitFor(5_000, "pong", () => true)).toEqual({ text: "pong", port });
});

test("after a rebind the server sees another port, and the client still the same one", async () => {
  const { port } = await start();
  client.socket.send("before", port, "127.0.0.1");
  const before = await server.received.waitFor(5_000, "before", () => true);
  proxy?.rebind();
  client.socket.send("after", port, "127.0.0.1");
  const after = await server.received.waitFor(5_000, "after", ({ text }) => text === "after");
  expect(after.port).not.toBe(before.port);
  server.socket.send("to the old port", before.port, "127.0.0.1");
  server.socket.send("to the new port", after.port, "127.0.0.1");
  const back = await client.received.waitFor(5_000, "an answer", () => true);
  expect(back).toEqual({ text: "to the new port", port });
});

test("the same seed loses the same datagrams, about as many as it should", async () => {
  const lost: number[] = [];
  for (const seed of ["one", "one", "two"]) {
    const { port, toServer } = await start({ loss: 0.2, seed });
    const before = server.received.entries.length;
    // In parts that fit the receive buffer which every system gives.
    for (let i = 0; i < 500; i++) {
      client.socket.send(String(i), port, "127.0.0.1");
      if (i % 100 === 99) await expect.poll(() => toServer.datagrams, { timeout: 10_000 }).toBe(i + 1);
    }
    await server.received.waitForCount(10_000, "those that are not lost", before + 500 - toServer.lost);
    lost.push(toServer.lost);
    await proxy?.close();
    proxy = undefined;
  }
  expect(lost[0]).toBe(lost[1]);
  expect(lost[0]).not.toBe(lost[2]);
  for (const count of lost) expect(Math.abs(count - 100)).toBeLessThan(40);
});
