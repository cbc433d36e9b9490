import { describe, expect, test } from "vitest";
import { Backlog, type BacklogBounds } from "../../../src/shell/backlog.ts";
import { KeptBacklog } from "../../../src/shell/kept-backlog.ts";

interface Item {
  readonly data: string;
}

describe.each([
  ["a backlog", (bounds: BacklogBounds<Item>) => new Backlog(bounds)],
  [
    "a backlog that keeps nothing",
    (bounds: BacklogBounds<Item>) => new KeptBacklog({ ...bounds, isKept: () => false, unreadChanged() {} }),
  ],
])("%s", (_name, make) => {
  function backlog(messages: number, bytes: number) {
    const dropped: string[] = [];
    return { items: make({ messages, bytes, dropped: ({ data }) => dropped.push(data) }), dropped };
  }

  test("when it is full of messages the oldest is dropped and told", () => {
    const { items, dropped } = backlog(3, 1_000);
    for (const data of ["1", "2", "3", "4", "5"]) items.push({ data });
    expect(dropped).toEqual(["1", "2"]);
    expect([items.length, items.bytes]).toEqual([3, 3]);
    expect(items.shift().data).toBe("3");
  });

  test("when it is full of bytes the oldest are dropped and told", () => {
    const { items, dropped } = backlog(100, 10);
    for (const data of ["1111", "2222", "33333333"]) items.push({ data });
    expect(dropped).toEqual(["1111", "2222"]);
    expect([items.length, items.bytes]).toEqual([1, 8]);
  });

  test("one message finds room, however long it is", () => {
    const { items, dropped } = backlog(100, 10);
    items.push({ data: "x".repeat(11) });
    expect([items.length, items.bytes, dropped.length]).toEqual([1, 11, 0]);
    items.push({ data: "y" });
    expect(items.shift().data).toBe("y");
    expect([items.length, items.bytes, dropped.length]).toEqual([0, 0, 1]);
  });
});
