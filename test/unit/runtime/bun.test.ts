/** The logic of the adapter over a socket made up by the test; the real one is in the contract suite. */
import { afterEach, expect, test, vi } from "vitest";
import { openUdp, type UdpSocket } from "../../../src/runtime/index.ts";

type Packets = readonly (Uint8Array | number | string)[];

/** A socket whose `sendMany` does what the test says, one entry a call; then takes everything. */
class FakeSocket {
  readonly address = { address: "::", port: 4242 };
  readonly taken: number[] = [];
  readonly script: (number | Error)[] = [];
  calls = 0;
  handlers!: { data(...args: unknown[]): void; drain(socket: unknown): void; error(): void };

  sendMany(packets: Packets): number {
    this.calls++;
    const next = this.script.shift() ?? packets.length / 3;
    if (next instanceof Error) throw next;
    for (let i = 0; i < next; i++) this.taken.push((packets[3 * i] as Uint8Array)[0]);
    return next;
  }

  close(): void {}
}

const TO = { address: "127.0.0.1", port: 9 };

async function open(onDatagram: (datagram: Uint8Array, from: object) => void = () => {}) {
  const fake = new FakeSocket();
  vi.stubGlobal("Bun", {
    udpSocket: async (options: { socket: FakeSocket["handlers"] }) => {
      fake.handlers = options.socket;
      return fake;
    },
  });
  return { fake, socket: await openUdp({ address: "::", port: 4242, bufferBytes: 1 }, onDatagram) };
}

function send(socket: UdpSocket, ...numbers: number[]): void {
  const scratch = new Uint8Array(1);
  for (const number of numbers) {
    scratch[0] = number;
    socket.send(scratch, TO);
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
});

test("the datagrams of one turn leave in one call", async () => {
  const { fake, socket } = await open();
  send(socket, 1, 2, 3);
  expect(fake.calls).toBe(0);
  socket.flush?.();
  expect(fake).toMatchObject({ calls: 1, taken: [1, 2, 3] });
});

test("they leave without a flush as well, at the end of the turn", async () => {
  const { fake, socket } = await open();
  send(socket, 1, 2);
  await new Promise(setImmediate);
  expect(fake).toMatchObject({ calls: 1, taken: [1, 2] });
});

test("what the system has no room for waits until it drains", async () => {
  const { fake, socket } = await open();
  fake.script.push(1, 0);
  send(socket, 1, 2, 3);
  socket.flush?.();
  expect(fake.taken).toEqual([1]);
  fake.handlers.drain(fake);
  expect(fake.taken).toEqual([1, 2, 3]);
  expect(socket.sendErrors).toBe(0);
});

test("a datagram that the system refuses is lost alone", async () => {
  const { fake, socket } = await open();
  fake.script.push(1, new Error("EMSGSIZE"), new Error("EMSGSIZE"));
  send(socket, 1, 2, 3);
  socket.flush?.();
  expect(fake.taken).toEqual([1, 3]);
  expect(socket).toMatchObject({ sendErrors: 1, receiveErrors: 0 });
});

test("a report on an earlier datagram loses none", async () => {
  const { fake, socket } = await open();
  fake.script.push(new Error("ECONNREFUSED"));
  send(socket, 1, 2);
  socket.flush?.();
  expect(fake.taken).toEqual([1, 2]);
  expect(socket).toMatchObject({ sendErrors: 0, receiveErrors: 1 });
});

test("as many wait as there is room for, and no more", async () => {
  const { fake, socket } = await open();
  fake.script.push(...new Array(100).fill(0));
  for (let i = 0; i < 600; i++) send(socket, i & 0xff);
  expect(socket.sendErrors).toBe(600 - 512);
  fake.script.length = 0;
  socket.flush?.();
  expect(fake.taken).toEqual(Array.from({ length: 512 }, (_, i) => i & 0xff));
});

test("IPv4 senders are known by their IPv4 address", async () => {
  const seen: unknown[] = [];
  const { fake } = await open((datagram, from) => seen.push([...datagram], from));
  fake.handlers.data(fake, Uint8Array.of(7), 5000, "::ffff:192.0.2.1");
  expect(seen).toEqual([[7], { address: "192.0.2.1", port: 5000 }]);
});

test("nothing is sent after the close", async () => {
  const { fake, socket } = await open();
  await socket.close();
  send(socket, 1);
  socket.flush?.();
  expect(fake.calls).toBe(0);
});
