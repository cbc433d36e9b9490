import { describe, expect, it } from "vitest";
import { type QueuedMessage, SendQueue } from "../../../src/sctp/send-queue.ts";

const FOREVER = Number.POSITIVE_INFINITY;

function message(name: number, fields: Partial<QueuedMessage> & { bytes?: number } = {}): QueuedMessage {
  const { bytes = 10, ...rest } = fields;
  const data = new Uint8Array(bytes).fill(name);
  return {
    streamId: 0,
    ppid: 53,
    data,
    ordered: false,
    maxRetransmits: 0,
    expiresAt: FOREVER,
    sent: 0,
    message: 0,
    ssn: 0,
    ...rest,
  };
}
const reliable = (name: number, fields: Partial<QueuedMessage> & { bytes?: number } = {}) =>
  message(name, { streamId: 1, maxRetransmits: FOREVER, ...fields });

function drain(queue: SendQueue, now = 0): number[] {
  const names: number[] = [];
  for (let next = queue.next(now); next !== undefined; next = queue.next(now)) {
    names.push(next.data[0]);
    queue.advance(next.data.length - next.sent);
  }
  return names;
}

describe("the send queue", () => {
  it("drops the oldest unreliable messages to make room, and counts them", () => {
    const queue = new SendQueue(30);
    for (const name of [1, 2, 3, 4, 5]) expect(queue.push(message(name), false)).toBe(true);
    expect([queue.dropped, queue.bytes]).toEqual([2, 30]);
    expect(drain(queue)).toEqual([3, 4, 5]);
    expect(queue.bytes).toBe(0);
  });

  it("refuses a reliable message where reliable ones fill it, unless it is exempt", () => {
    const queue = new SendQueue(30);
    for (const name of [1, 2, 3]) expect(queue.push(reliable(name), false)).toBe(true);
    expect(queue.push(reliable(4), false)).toBe(false);
    expect(queue.push(reliable(6), true)).toBe(true);
    expect(drain(queue)).toEqual([1, 2, 3, 6]);
    expect(queue.bytes).toBe(0);
  });

  it("is bounded in messages too: small ones make room, or are refused, long before the bytes are full", () => {
    const queue = new SendQueue(1_000_000);
    for (let i = 0; i < 5_000; i++) expect(queue.push(message(i, { bytes: 1 }), false)).toBe(true);
    expect([queue.dropped, queue.bytes]).toEqual([5_000 - 4_096, 4_096]);
    for (let i = 0; i < 5_000; i++) expect(queue.push(reliable(i, { bytes: 1 }), false)).toBe(i < 4_096);
  });

  it("keeps no room from unreliable messages, nor drops them, for reliable ones", () => {
    const queue = new SendQueue(30);
    for (const name of [1, 2, 3]) queue.push(reliable(name), false);
    for (const name of [4, 5]) expect(queue.push(message(name), false)).toBe(true);
    expect(queue.push(reliable(6, { bytes: 25 }), false)).toBe(false);
    expect([queue.dropped, queue.bytes]).toEqual([0, 50]);
    expect(drain(queue)).toEqual([4, 5, 1, 2, 3]);
  });

  it("takes one message larger than itself when none of its kind waits", () => {
    const queue = new SendQueue(30);
    expect(queue.push(message(1, { bytes: 100 }), false)).toBe(true);
    expect(queue.push(reliable(2, { bytes: 100 }), false)).toBe(true);
    expect(queue.push(reliable(3), false)).toBe(false);
    expect(queue.push(message(4), false)).toBe(true);
    expect([queue.dropped, queue.bytes]).toEqual([1, 110]);
  });

  it("lets unreliable messages go first, three for each reliable one", () => {
    const queue = new SendQueue(1000);
    for (const name of [101, 102, 103]) queue.push(reliable(name), false);
    for (const name of [1, 2, 3, 4, 5, 6, 7]) queue.push(message(name), false);
    expect(drain(queue)).toEqual([1, 2, 3, 101, 4, 5, 6, 102, 7, 103]);
  });

  it("never lets a message overtake a reliable one of its own stream", () => {
    const queue = new SendQueue(1000);
    queue.push(reliable(1, { streamId: 5 }), false);
    queue.push(message(2, { streamId: 5 }), false);
    queue.push(message(3, { streamId: 6 }), false);
    queue.push(message(4, { streamId: 5 }), false);
    expect(drain(queue)).toEqual([3, 1, 2, 4]);
    queue.push(message(5, { streamId: 5 }), false);
    queue.push(reliable(6, { streamId: 7 }), false);
    expect(drain(queue)).toEqual([5, 6]);
  });

  it("stays with a message until all of it was sent", () => {
    const queue = new SendQueue(1000);
    queue.push(reliable(1), false);
    const first = queue.next(0)!;
    queue.advance(4);
    queue.push(message(2), false);
    expect(queue.next(0)).toBe(first);
    expect(queue.bytes).toBe(16);
    queue.advance(6);
    expect(drain(queue)).toEqual([2]);
  });

  it("forgets the rest of a message whose fragments were abandoned", () => {
    const queue = new SendQueue(1000);
    queue.push(message(1), false);
    queue.push(message(2), false);
    const first = queue.next(0)!;
    first.message = 77;
    queue.advance(4);
    queue.abandon(76);
    expect(queue.next(0)).toBe(first);
    queue.abandon(77);
    expect(queue.bytes).toBe(10);
    expect(drain(queue)).toEqual([2]);
    expect(queue.isEmpty).toBe(true);
  });

  it("drops a message whose lifetime ended before its turn", () => {
    const queue = new SendQueue(1000);
    queue.push(message(1, { expiresAt: 50 }), false);
    queue.push(message(2, { expiresAt: 51 }), false);
    expect(drain(queue, 50)).toEqual([2]);
    expect([queue.expired, queue.bytes]).toEqual([1, 0]);
  });

  it("knows which streams have messages waiting", () => {
    const queue = new SendQueue(1000);
    queue.push(message(1, { streamId: 3 }), false);
    queue.push(reliable(2, { streamId: 4 }), false);
    expect([3, 4, 5].map((id) => queue.hasStream(id))).toEqual([true, true, false]);
    queue.next(0);
    queue.advance(4);
    expect(queue.hasStream(3)).toBe(true);
    queue.advance(6);
    expect(queue.hasStream(3)).toBe(false);
  });

  it("keeps a long line moving in constant time", () => {
    const queue = new SendQueue(10_000_000);
    for (let i = 0; i < 4000; i++) queue.push(message(i & 0xff), false);
    const names = drain(queue);
    expect(names).toHaveLength(4000);
    expect(names.every((name, i) => name === (i & 0xff))).toBe(true);
  });
});
