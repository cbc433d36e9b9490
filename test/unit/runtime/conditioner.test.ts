import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ConditionerOptions, conditionUdp } from "../../../src/runtime/conditioner.ts";
import type { DatagramHandler, UdpSocket } from "../../../src/runtime/udp.ts";

const PEER = { address: "192.0.2.1", port: 9 };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A conditioned socket over one that records what it sends, each with the time. */
async function open(conditions: ConditionerOptions) {
  const sent: { number: number; at: number }[] = [];
  const received: { number: number; at: number }[] = [];
  const start = performance.now();
  const elapsed = () => Math.round(performance.now() - start);
  let arrive: DatagramHandler = () => {};
  let closed = false;
  const bare = async (_: object, onDatagram: DatagramHandler): Promise<UdpSocket> => {
    arrive = onDatagram;
    return {
      localAddress: PEER,
      sendErrors: 3,
      receiveErrors: 4,
      send: (datagram) => sent.push({ number: numberOf(datagram), at: elapsed() }),
      close: async () => {
        closed = true;
      },
    };
  };
  const openUdp = conditionUdp(bare, conditions);
  const options = { address: "::", port: 0, bufferBytes: 1 };
  const socket = await openUdp(options, (datagram) => received.push({ number: numberOf(datagram), at: elapsed() }));
  return { socket, sent, received, arrive: (datagram: Uint8Array) => arrive(datagram, PEER), isClosed: () => closed };
}

const scratch = new Uint8Array(100);
function numbered(number: number): Uint8Array {
  new DataView(scratch.buffer).setUint32(0, number);
  return scratch;
}
function numberOf(datagram: Uint8Array): number {
  return new DataView(datagram.buffer, datagram.byteOffset).getUint32(0);
}
const numbers = (log: { number: number }[]) => log.map(({ number }) => number);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("a conditioned socket", () => {
  test("without conditions passes everything on at once", async () => {
    const { socket, sent, received, arrive } = await open({});
    for (const i of upTo(3)) {
      socket.send(numbered(i), PEER);
      arrive(numbered(i));
    }
    expect(numbers(sent)).toEqual([0, 1, 2]);
    expect(numbers(received)).toEqual([0, 1, 2]);
    expect(socket).toMatchObject({ localAddress: PEER, sendErrors: 3, receiveErrors: 4 });
  });

  test("loses the share that was asked for, in each direction, the same with the same seed", async () => {
    const run = async (seed: string) => {
      const { socket, sent, received, arrive } = await open({ loss: 0.1, receive: { loss: 0.3 }, seed });
      for (const i of upTo(10_000)) {
        socket.send(numbered(i), PEER);
        arrive(numbered(i));
      }
      return { sent: numbers(sent), received: numbers(received) };
    };
    const first = await run("seed");
    expect(first.sent.length / 10_000).toBeCloseTo(0.9, 1);
    expect(first.received.length / 10_000).toBeCloseTo(0.7, 1);
    expect(await run("seed")).toEqual(first);
    expect(await run("other")).not.toEqual(first);
  });

  test("that was given no seed has fates of its own, so that many do not lose the same at the same time", async () => {
    const sockets = await Promise.all(upTo(2).map(() => open({ loss: 0.5 })));
    for (const { socket } of sockets) for (const i of upTo(100)) socket.send(numbered(i), PEER);
    const [one, other] = sockets.map(({ sent }) => numbers(sent));
    expect(one).not.toEqual(other);
  });

  test("delays by latency and jitter, in order, and keeps the bytes as they were", async () => {
    const { socket, sent } = await open({ latencyMs: 50, jitterMs: 20 });
    for (const i of upTo(100)) socket.send(numbered(i), PEER);
    expect(sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(numbers(sent)).toEqual(upTo(100));
    expect(sent[0].at).toBeGreaterThanOrEqual(49);
    expect(sent[99].at).toBeLessThanOrEqual(72);
  });

  test("reorders, and repeats", async () => {
    const { socket, sent } = await open({ latencyMs: 5, reorder: 0.2, duplicate: 0.2 });
    for (const i of upTo(200)) {
      socket.send(numbered(i), PEER);
      await vi.advanceTimersByTimeAsync(2);
    }
    await vi.advanceTimersByTimeAsync(100);
    const order = numbers(sent);
    expect(new Set(order).size).toBe(200);
    expect(order.length).toBeGreaterThan(210);
    expect(order).not.toEqual(order.toSorted((a, b) => a - b));
  });

  test("carries as many bytes a second as was asked for, and loses what waits too long", async () => {
    const { socket, sent } = await open({ send: { bytesPerSecond: 10_000 } });
    for (const i of upTo(100)) socket.send(numbered(i), PEER);
    await vi.advanceTimersByTimeAsync(1_000);
    // 100 bytes take 10 ms; a queue of 250 ms holds 25 of them, and one more is on its way.
    expect(numbers(sent)).toEqual(upTo(26));
    expect(sent[25].at).toBeGreaterThanOrEqual(259);
  });

  test("closes when what it was given has left, and receives nothing meanwhile", async () => {
    const { socket, sent, received, arrive, isClosed } = await open({ latencyMs: 30 });
    arrive(numbered(1));
    socket.send(numbered(2), PEER);
    const closing = socket.close();
    socket.flush?.();
    await vi.advanceTimersByTimeAsync(10);
    expect(isClosed()).toBe(false);
    await vi.advanceTimersByTimeAsync(30);
    await closing;
    expect(numbers(sent)).toEqual([2]);
    expect(received).toEqual([]);
    expect(isClosed()).toBe(true);
  });

  test.each<[string, ConditionerOptions]>([
    ["conditioner.loss must be from 0 to 1", { loss: 2 }],
    ["conditioner.send.latencyMs must be from 0", { send: { latencyMs: -1 } }],
    ["conditioner.receive.jitterMs must be a number", { receive: { jitterMs: "5" as never } }],
    ["conditioner.speed is not a condition", { speed: 1 } as never],
    ["conditioner.seed must be a string", { seed: 1 as never }],
  ])("%s", (sentence, options) => {
    expect(() => conditionUdp(async () => ({}) as never, options)).toThrow(sentence);
  });
});
