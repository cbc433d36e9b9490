import { expect, test } from "vitest";
import { ClosedError } from "../../src/errors.ts";
import { ReceiveQueue } from "../../src/receive-queue.ts";

function queue(maxItems = 1000, maxBytes = 1_000_000) {
  const dropped = { count: 0 };
  return { dropped, items: new ReceiveQueue<number>("the server", maxItems, maxBytes, () => dropped.count++) };
}

test("messages are popped in the order they came, through any growth of the ring", async () => {
  const { items } = queue();
  const popped: number[] = [];
  for (let i = 0; i < 40; i++) items.push(i, 1);
  for (let i = 0; i < 30; i++) popped.push(await items.pop());
  for (let i = 40; i < 240; i++) items.push(i, 1);
  while (items.length > 0) popped.push(await items.pop());
  expect(popped).toEqual(Array.from({ length: 240 }, (_, i) => i));
});

test("who waits is served first come, first served", async () => {
  const { items } = queue();
  const waiting = [items.pop(), items.pop()];
  items.push(1, 1);
  items.push(2, 1);
  expect(await Promise.all(waiting)).toEqual([1, 2]);
});

test("when it is full of messages the oldest is dropped and counted", async () => {
  const { items, dropped } = queue(3);
  for (let i = 0; i < 5; i++) items.push(i, 1);
  expect(dropped.count).toBe(2);
  expect(await items.pop()).toBe(2);
});

test("when it is full of bytes the oldest are dropped and counted", async () => {
  const { items, dropped } = queue(100, 10);
  items.push(1, 4);
  items.push(2, 4);
  items.push(3, 8);
  expect(dropped.count).toBe(2);
  expect(await items.pop()).toBe(3);
});

test("a signal that aborts rejects the wait with its reason and gives the message to the next", async () => {
  const { items } = queue();
  const controller = new AbortController();
  const aborted = items.pop(controller.signal);
  const patient = items.pop();
  controller.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  items.push(7, 1);
  expect(await patient).toBe(7);
  await expect(items.pop(AbortSignal.abort(new Error("never")))).rejects.toThrow("never");
});

test("after close what waits can be received, then pop rejects and iteration ends", async () => {
  const { items } = queue();
  items.push(1, 1);
  items.close();
  items.push(2, 1);
  const seen: number[] = [];
  for await (const item of items) seen.push(item);
  expect(seen).toEqual([1]);
  await expect(items.pop()).rejects.toBeInstanceOf(ClosedError);
});

test("close rejects those who wait and ends iterations that wait", async () => {
  const { items } = queue();
  const waiting = items.pop();
  const iteration = items[Symbol.asyncIterator]().next();
  items.close();
  await expect(waiting).rejects.toThrow("the server is closed");
  expect(await iteration).toEqual({ value: undefined, done: true });
});
