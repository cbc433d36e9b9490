import { Socket } from "node:dgram";
import { describe, expect, test, vi } from "vitest";
import { openUdp, type UdpSocket } from "../../../src/runtime/index.ts";
import type { SocketAddress } from "../../../src/wire/address.ts";
import { EventLog } from "../../support/wait.ts";

interface Received {
  readonly bytes: number[];
  readonly from: SocketAddress;
}

async function open(address: string): Promise<{ socket: UdpSocket; received: EventLog<Received> }> {
  const received = new EventLog<Received>();
  const socket = await openUdp({ address, port: 0, bufferBytes: 65_536 }, (datagram, from) =>
    received.push({ bytes: [...datagram], from: { address: from.address, port: from.port } }),
  );
  return { socket, received };
}

const at = (address: string, { localAddress }: UdpSocket): SocketAddress => ({ address, port: localAddress.port });

describe("openUdp on Node.js", () => {
  test("a dual-stack socket knows IPv4 peers by their IPv4 address, in and out", async () => {
    const server = await open("::");
    const client = await open("127.0.0.1");
    client.socket.send(Uint8Array.of(4), at("127.0.0.1", server.socket));
    const { from } = await server.received.waitFor(5_000, "the datagram", () => true);
    expect(from).toEqual(client.socket.localAddress);
    server.socket.send(Uint8Array.of(5), from);
    const answer = await client.received.waitFor(5_000, "the answer", () => true);
    expect(answer).toEqual({ bytes: [5], from: at("127.0.0.1", server.socket) });
    await Promise.all([server.socket.close(), client.socket.close()]);
  });

  test("what the system refuses is counted and nothing else", async () => {
    const { socket, received } = await open("127.0.0.1");
    socket.send(new Uint8Array(70_000), socket.localAddress);
    socket.send(new Uint8Array(1), { address: "::1", port: 9 });
    socket.send(new Uint8Array(1), { address: "127.0.0.1", port: 0 });
    socket.send(Uint8Array.of(7), socket.localAddress);
    await received.waitFor(5_000, "the good datagram", ({ bytes }) => bytes[0] === 7);
    expect(socket.sendErrors).toBe(3);
    await socket.close();
  });

  test("while the system holds on to a datagram its owner is told once, and all sockets of that memory copy", async () => {
    const queued = vi.spyOn(Socket.prototype, "getSendQueueCount").mockReturnValue(0);
    const send = vi.spyOn(Socket.prototype, "send");
    const memory = { isHeld: false, keep: vi.fn() };
    const options = { address: "127.0.0.1", port: 0, bufferBytes: 65_536, memory };
    const [socket, other] = [await openUdp(options, () => {}), await openUdp(options, () => {})];
    const scratch = new Uint8Array(1);
    const copied = (queueCount: number, by = socket) => {
      queued.mockReturnValue(queueCount);
      by.send(scratch, socket.localAddress);
      return (send.mock.lastCall?.[0] as unknown) !== scratch;
    };
    expect([copied(0), copied(1), copied(2), copied(1), copied(0), copied(0), copied(1)]).toEqual(
      // The one that is held was not copied, the next ones were, up to the one after which nothing is held any more.
      [false, false, true, true, true, false, false],
    );
    expect(memory.keep).toHaveBeenCalledTimes(2);
    expect([copied(0, other), copied(0, other)]).toEqual([true, true]);
    await socket.close();
    expect(copied(0, other)).toBe(false);
    vi.restoreAllMocks();
    await other.close();
  });

  test("a datagram that left late ends the copying by itself", async () => {
    const queued = vi.spyOn(Socket.prototype, "getSendQueueCount").mockReturnValue(1);
    const memory = { isHeld: false, keep: () => {} };
    const socket = await openUdp({ address: "127.0.0.1", port: 0, bufferBytes: 65_536, memory }, () => {});
    socket.send(new Uint8Array(1), socket.localAddress);
    expect(memory.isHeld).toBe(true);
    queued.mockReturnValue(0);
    await vi.waitFor(() => expect(memory.isHeld).toBe(false));
    vi.restoreAllMocks();
    await socket.close();
  });

  test.each(["::", "127.0.0.1"])(
    "a socket of %s that is bound to one peer sends there, and hears nobody else",
    async (address) => {
      const [server, client, stranger] = [await open("127.0.0.1"), await open(address), await open("127.0.0.1")];
      client.socket.connect?.(server.socket.localAddress);
      const port = client.socket.localAddress.port;
      stranger.socket.send(Uint8Array.of(1), { address: "127.0.0.1", port });
      server.socket.send(Uint8Array.of(2), { address: "127.0.0.1", port });
      client.socket.send(Uint8Array.of(3), { ...server.socket.localAddress });
      client.socket.send(Uint8Array.of(4), stranger.socket.localAddress);
      const { from } = await server.received.waitFor(5_000, "the datagram", ({ bytes }) => bytes[0] === 3);
      expect(from).toEqual({ address: "127.0.0.1", port });
      await client.received.waitFor(5_000, "the answer", ({ bytes }) => bytes[0] === 2);
      expect(client.received.entries).toHaveLength(1);
      expect(client.socket.sendErrors).toBe(1);
      for (const { socket } of [server, client, stranger]) await socket.close();
    },
  );

  test("a bound socket whose address has gone lets the system choose again", async () => {
    const [server, client] = [await open("127.0.0.1"), await open("0.0.0.0")];
    const to = server.socket.localAddress;
    client.socket.connect?.(to);
    const send = vi.spyOn(Socket.prototype, "send");
    const fail = (code: string) =>
      send.mockImplementationOnce(((_: Uint8Array, done: (error: Error) => void) =>
        done(Object.assign(new Error(code), { code }))) as never);
    for (const [code, parameters] of [
      ["ECONNREFUSED", 2],
      ["ENOBUFS", 2],
      ["EMSGSIZE", 2],
      ["EINVAL", 4],
    ] as const) {
      fail(code);
      client.socket.send(Uint8Array.of(1), to);
      client.socket.send(Uint8Array.of(2), to);
      expect(send.mock.lastCall).toHaveLength(parameters);
    }
    expect(client.socket.sendErrors).toBe(4);
    await server.received.waitForCount(5_000, "datagrams", 4);
    vi.restoreAllMocks();
    for (const { socket } of [server, client]) await socket.close();
  });

  test("a bound socket whose peer has closed its port counts what the system says of it, and goes on", async () => {
    const [server, client] = [await open("127.0.0.1"), await open("127.0.0.1")];
    const to = server.socket.localAddress;
    client.socket.connect?.(to);
    await server.socket.close();
    client.socket.send(Uint8Array.of(1), to);
    await vi.waitFor(() => expect(client.socket.sendErrors + client.socket.receiveErrors).toBe(1));
    const received = new EventLog<number>();
    const again = await openUdp({ ...to, bufferBytes: 65_536 }, ([byte]) => received.push(byte));
    client.socket.send(Uint8Array.of(2), to);
    await received.waitFor(5_000, "the datagram", (byte) => byte === 2);
    for (const socket of [again, client.socket]) await socket.close();
  });

  test("a peer that the system refuses leaves the socket as it was", async () => {
    const [server, client] = [await open("127.0.0.1"), await open("127.0.0.1")];
    client.socket.connect?.({ address: "::1", port: 9 });
    client.socket.send(Uint8Array.of(1), server.socket.localAddress);
    await server.received.waitForCount(5_000, "datagrams", 1);
    expect(client.socket.receiveErrors).toBe(1);
    for (const { socket } of [server, client]) await socket.close();
  });

  test("bytes are borrowed until the call returns, even in a burst", async () => {
    const { socket, received } = await open("127.0.0.1");
    const scratch = new Uint8Array(2);
    for (let i = 0; i < 50; i++) {
      scratch.fill(i);
      socket.send(scratch, socket.localAddress);
    }
    scratch.fill(255);
    const all = await received.waitForCount(5_000, "datagrams", 50);
    expect(all.map(({ bytes }) => bytes)).toEqual(Array.from({ length: 50 }, (_, i) => [i, i]));
    await socket.close();
  });

  test.each([
    ["EADDRINUSE", (port: number) => ({ address: "127.0.0.1", port })],
    ["EADDRNOTAVAIL", () => ({ address: "192.0.2.1", port: 0 })],
  ])("rejects with %s", async (code, options) => {
    const { socket } = await open("127.0.0.1");
    const second = openUdp({ ...options(socket.localAddress.port), bufferBytes: 65_536 }, () => {});
    await expect(second).rejects.toMatchObject({ code });
    await socket.close();
  });

  test("closing twice is closing once, and sending afterwards does nothing", async () => {
    const { socket } = await open("127.0.0.1");
    await socket.close();
    await socket.close();
    socket.send(Uint8Array.of(1), { address: "127.0.0.1", port: 9 });
    expect(socket.sendErrors).toBe(0);
  });
});
