import { expect, test, vi } from "vitest";
import { openEveryAddress } from "../../../src/runtime/every-address.ts";
import { type OpenUdp, openUdp, type UdpOptions, type UdpSocket } from "../../../src/runtime/index.ts";
import type { SocketAddress } from "../../../src/wire/address.ts";
import { EventLog } from "../../support/wait.ts";

const OPTIONS = { address: "0.0.0.0", port: 0, bufferBytes: 65_536 };

class FakeSocket implements UdpSocket {
  readonly localAddress: SocketAddress;
  readonly sent: SocketAddress[] = [];
  sendErrors = 1;
  receiveErrors = 2;
  isClosed = false;

  constructor({ address, port }: UdpOptions) {
    this.localAddress = { address, port: port === 0 ? 4242 : port };
  }

  send(_datagram: Uint8Array, to: SocketAddress): void {
    this.sent.push(to);
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** Sockets of a system that cannot bind these addresses, the first so many times it is asked. */
function fakes(refused: Record<string, number> = {}) {
  const opened: { options: UdpOptions; socket: FakeSocket }[] = [];
  const open: OpenUdp = async (options) => {
    const key = options.isShared ? options.address : "alone";
    if ((refused[key] ?? 0) > 0) {
      refused[key]--;
      throw Object.assign(new Error("no"), { code: "EADDRINUSE" });
    }
    const socket = new FakeSocket(options);
    opened.push({ options, socket });
    return socket;
  };
  return { open, opened, shared: () => opened.filter(({ options }) => options.isShared) };
}

test("an answer leaves from the address that was asked, on one port", async () => {
  const received = new EventLog<{ byte: number; from: SocketAddress }>();
  const server = await openEveryAddress(openUdp, ["127.0.0.1", "127.0.0.2"])(OPTIONS, ([byte], from) => {
    received.push({ byte, from: { ...from } });
    server.send(Uint8Array.of(byte), from);
  });
  const { port } = server.localAddress;
  const answers = new EventLog<{ byte: number; address: string }>();
  const client = await openUdp({ ...OPTIONS, address: "127.0.0.9" }, ([byte], { address, port }) => {
    if (port === server.localAddress.port) answers.push({ byte, address });
  });
  for (const last of [1, 2, 3]) client.send(Uint8Array.of(last), { address: `127.0.0.${last}`, port });
  await answers.waitForCount(5_000, "the answers", 3);
  const by = (byte: number) => answers.entries.find((answer) => answer.byte === byte)?.address;
  expect([by(1), by(2)]).toEqual(["127.0.0.1", "127.0.0.2"]);
  expect(received.entries.map(({ byte, from }) => [byte, from.via]).sort()).toEqual([
    [1, 1],
    [2, 2],
    // Bound by nobody: the socket for all addresses has it.
    [3, 0],
  ]);
  await Promise.all([server.close(), client.close()]);
});

test("a port that another server has is refused, whichever came first", async () => {
  const open = openEveryAddress(openUdp, ["127.0.0.1"]);
  const first = await open(OPTIONS, () => {});
  const { port } = first.localAddress;
  await expect(open({ ...OPTIONS, port }, () => {})).rejects.toMatchObject({ code: "EADDRINUSE" });
  await expect(openUdp({ ...OPTIONS, port }, () => {})).rejects.toMatchObject({ code: "EADDRINUSE" });
  await first.close();
  const alone = await openUdp({ ...OPTIONS, port }, () => {});
  await expect(open({ ...OPTIONS, port }, () => {})).rejects.toMatchObject({ code: "EADDRINUSE" });
  await alone.close();
});

test("an address that cannot be bound is left to the socket for all addresses", async () => {
  const { open, shared } = fakes({ "192.0.2.2": 1 });
  const socket = await openEveryAddress(open, ["192.0.2.1", "192.0.2.2", "192.0.2.3"])(OPTIONS, () => {});
  expect(shared().map(({ options }) => [options.address, options.via])).toEqual([
    ["0.0.0.0", 0],
    ["192.0.2.1", 1],
    ["192.0.2.3", 2],
  ]);
  for (const via of [0, 1, 2, undefined]) socket.send(new Uint8Array(1), { address: "203.0.113.1", port: 9, via });
  expect(shared().map(({ socket }) => socket.sent.map(({ via }) => via))).toEqual([[0, undefined], [1], [2]]);
});

test("another port is tried where somebody takes the free one first, and none where the port was asked for", async () => {
  const free = fakes({ "0.0.0.0": 3 });
  await openEveryAddress(free.open, [])(OPTIONS, () => {});
  expect(free.opened.map(({ options }) => options.port)).toEqual([0, 0, 0, 0, 4242]);
  const asked = fakes({ "0.0.0.0": 1 });
  await expect(openEveryAddress(asked.open, [])({ ...OPTIONS, port: 4242 }, () => {})).rejects.toThrow("no");
});

test("their counters are added up, all are flushed, and all are closed", async () => {
  const { open, opened, shared } = fakes();
  const flush = vi.fn();
  const flushed: OpenUdp = async (options, onDatagram) => Object.assign(await open(options, onDatagram), { flush });
  const socket = await openEveryAddress(flushed, ["192.0.2.1", "192.0.2.2"])(OPTIONS, () => {});
  expect(socket).toMatchObject({ sendErrors: 3, receiveErrors: 6, localAddress: { address: "0.0.0.0", port: 4242 } });
  socket.flush?.();
  expect(flush).toHaveBeenCalledTimes(shared().length);
  await socket.close();
  expect(opened.every(({ socket }) => socket.isClosed)).toBe(true);
});

test("of hundreds of addresses 32 have sockets of their own", async () => {
  const { open, shared } = fakes();
  const addresses = Array.from({ length: 300 }, (_, i) => `198.51.100.${i}`);
  await openEveryAddress(open, addresses)(OPTIONS, () => {});
  expect(shared().map(({ options }) => options.address)).toEqual(["0.0.0.0", ...addresses.slice(0, 32)]);
});
