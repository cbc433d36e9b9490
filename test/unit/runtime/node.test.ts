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

  test("while the system holds on to a datagram its owner is told once, and the others are copied", async () => {
    const held = vi.fn();
    const queued = vi.spyOn(Socket.prototype, "getSendQueueCount").mockReturnValue(0);
    const send = vi.spyOn(Socket.prototype, "send");
    const options = { address: "127.0.0.1", port: 0, bufferBytes: 65_536, onHeld: held };
    const socket = await openUdp(options, () => {});
    const scratch = new Uint8Array(1);
    const copied = (queueCount: number) => {
      queued.mockReturnValue(queueCount);
      socket.send(scratch, socket.localAddress);
      return (send.mock.lastCall?.[0] as unknown) !== scratch;
    };
    expect([copied(0), copied(1), copied(2), copied(1), copied(0), copied(0), copied(1)]).toEqual(
      // The one that is held was not copied, the next ones were, up to the one after which nothing is held any more.
      [false, false, true, true, true, false, false],
    );
    expect(held).toHaveBeenCalledTimes(2);
    vi.restoreAllMocks();
    await socket.close();
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
