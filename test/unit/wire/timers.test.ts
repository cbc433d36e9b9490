import { describe, expect, it } from "vitest";
import { Timers } from "../../../src/wire/timers.ts";

describe("the timers of a state machine", () => {
  it("expire the earliest first, each once", () => {
    const timers = new Timers<"a" | "b" | "c">();
    timers.set("b", 20);
    timers.set("c", 30);
    timers.set("a", 10);
    expect(timers.next).toBe(10);
    expect(timers.expire(9)).toBeUndefined();
    expect([timers.expire(25), timers.expire(25), timers.expire(25)]).toEqual(["a", "b", undefined]);
    expect(timers.next).toBe(30);
  });

  it("move when they are set again, to an earlier or a later time", () => {
    const timers = new Timers<"a" | "b">();
    timers.set("a", 10);
    timers.set("b", 20);
    timers.set("a", 30);
    expect(timers.next).toBe(20);
    timers.set("a", 5);
    expect([timers.expire(40), timers.expire(40), timers.expire(40)]).toEqual(["a", "b", undefined]);
  });

  it("that are due at the same time expire in the order in which they were set", () => {
    const timers = new Timers<"a" | "b" | "c" | "d">();
    timers.set("b", 10);
    timers.set("d", 20);
    timers.set("a", 10);
    timers.set("c", 10);
    timers.set("b", 10); // Set anew: now it is the last.
    expect([1, 2, 3, 4].map(() => timers.expire(20))).toEqual(["a", "c", "b", "d"]);
  });

  it("do not expire once they are cleared", () => {
    const timers = new Timers<"a" | "b" | "c">();
    timers.set("a", 10);
    timers.set("b", 20);
    timers.set("c", 30);
    timers.clear("b");
    timers.clear("b");
    expect([timers.isSet("a"), timers.isSet("b"), timers.isSet("c")]).toEqual([true, false, true]);
    timers.clear("a");
    expect(timers.expire(30)).toBe("c");
    expect(timers.next).toBe(Number.POSITIVE_INFINITY);
    timers.set("a", 1);
    timers.clearAll();
    expect(timers.expire(1)).toBeUndefined();
  });
});
