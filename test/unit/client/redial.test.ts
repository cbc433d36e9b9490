import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { redial } from "../../../src/client/redial.ts";
import { ConnectError } from "../../../src/errors.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a stop while it waits ends it at once, and leaves no timer that would keep the process alive", async () => {
  const stop = new AbortController();
  const dial = vi.fn(async () => {});
  const redialling = redial({ minDelayMs: 10_000 }, stop.signal, () => {}, dial);
  expect(vi.getTimerCount()).toBe(1);
  stop.abort();
  expect(vi.getTimerCount()).toBe(0);
  expect(await redialling).toBe(false);
  expect(dial).not.toHaveBeenCalled();
});

test("a stop while an attempt is announced ends it before it waits", async () => {
  const stop = new AbortController();
  const dial = vi.fn(async () => {});
  const redialling = redial({ minDelayMs: 10_000 }, stop.signal, () => stop.abort(), dial);
  expect(vi.getTimerCount()).toBe(0);
  expect(await redialling).toBe(false);
  expect(dial).not.toHaveBeenCalled();
});

test.each([
  [400, false],
  [403, false],
  [404, false],
  [499, false],
  [408, true],
  [429, true],
  [500, true],
  [503, true],
  [undefined, true],
])("after a refusal with %s it tries again: %s", async (status, again) => {
  const stop = new AbortController();
  const dial = vi.fn(async () => {
    throw new ConnectError("refused", "no", { ...(status && { status }) });
  });
  const redialling = redial({ maxAttempts: 3 }, stop.signal, () => {}, dial);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await redialling).toBe(false);
  expect(dial).toHaveBeenCalledTimes(again ? 3 : 1);
});
