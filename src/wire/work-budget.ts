/** How much work is allowed: so much at once, and so much a second in the long run. Shared by all budgets of one kind. */
export interface WorkRate {
  /** Units that may be spent at once, after a time without spending. */
  readonly burstUnits: number;
  readonly unitsPerSecond: number;
}

/**
 * A budget for work that costs more than the bytes that ask for it: a token bucket. What a unit is, and what happens to work
 * beyond the budget, the owner says; it spends before it works.
 *
 * @example
 * const budget = new WorkBudget({ burstUnits: 100, unitsPerSecond: 10 });
 * if (!budget.spend(now, 1)) return drop("work-limit");
 */
export class WorkBudget {
  readonly #rate: WorkRate;
  #units: number;
  /** When `#units` was true, ms. */
  #at = Number.NEGATIVE_INFINITY;

  /** The budget is full at first. */
  constructor(rate: WorkRate) {
    this.#rate = rate;
    this.#units = rate.burstUnits;
  }

  /** Takes `units`, 0 or more; false where there are not so many, and then none is taken. */
  spend(now: number, units: number): boolean {
    this.#refill(now);
    if (units > this.#units) return false;
    this.#units -= units;
    return true;
  }

  /** Takes `units` that work has cost beyond what was spent for it. What is not there is owed: nothing can be spent before it is refilled. */
  owe(now: number, units: number): void {
    this.#refill(now);
    this.#units -= units;
  }

  /** Units that could be spent at `now`; less than 0 where some are owed. */
  available(now: number): number {
    this.#refill(now);
    return this.#units;
  }

  /** When `units` can be spent, ms: `now` or later; Infinity where they are more than the burst, or nothing is ever refilled. */
  affordableAt(now: number, units: number): number {
    this.#refill(now);
    if (units <= this.#units) return now;
    const { burstUnits, unitsPerSecond } = this.#rate;
    if (units > burstUnits || unitsPerSecond <= 0) return Number.POSITIVE_INFINITY;
    return now + ((units - this.#units) * 1_000) / unitsPerSecond;
  }

  /** A clock that goes backwards refills nothing, and does not refill the same time twice. */
  #refill(now: number): void {
    if (now <= this.#at) return;
    const { burstUnits, unitsPerSecond } = this.#rate;
    if (this.#units < burstUnits) {
      this.#units = Math.min(burstUnits, this.#units + ((now - this.#at) * unitsPerSecond) / 1_000);
    }
    this.#at = now;
  }
}
