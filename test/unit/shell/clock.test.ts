import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RunningClock } from "../../../src/shell/clock.ts";
import { Random } from "../../sim/random.ts";

let real: number;
let clock: RunningClock;

beforeEach(() => {
  real = 1_000;
  vi.spyOn(performance, "now").mockImplementation(() => real);
  clock = new RunningClock();
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Rounds of the event loop until the clock goes on, in each of which so many datagrams come. */
function catchUp(datagrams: number[] = []): number {
  let rounds = 0;
  while (!clock.catchesUp()) {
    if (++rounds > 1_000) throw new Error("the clock never goes on");
    real += 8;
    for (let i = 0; i < (datagrams[rounds - 1] ?? 0); i++) clock.now();
  }
  return rounds;
}

test("time passes as the system says while timers fire when they are due", () => {
  clock.expectTimer(clock.now(), 500);
  real += 600;
  expect(clock.now()).toBe(1_600);
  expect(clock.catchesUp()).toBe(true);
  expect(clock.now()).toBe(1_600);
});

test("without a deadline any time may pass", () => {
  clock.expectTimer(clock.now(), 500);
  clock.expectNothing();
  real += 60_000;
  expect(clock.now()).toBe(61_000);
});

test("a standstill is left out, whoever notices it first", () => {
  for (const datagramFirst of [true, false]) {
    const before = clock.now();
    clock.expectTimer(before, 500);
    real += 12_000;
    if (datagramFirst) expect(clock.now()).toBe(before + 600);
    catchUp();
    expect(clock.now()).toBe(before + 600);
    real += 7;
    expect(clock.now()).toBe(before + 607);
  }
});

test("the clock stands until a round of the event loop brings nothing, or a second has passed", () => {
  const cases: [datagrams: number[], rounds: number][] = [
    [[], 1],
    [[32, 32, 4], 4],
    [[1, 0, 5], 2],
    [Array(500).fill(32), 128],
  ];
  for (const [datagrams, rounds] of cases) {
    clock.expectTimer(clock.now(), 500);
    real += 5_000;
    const stands = clock.now();
    expect(catchUp(datagrams)).toBe(rounds);
    expect(clock.now()).toBe(stands);
  }
});

test("the clock goes on where the last deadline is gone", () => {
  clock.expectTimer(clock.now(), 500);
  real += 5_000;
  const stands = clock.now();
  clock.expectNothing();
  real += 10;
  expect(clock.now()).toBe(stands + 10);
});

test("the clock never goes back, never runs faster than the system's, and never leaves out time in which timers were on time", () => {
  for (let trial = 0; trial < 40; trial++) {
    const seed = `clock ${trial}`;
    const random = new Random(seed);
    clock = new RunningClock();
    let last = clock.now();
    const look = (passed: number): void => {
      const now = clock.now();
      expect(now - last, seed).toBeGreaterThanOrEqual(0);
      expect(now - last, seed).toBeLessThanOrEqual(passed + 1e-6);
      last = now;
    };
    for (let step = 0; step < 50; step++) {
      const delayMs = random.below(1_000);
      clock.expectTimer(clock.now(), delayMs);
      look(0);
      const standstill = random.chance(0.3);
      const passed = standstill ? delayMs + 101 + random.below(20_000) : random.below(delayMs + 100);
      real += passed;
      if (random.chance(0.5)) look(passed);
      const since = real;
      catchUp([random.below(3), random.below(3)]);
      look(passed + real - since);
      if (!standstill) expect(real - since, seed).toBe(0);
    }
  }
});
