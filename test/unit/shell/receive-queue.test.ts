import { expect, test } from "vitest";
import { Backlog } from "../../../src/shell/backlog.ts";
import { ClosedError } from "../../../src/errors.ts";
import { ReceiveQueue } from "../../../src/shell/receive-queue.ts";

interface Item {
  readonly data: string;
}

const item = (data: unknown): Item => ({ data: String(data) });

function queue() {
  const backlog = new Backlog<Item>({ messages: 1_000, bytes: 1_000_000, dropped() {} });
  return { backlog, items: new ReceiveQueue<Item>("the server", backlog) };
}

test("messages are popped in the order they came, through any growth of the backlog", async () => {
  const { items, backlog } = queue();
  const popped: string[] = [];
  for (let i = 0; i < 40; i++) items.push(item(i));
  for (let i = 0; i < 30; i++) popped.push((await items.pop()).data);
  for (let i = 40; i < 240; i++) items.push(item(i));
  while (backlog.length > 0) popped.push((await items.pop()).data);
  expect(popped).toEqual(Array.from({ length: 240 }, (_, i) => String(i)));
});

test("who waits is served first come, first served", async () => {
  const { items } = queue();
  const waiting = [items.pop(), items.pop()];
  items.push(item(1));
  items.push(item(2));
  expect(await Promise.all(waiting)).toEqual([item(1), item(2)]);
});

test("a signal that aborts rejects the wait with its reason and gives the message to the next", async () => {
  const { items } = queue();
  const controller = new AbortController();
  const aborted = items.pop(controller.signal);
  const patient = items.pop();
  controller.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  items.push(item(7));
  expect(await patient).toEqual(item(7));
  await expect(items.pop(AbortSignal.abort(new Error("never")))).rejects.toThrow("never");
});

test("a wait that is over has let go of its signal", async () => {
  for (const end of ["message", "close"]) {
    const { items } = queue();
    const { signal } = new AbortController();
    let listeners = 0;
    const counting = {
      aborted: false,
      addEventListener: () => listeners++,
      removeEventListener: () => listeners--,
    } as unknown as typeof signal;
    const waiting = items.pop(counting);
    expect(listeners).toBe(1);
    if (end === "message") items.push(item(1));
    else items.close();
    await waiting.catch(() => {});
    expect(listeners, end).toBe(0);
  }
});

test("after close what waits can be received, then pop rejects and iteration ends", async () => {
  const { items } = queue();
  items.push(item(1));
  items.close();
  items.push(item(2));
  const seen: Item[] = [];
  for await (const each of items) seen.push(each);
  expect(seen).toEqual([item(1)]);
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

test("what the loop's body throws ends the iteration and nothing else", async () => {
  const { items } = queue();
  items.push(item(1));
  items.push(item(2));
  await expect(
    (async () => {
      for await (const each of items) throw new Error(each.data);
    })(),
  ).rejects.toThrow("1");
  expect(await items.pop()).toEqual(item(2));
});
