import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Driven, Shell } from "../../src/shell.ts";

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
