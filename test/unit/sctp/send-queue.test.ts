import { describe, expect, it } from "vitest";
import type { OutgoingMessage } from "../../../src/sctp/outgoing-message.ts";
import { MESSAGE_BYTES } from "../../../src/sctp/outstanding.ts";
import { QueuedMessage } from "../../../src/sctp/queued-message.ts";
import { SendQueue } from "../../../src/sctp/send-queue.ts";

import { unlimitedAccount } from "../../../src/wire/memory-ledger.ts";
import { seededRandom } from "./support.ts";

const FOREVER = Number.POSITIVE_INFINITY;

type Fields = Partial<OutgoingMessage> & { bytes?: number };

function message(name: number, { bytes = 10, ...rest }: Fields = {}): QueuedMessage {
  const data = new Uint8Array(bytes).fill(name);
  return new QueuedMessage(0, { streamId: 0, ppid: 53, data, maxRetransmits: 0, ...rest });
}
const reliable = (name: number, fields: Fields = {}) =>
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
    expect(drain(queue)).toEqual([4, 1, 5, 2, 3]);
  });

  it("takes one message larger than itself when none of its kind waits", () => {
    const queue = new SendQueue(30);
    expect(queue.push(message(1, { bytes: 100 }), false)).toBe(true);
    expect(queue.push(reliable(2, { bytes: 100 }), false)).toBe(true);
    expect(queue.push(reliable(3), false)).toBe(false);
    expect(queue.push(message(4), false)).toBe(true);
    expect([queue.dropped, queue.bytes]).toEqual([1, 110]);
  });

  it("serves streams in turn, the unreliable one first", () => {
    const queue = new SendQueue(1000);
    for (const name of [101, 102, 103]) queue.push(reliable(name), false);
    for (const name of [1, 2, 3, 4, 5]) queue.push(message(name), false);
    expect(drain(queue)).toEqual([1, 101, 2, 102, 3, 103, 4, 5]);
  });

  it("serves unreliable messages alone where reliable ones are held", () => {
    const queue = new SendQueue(1000);
    queue.push(reliable(101), false);
    queue.push(message(1), false);
    queue.push(reliable(102, { streamId: 0 }), false);
    expect(queue.next(0, true)?.data[0]).toBe(1);
    queue.advance(10);
    expect(queue.next(0, true)).toBeUndefined();
    expect(drain(queue)).toHaveLength(2);
  });

  it("drops the oldest of those that may be dropped, on whichever stream they are", () => {
    const queue = new SendQueue(60);
    queue.push(reliable(101, { streamId: 3 }), false);
    queue.push(message(9, { streamId: 3 }), false);
    for (const name of [1, 2, 3, 4, 5, 6]) queue.push(message(name, { streamId: 10 + (name % 2) }), false);
    queue.next(0);
    queue.advance(4);
    for (const name of [7, 8]) queue.push(message(name, { streamId: 20 }), false);
    expect(queue.dropped).toBe(2);
    const names = drain(queue);
    expect(names.sort((a, b) => a - b)).toEqual([1, 4, 5, 6, 7, 8, 9, 101]);
    expect([queue.bytes, queue.isEmpty]).toEqual([0, true]);
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
    queue.abandon(0, 76);
    expect(queue.next(0)).toBe(first);
    queue.abandon(0, 77);
    expect(queue.bytes).toBe(10);
    expect(drain(queue)).toEqual([2]);
    expect(queue.isEmpty).toBe(true);
  });

  it("interleaves messages of several streams with I-DATA, and forgets the rest of the one that was abandoned", () => {
    const queue = new SendQueue(10_000);
    queue.interleaves = true;
    for (const streamId of [1, 2]) queue.push(reliable(streamId, { streamId, bytes: 30 }), false);
    queue.push(reliable(3, { streamId: 1 }), false);
    const order: number[] = [];
    for (let i = 0; i < 4; i++) {
      const next = queue.next(0)!;
      next.message = 70 + next.streamId;
      order.push(next.data[0]);
      queue.advance(10);
    }
    expect(order).toEqual([1, 2, 1, 2]);
    queue.abandon(1, 70);
    queue.abandon(1, 71);
    expect([queue.bytes, queue.hasStream(1)]).toEqual([20, true]);
    expect(drain(queue).sort()).toEqual([2, 3]);
  });

  it("begins no more messages than the peer has room for, but for small ones", () => {
    const queue = new SendQueue(1_000_000);
    queue.interleaves = true;
    for (const streamId of [1, 2, 3, 4]) queue.push(reliable(streamId, { streamId, bytes: 60_000 }), false);
    const begun = new Set<number>();
    const send = (room: number) => {
      const next = queue.next(0, false, room)!;
      begun.add(next.streamId);
      queue.advance(Math.min(1_000, next.data.length - next.sent));
      return next;
    };
    // What was sent takes room until the message is whole.
    const room = () => 130_000;
    for (let i = 0; i < 20; i++) send(room());
    expect([...begun].sort()).toEqual([1, 2]);
    queue.push(message(9, { streamId: 9, bytes: 100 }), false);
    expect(send(0).streamId).toBe(9);
    const ended: number[] = [];
    while (!queue.isEmpty) {
      const next = send(0);
      if (next.isSent) ended.push(next.streamId);
    }
    expect(ended).toEqual([1, 2, 3, 4]);
    expect(queue.bytes).toBe(0);
  });

  it("goes on with what waits for room when those that took it are dropped", () => {
    const queue = new SendQueue(3_000);
    queue.interleaves = true;
    queue.push(message(1, { streamId: 1, bytes: 1_500 }), false);
    queue.next(0);
    queue.advance(500);
    queue.push(message(2, { streamId: 2, bytes: 1_500 }), false);
    expect(queue.next(0, false, 1_200)?.data[0]).toBe(1);
    queue.push(message(3, { streamId: 2, bytes: 1_300 }), false);
    expect(queue.dropped).toBe(1);
    queue.push(message(4, { streamId: 4, bytes: 20 }), false);
    expect(drain(queue).sort()).toEqual([1, 3, 4]);
    expect(queue.isEmpty).toBe(true);
  });

  it("charges what waits to the memory account, and gives all of it back", () => {
    const memory = unlimitedAccount();
    const random = seededRandom(11);
    const queue = new SendQueue(20_000, memory);
    queue.interleaves = true;
    for (let i = 0; i < 5_000; i++) {
      const bytes = 1 + Math.floor(random() * 4_000);
      const kind = { streamId: Math.floor(random() * 30), bytes, lifetimeMs: random() < 0.2 ? i + 40 : FOREVER };
      queue.push(message(1, { ...kind, maxRetransmits: random() < 0.5 ? 0 : FOREVER }), false);
      const next = queue.next(i, random() < 0.3, 3_000);
      if (next === undefined) continue;
      next.message = i;
      // What was sent is its chunks' to give back; one that is given up gives it back at once.
      queue.advance(Math.min(1_000, next.data.length - next.sent));
      if (next.isSent) memory.give(next.data.length + MESSAGE_BYTES);
      else if (random() < 0.1) queue.abandon(next.streamId, i);
    }
    expect(memory.bytes).toBeGreaterThan(queue.bytes);
    queue.release();
    expect([queue.bytes, queue.isEmpty, memory.bytes]).toEqual([0, true, 0]);
  });

  it("drops a message whose lifetime ended before its turn", () => {
    const queue = new SendQueue(1000);
    queue.push(message(1, { lifetimeMs: 50 }), false);
    queue.push(message(2, { lifetimeMs: 51 }), false);
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
