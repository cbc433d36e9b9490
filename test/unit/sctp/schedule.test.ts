import { describe, expect, it } from "vitest";
import { QueuedMessage } from "../../../src/sctp/queued-message.ts";
import { SendQueue } from "../../../src/sctp/send-queue.ts";
import { Schedule, type StreamLine } from "../../../src/sctp/schedule.ts";
import { seededRandom } from "./support.ts";

const FRAGMENT = 1_000;

interface Flow {
  streamId: number;
  priority: number;
  /** Of each message. */
  bytes: number;
  maxRetransmits?: number;
}

function message(
  { streamId, priority, bytes, maxRetransmits = Number.POSITIVE_INFINITY }: Flow,
  now = 0,
): QueuedMessage {
  return new QueuedMessage(now, { streamId, ppid: 53, data: new Uint8Array(bytes), priority, maxRetransmits });
}

/** A queue of which each flow always has something to send, and what was sent of each. */
class Backlog {
  readonly queue = new SendQueue(Number.POSITIVE_INFINITY);
  readonly sent = new Map<number, number>();
  readonly #flows: Flow[] = [];
  #total = 0;

  constructor(interleaves: boolean, ...flows: Flow[]) {
    this.queue.interleaves = interleaves;
    for (const flow of flows) this.add(flow);
  }

  add(flow: Flow): void {
    this.#flows.push(flow);
    this.sent.set(flow.streamId, 0);
    for (let i = 0; i < 2; i++) this.queue.push(message(flow), false);
  }

  /** The next fragment; returns its stream. */
  send(): number {
    const { queue, sent } = this;
    const next = queue.next(0)!;
    const { streamId } = next;
    const length = Math.min(FRAGMENT, next.data.length - next.sent);
    queue.advance(length);
    sent.set(streamId, sent.get(streamId)! + length);
    this.#total += length;
    const flow = next.isSent ? this.#flows.find((one) => one.streamId === streamId) : undefined;
    if (flow !== undefined) queue.push(message(flow), false);
    return streamId;
  }

  /** Sends so many bytes; returns the share of each stream, in the order in which they were added. */
  shares(bytes: number): number[] {
    for (const id of this.sent.keys()) this.sent.set(id, 0);
    const until = this.#total + bytes;
    while (this.#total < until) this.send();
    const all = [...this.sent.values()].reduce((sum, sent) => sum + sent, 0);
    return [...this.sent.values()].map((sent) => sent / all);
  }
}

function expectShares(actual: number[], expected: number[]): void {
  for (const [i, share] of expected.entries()) expect(actual[i] / share, `share ${i}`).toBeCloseTo(1, 1.3);
}

describe.each([
  ["message by message", false],
  ["fragment by fragment", true],
])("streams that share the window, %s", (_name, interleaves) => {
  it("get equal shares in bytes, however large their messages are", () => {
    const sizes = [100, 1_000, 16_000, 64_000].map((bytes, streamId) => ({ streamId, priority: 256, bytes }));
    expectShares(new Backlog(interleaves, ...sizes).shares(10_000_000), [0.25, 0.25, 0.25, 0.25]);
  });

  it("get shares by their priority", () => {
    const flows = [128, 256, 512, 1024].map((priority, streamId) => ({ streamId, priority, bytes: 3_000 }));
    expectShares(new Backlog(interleaves, ...flows).shares(10_000_000), [1 / 15, 2 / 15, 4 / 15, 8 / 15]);
  });

  it("get shares by their priority whether their messages are reliable or not", () => {
    const [chat, game] = [
      { streamId: 0, priority: 256, bytes: 1_500 },
      { streamId: 1, priority: 1024, bytes: 100, maxRetransmits: 0 },
    ];
    expectShares(new Backlog(interleaves, chat, game).shares(2_000_000), [0.2, 0.8]);
  });

  it("are never starved, nor do they starve others, whatever number the priority is", () => {
    const flows = [0, 128, 1024, 65_535].map((priority, streamId) => ({ streamId, priority, bytes: 1_000 }));
    expectShares(new Backlog(interleaves, ...flows).shares(3_000_000), [1 / 18, 1 / 18, 8 / 18, 8 / 18]);
  });

  it("have no credit for the time in which they sent nothing", () => {
    const backlog = new Backlog(interleaves, { streamId: 0, priority: 256, bytes: 1_000 });
    backlog.shares(5_000_000);
    backlog.add({ streamId: 1, priority: 256, bytes: 1_000 });
    expectShares(backlog.shares(20_000), [0.5, 0.5]);
  });

  it("keep their own order", () => {
    const random = seededRandom(7);
    const queue = new SendQueue(Number.POSITIVE_INFINITY);
    queue.interleaves = interleaves;
    const pushed = new Map<number, number>();
    const seen = new Map<number, number>();
    for (let step = 0; step < 20_000; step++) {
      if (step < 15_000 && random() < 0.5) {
        const streamId = Math.floor(random() * 20);
        const number = pushed.get(streamId) ?? 0;
        pushed.set(streamId, number + 1);
        const data = new Uint8Array(1 + Math.floor(random() * 3_000));
        const maxRetransmits = random() < 0.5 ? 0 : Number.POSITIVE_INFINITY;
        queue.push(new QueuedMessage(0, { streamId, ppid: number, data, maxRetransmits }), true);
      } else {
        const next = queue.next(0, random() < 0.1);
        if (next === undefined) continue;
        if (next.sent === 0) {
          expect(next.ppid).toBe(seen.get(next.streamId) ?? 0);
          seen.set(next.streamId, next.ppid + 1);
        }
        queue.advance(Math.min(FRAGMENT, next.data.length - next.sent));
      }
    }
    while (queue.next(0) !== undefined) queue.advance(1);
    expect([queue.bytes, queue.isEmpty]).toEqual([0, true]);
  });
});

describe("a small message beside bulk", () => {
  const bulks = (count: number, bytes: number): Flow[] =>
    Array.from({ length: count }, (_, i) => ({ streamId: 100 + i, priority: 256, bytes }));
  const game = { streamId: 1, priority: 256, bytes: 100, maxRetransmits: 0 };

  it("is next with I-DATA, and waits for the end of one message with DATA, however many streams have bulk to send", () => {
    for (const interleaves of [true, false]) {
      const backlog = new Backlog(interleaves, ...bulks(200, 16_000));
      for (let trial = 0; trial < 200; trial++) {
        for (let i = 0; i < 37; i++) backlog.send();
        backlog.queue.push(message(game), false);
        backlog.sent.set(game.streamId, 0);
        let waited = 0;
        while (backlog.send() !== game.streamId) waited++;
        expect(waited).toBeLessThan(interleaves ? 1 : 16);
      }
    }
  });

  it("is followed by all that have gathered behind a large message, before the next one begins", () => {
    const backlog = new Backlog(false, ...bulks(1, 64_000));
    backlog.send();
    for (let i = 0; i < 30; i++) backlog.queue.push(message(game), false);
    backlog.sent.set(game.streamId, 0);
    for (let i = 1; i < 64; i++) expect(backlog.send()).toBe(100);
    for (let i = 0; i < 30; i++) expect(backlog.send()).toBe(game.streamId);
  });

  it("does not pay for what was held back meanwhile", () => {
    const { queue } = new Backlog(true, ...bulks(3, 64_000));
    for (let i = 0; i < 1_000; i++) {
      queue.push(message(game), false);
      expect(queue.next(0, true)?.streamId).toBe(game.streamId);
      queue.advance(game.bytes);
      expect(queue.next(0, true)).toBeUndefined();
    }
    for (let i = 0; i < 100; i++) {
      queue.push(message(game), false);
      let waited = 0;
      for (; queue.next(0)?.streamId !== game.streamId; waited++) queue.advance(FRAGMENT);
      queue.advance(game.bytes);
      expect(waited).toBeLessThanOrEqual(3);
    }
  });
});

it("with a thousand streams each operation takes a few steps", () => {
  const schedule = new Schedule();
  let looks = 0;
  const lines: StreamLine[] = [];
  for (let streamId = 0; streamId < 1_024; streamId++) {
    const line = schedule.add(streamId);
    let start = 0;
    Object.defineProperty(line, "start", {
      get: () => {
        looks++;
        return start;
      },
      set: (value: number) => {
        start = value;
      },
    });
    lines.push(line);
  }
  const random = seededRandom(3);
  let most = 0;
  const count = (operation: () => void) => {
    looks = 0;
    operation();
    most = Math.max(most, looks);
  };
  const enter = (line: StreamLine) => {
    line.push(message({ streamId: line.streamId, priority: 256, bytes: 1 + Math.floor(random() * 5_000) }));
    count(() => schedule.enter(line));
  };
  for (const line of lines) enter(line);
  for (let i = 0; i < 10_000; i++) {
    let line: StreamLine | undefined;
    count(() => {
      line = schedule.next(false);
    });
    count(() => schedule.take(line!));
    schedule.charge(line!, line!.shift()!.data.length);
    enter(line!);
    const other = lines[Math.floor(random() * lines.length)];
    count(() => schedule.leave(other));
    count(() => schedule.enter(other));
  }
  // Ten levels, and two comparisons with up to four looks at each.
  expect(most).toBeLessThanOrEqual(100);
});
