/** The logic of the adapter over a socket made up by the test; the real one is in the contract suite. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openUdp } from "../../../src/runtime/index.ts";

type Received = [Uint8Array, { hostname: string; port: number }];

class FakeConn {
  readonly addr = { transport: "udp", hostname: "::", port: 4242 };
  readonly sent: { datagram: Uint8Array; to: { hostname: string; port: number } }[] = [];
  refuses = false;
  closed = false;
  #next: { resolve(received: Received): void; reject(error: Error): void } | undefined;

  receive(): Promise<Received> {
    return new Promise((resolve, reject) => {
      this.#next = { resolve, reject };
    });
  }

  async send(datagram: Uint8Array, to: { hostname: string; port: number }): Promise<number> {
    this.sent.push({ datagram, to });
    if (this.refuses) throw new Error("EMSGSIZE");
    return datagram.length;
  }

  close(): void {
    this.closed = true;
    this.#next?.reject(new Error("Interrupted"));
  }

  give(bytes: number[], hostname: string): void {
    this.#next?.resolve([Uint8Array.from(bytes), { hostname, port: 5000 }]);
  }

  fail(): void {
    this.#next?.reject(new Error("ECONNREFUSED"));
  }
}

let conn: FakeConn;
const seen: unknown[] = [];
const open = () =>
  openUdp({ address: "::", port: 4242, bufferBytes: 1 }, (datagram, from) => seen.push([...datagram], from));
const settle = () => vi.advanceTimersByTimeAsync(20);

beforeEach(() => {
  vi.useFakeTimers();
  conn = new FakeConn();
  seen.length = 0;
  vi.stubGlobal("Deno", { listenDatagram: () => conn });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("IPv4 peers are known by their IPv4 address, in and out", async () => {
  const socket = await open();
  conn.give([7], "::ffff:192.0.2.1");
  await settle();
  expect(seen).toEqual([[7], { address: "192.0.2.1", port: 5000 }]);
  socket.send(Uint8Array.of(8), { address: "192.0.2.1", port: 5000 });
  expect(conn.sent[0].to).toMatchObject({ hostname: "::ffff:192.0.2.1", port: 5000 });
});

test("what is on its way keeps its bytes, however many there are", async () => {
  const socket = await open();
  const scratch = new Uint8Array(2);
  for (let i = 0; i < 1_000; i++) {
    new DataView(scratch.buffer).setUint16(0, i);
    socket.send(scratch, { address: "::1", port: 9 });
  }
  const numbers = conn.sent.map(({ datagram }) => (datagram[0] << 8) | datagram[1]);
  expect(numbers).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
});

test("errors of sending and receiving are counted, and receiving goes on", async () => {
  const socket = await open();
  conn.refuses = true;
  socket.send(Uint8Array.of(1), { address: "::1", port: 9 });
  conn.fail();
  await settle();
  expect(socket).toMatchObject({ sendErrors: 1, receiveErrors: 1 });
  conn.give([2], "::1");
  await settle();
  expect(seen).toEqual([[2], { address: "::1", port: 5000 }]);
});

test("the close ends receiving, and is no error", async () => {
  const socket = await open();
  await socket.close();
  await socket.close();
  socket.send(Uint8Array.of(1), { address: "::1", port: 9 });
  expect(conn).toMatchObject({ closed: true, sent: [] });
  expect(socket).toMatchObject({ sendErrors: 0, receiveErrors: 0 });
});
