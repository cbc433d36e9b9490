import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Driven, Shell } from "../../../src/shell/shell.ts";

/** An endpoint that notes when it is called, and what is pending. */
class Recorder implements Driven {
  readonly calls: string[] = [];
  needsFlush = false;
  nextDeadline = Number.POSITIVE_INFINITY;

  flush(): void {
    this.needsFlush = false;
    this.calls.push("flush");
  }

  handleTimeout(now: number): void {
    this.calls.push(`timeout at ${now}`);
    this.nextDeadline = Number.POSITIVE_INFINITY;
  }
}

let endpoint: Recorder;
let clockMs: number;
let shell: Shell;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setImmediate"] });
  clockMs = 1_000;
  vi.spyOn(performance, "now").mockImplementation(() => clockMs);
  endpoint = new Recorder();
  shell = new Shell(endpoint, {});
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A datagram comes; with `answer` the application answers it from within the event. */
function datagram({ answer }: { answer: boolean }): void {
  shell.now();
  endpoint.needsFlush = true;
  shell.later(() => {
    endpoint.calls.push("message");
    if (answer) shell.settle();
  });
  shell.settleDatagram();
}

test("the answer to a datagram that came alone leaves at once", () => {
  datagram({ answer: true });
  expect(endpoint.calls).toEqual(["message", "flush"]);
});

test("answers to datagrams that come close together leave with one flush at the end of the turn", () => {
  datagram({ answer: true });
  clockMs += 0.1;
  datagram({ answer: true });
  clockMs += 0.1;
  datagram({ answer: true });
  expect(endpoint.calls).toEqual(["message", "flush", "message", "message"]);
  vi.runAllTimers();
  expect(endpoint.calls).toEqual(["message", "flush", "message", "message", "flush"]);
});

test("an application that answers after the event still shares the datagram with the SACK", async () => {
  datagram({ answer: false });
  expect(endpoint.calls).toEqual(["message"]);
  await Promise.resolve();
  shell.settle();
  expect(endpoint.calls).toEqual(["message"]);
  vi.runAllTimers();
  expect(endpoint.calls).toEqual(["message", "flush"]);
});

test("`flushed` asked for from within an event resolves with the flush that follows it", async () => {
  let flushed: Promise<void> | undefined;
  shell.now();
  endpoint.needsFlush = true;
  shell.later(() => {
    shell.settle();
    flushed = shell.flushed();
  });
  shell.settleDatagram();
  expect(endpoint.calls).toEqual(["flush"]);
  await flushed;
});

test("events come in the order in which they were kept, those too that an event gives rise to", () => {
  const seen: string[] = [];
  shell.later((subject) => {
    seen.push(subject);
    shell.later((second) => seen.push(second), "third");
  }, "first");
  shell.later((subject) => seen.push(subject), "second");
  shell.settle();
  expect(seen).toEqual(["first", "second", "third"]);
});

test("while an event is handled the clock stands where its cause began", () => {
  const began = shell.now();
  shell.later(() => {
    clockMs += 5;
    expect(shell.now()).toBe(began);
  });
  shell.settle();
  expect(shell.now()).toBe(began + 5);
});

test("the timer fires at the deadline or up to 8 ms later, once for all that is due by then", () => {
  endpoint.nextDeadline = shell.now() + 203;
  shell.settle();
  vi.advanceTimersByTime(202);
  expect(endpoint.calls).toEqual([]);
  vi.advanceTimersByTime(6);
  expect(endpoint.calls).toHaveLength(1);
});

/** The timer fires so many ms after it was due, because the process stood still. */
function standStill(ms: number): void {
  clockMs += ms;
  vi.advanceTimersToNextTimer();
}

/** A round of the event loop. */
function round(): void {
  clockMs += 8;
  vi.advanceTimersByTime(8);
}

test("a timer that is late lets the sockets be read first, and the endpoint hears of no lost time", () => {
  endpoint.nextDeadline = shell.now() + 200;
  shell.settle();
  standStill(12_000);
  expect(endpoint.calls).toEqual([]);
  const stoodAt = shell.now();
  expect(stoodAt).toBeLessThanOrEqual(1_000 + 200 + 108);
  for (let i = 0; i < 3; i++) {
    datagram({ answer: false });
    round();
  }
  expect(endpoint.calls.filter((call) => call.startsWith("timeout"))).toEqual([]);
  round();
  round();
  expect(endpoint.calls.at(-1)).toBe(`timeout at ${stoodAt}`);
});

test("a deadline that moves on while the sockets are read is not handled at its old time", () => {
  endpoint.nextDeadline = shell.now() + 200;
  shell.settle();
  standStill(12_000);
  const stoodAt = shell.now();
  endpoint.handleTimeout = (now) => endpoint.calls.push(`timeout at ${now}`);
  datagram({ answer: false });
  endpoint.nextDeadline = stoodAt + 10_000;
  for (let i = 0; i < 1_000; i++) round();
  const timeouts = endpoint.calls.filter((call) => call.startsWith("timeout"));
  // At the old time it looks, as it does without a standstill, and arms itself for the new one.
  expect(timeouts).toEqual([`timeout at ${stoodAt}`]);
});

test("an application that blocks while it hears of a time-out does not cost the next deadline its turn", () => {
  endpoint.nextDeadline = shell.now() + 200;
  shell.settle();
  endpoint.handleTimeout = (now) => {
    endpoint.calls.push(`timeout at ${now}`);
    endpoint.nextDeadline = 6_200;
    if (endpoint.calls.length === 1)
      shell.later(() => {
        clockMs += 12_000;
      });
  };
  clockMs += 200;
  vi.advanceTimersByTime(200);
  expect(endpoint.calls).toEqual(["timeout at 1200"]);
  for (let i = 0; i < 100; i++) round();
  // It looks whether anything is due; the deadline at 6200 is not.
  expect(endpoint.calls).toEqual(["timeout at 1200", "timeout at 1300"]);
});

test("a standstill while nothing is due passes like any other time", () => {
  shell.settle();
  clockMs += 60_000;
  expect(shell.now()).toBe(61_000);
});

test("nothing is armed after the end, whatever the clock says", () => {
  endpoint.nextDeadline = shell.now() + 200;
  shell.settle();
  clockMs += 12_000;
  shell.now();
  shell.stop();
  shell.settle();
  expect(vi.getTimerCount()).toBe(0);
});
