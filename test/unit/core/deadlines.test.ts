import fc from "fast-check";
import { expect, test } from "vitest";
import { Deadlines, type HeapItem } from "../../../src/core/deadlines.ts";

interface Item extends HeapItem {
  deadline: number;
}

const item = (deadline = Number.POSITIVE_INFINITY): Item => ({ deadline, heapIndex: -1 });
const deadlines = () => new Deadlines<Item>((entry) => entry.deadline);

test("items come out when their deadline has passed, earliest first", () => {
  const heap = deadlines();
  const [a, b, c] = [item(30), item(10), item(20)];
  for (const entry of [a, b, c]) heap.update(entry);
  expect(heap.next).toBe(10);
  expect(heap.expire(9)).toBeUndefined();
  expect([heap.expire(25), heap.expire(25), heap.expire(25)]).toEqual([b, c, undefined]);
});

test("a deadline that moved later is honoured although nobody told the heap", () => {
  const heap = deadlines();
  const entry = item(10);
  heap.update(entry);
  entry.deadline = 50;
  expect(heap.expire(40)).toBeUndefined();
  expect(heap.next).toBe(50);
  expect(heap.expire(50)).toBe(entry);
});

test("an item without a deadline, or removed, never comes out", () => {
  const heap = deadlines();
  const [never, gone, cleared] = [item(), item(10), item(10)];
  for (const entry of [never, gone, cleared]) heap.update(entry);
  heap.remove(gone);
  cleared.deadline = Number.POSITIVE_INFINITY;
  expect(heap.expire(1e9)).toBeUndefined();
  expect(heap.next).toBe(Number.POSITIVE_INFINITY);
});

test("for any sequence of changes the heap agrees with a plain list", () => {
  const step = fc.record({
    index: fc.nat(7),
    deadline: fc.nat(100),
    kind: fc.constantFrom("set", "remove", "advance"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const heap = deadlines();
      const items = Array.from({ length: 8 }, () => item());
      let now = 0;
      for (const { index, deadline, kind } of steps) {
        if (kind === "set") {
          items[index].deadline = now + deadline;
          heap.update(items[index]);
        } else if (kind === "remove") {
          items[index].deadline = Number.POSITIVE_INFINITY;
          heap.remove(items[index]);
        } else {
          now += deadline;
          const due = new Set(items.filter((entry) => entry.deadline <= now));
          for (let entry = heap.expire(now); entry !== undefined; entry = heap.expire(now)) {
            expect(due.delete(entry)).toBe(true);
            entry.deadline = Number.POSITIVE_INFINITY;
          }
          expect(due.size).toBe(0);
        }
        const next = Math.min(...items.map((entry) => entry.deadline));
        expect(heap.next).toBeLessThanOrEqual(next);
      }
    }),
  );
});
