import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WorkBudget } from "../../../src/wire/work-budget.ts";

const RATE = { burstUnits: 100, unitsPerSecond: 10 };

describe("a budget of work", () => {
  it("allows the burst at once, and no unit more", () => {
    const budget = new WorkBudget(RATE);
    expect(budget.spend(5_000, 60)).toBe(true);
    expect(budget.spend(5_000, 40)).toBe(true);
    expect(budget.spend(5_000, 1)).toBe(false);
  });

  it("takes nothing where there is not enough", () => {
    const budget = new WorkBudget(RATE);
    expect(budget.spend(0, 101)).toBe(false);
    expect(budget.spend(0, 100)).toBe(true);
  });

  it("is refilled at its rate, fractions included", () => {
    const budget = new WorkBudget(RATE);
    budget.spend(0, 100);
    expect(budget.available(50)).toBe(0.5);
    expect(budget.spend(99, 1)).toBe(false);
    expect(budget.spend(100, 1)).toBe(true);
    expect(budget.spend(100, 1)).toBe(false);
  });

  it("never holds more than the burst", () => {
    const budget = new WorkBudget(RATE);
    budget.spend(0, 1);
    expect(budget.available(1e9)).toBe(100);
  });

  it("says when work can be afforded", () => {
    const budget = new WorkBudget(RATE);
    expect(budget.affordableAt(0, 100)).toBe(0);
    budget.spend(0, 100);
    expect(budget.affordableAt(0, 5)).toBe(500);
    expect(budget.affordableAt(200, 5)).toBe(500);
    expect(budget.spend(budget.affordableAt(200, 5), 5)).toBe(true);
  });

  it("never affords more than the burst, nor what nothing refills", () => {
    expect(new WorkBudget(RATE).affordableAt(0, 101)).toBe(Number.POSITIVE_INFINITY);
    const once = new WorkBudget({ burstUnits: 1, unitsPerSecond: 0 });
    expect(once.spend(0, 1)).toBe(true);
    expect(once.affordableAt(0, 1)).toBe(Number.POSITIVE_INFINITY);
    expect(once.spend(1e9, 1)).toBe(false);
  });

  it("refills nothing while the clock goes backwards, and the same time only once", () => {
    const budget = new WorkBudget(RATE);
    budget.spend(1_000, 100);
    expect(budget.available(0)).toBe(0);
    expect(budget.available(1_000)).toBe(0);
    expect(budget.available(1_100)).toBe(1);
  });

  it("spends at most the burst and what was refilled, whatever is asked for and when", () => {
    const steps = fc.array(fc.record({ afterMs: fc.integer({ min: -500, max: 5_000 }), units: fc.nat(150) }));
    fc.assert(
      fc.property(steps, (asked) => {
        const budget = new WorkBudget(RATE);
        let now = 10_000;
        // Time passes from the first call on, and only forward.
        const first = now + (asked[0]?.afterMs ?? 0);
        let latest = first;
        let spent = 0;
        for (const { afterMs, units } of asked) {
          now += afterMs;
          latest = Math.max(latest, now);
          if (budget.spend(now, units)) spent += units;
          const refilled = ((latest - first) * RATE.unitsPerSecond) / 1_000;
          expect(spent).toBeLessThanOrEqual(RATE.burstUnits + refilled + 1e-6);
        }
      }),
      { seed: 5 },
    );
  });
});
