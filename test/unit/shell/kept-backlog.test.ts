import { describe, expect, test } from "vitest";
import { KeptBacklog, WAITING_BYTES } from "../../../src/shell/kept-backlog.ts";
import { Random } from "../../sim/random.ts";

interface Item {
  readonly data: string;
  readonly isReliable?: boolean;
}

function backlog(messages: number, bytes: number) {
  const dropped: string[] = [];
  const unread: number[] = [];
  const items = new KeptBacklog<Item>({
    messages,
    bytes,
    dropped: ({ data }) => dropped.push(data),
    isKept: ({ isReliable }) => isReliable === true,
    unreadChanged: ({ unreadBytes }) => unread.push(unreadBytes),
  });
  return { items, dropped, unread };
}

describe("reliable messages", () => {
  test("are kept, whatever there are of either kind, and what they take is told", () => {
    const { items, dropped, unread } = backlog(2, 1_000);
    for (const data of ["1", "2", "3"]) items.push({ data, isReliable: true });
    for (const data of ["a", "b", "c"]) items.push({ data });
    items.push({ data: "44", isReliable: true });
    expect([dropped, items.length, items.bytes]).toEqual([["a"], 6, 7]);
    const taken: string[] = [];
    while (items.length > 0) taken.push(items.shift().data);
    expect(taken).toEqual(["1", "2", "3", "b", "c", "44"]);
    const steps = [1, 2, 3, 5, 4, 3, 2, 0].map((bytes, i) => bytes + WAITING_BYTES * [1, 2, 3, 4, 3, 2, 1, 0][i]);
    expect(unread).toEqual(steps);
  });

  test("stay in order among those that are dropped and taken, however many pass one that nobody takes", () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = new Random(`backlog ${seed}`);
      const { items, dropped } = backlog(5, 100_000);
      const model: Item[] = [];
      const lost: string[] = [];
      for (let step = 0; step < 3_000; step++) {
        if (random.chance(seed % 2 === 0 ? 0.2 : 0.5) && model.length > 0) {
          expect(items.shift()).toBe(model.shift());
          continue;
        }
        const item = { data: String(step), isReliable: random.chance(0.1) };
        if (!item.isReliable && model.filter(({ isReliable }) => !isReliable).length === 5) {
          const at = model.findIndex(({ isReliable }) => !isReliable);
          lost.push(...model.splice(at, 1).map(({ data }) => data));
        }
        items.push(item);
        model.push(item);
      }
      expect([items.length, dropped], `seed "${random.seed}"`).toEqual([model.length, lost]);
    }
  });
});
