/** Whether a promise was kept, and the figures that say so. */
export interface Verdict {
  kept: boolean;
  text: string;
}

export interface TableContext {
  seed: string;
  /** Runs of each row, every one with a seed of its own. */
  seeds: number;
  print(line: string): void;
  /** A result in full, for `--json`. */
  record(row: unknown): void;
  /** What is being done now. Empty: nothing. */
  progress(text: string): void;
}

/** A table that `npm run sim` can print. */
export interface Table {
  /** As it is selected. */
  readonly name: string;
  /** One line for the help. */
  readonly summary: string;
  /** Whether it needs a compiler and libusrsctp. */
  readonly usesUsrsctp: boolean;
  /** Prints itself, and says what to think of it. */
  run(context: TableContext): Verdict[];
}

/** Runs a row once per seed. */
export function runSeeds<T>(context: TableContext, row: string, run: (seed: string) => T): T[] {
  const { seed, seeds, progress, record } = context;
  const results: T[] = [];
  for (let i = 1; i <= seeds; i++) {
    progress(`${row}, seed ${i}/${seeds}`);
    results.push(run(`${seed}/${row}/${i}`));
  }
  progress("");
  record({ row, results });
  return results;
}

/** The middle value; of an even number of values the higher of the two in the middle. NaN for none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which this share of the values lies; NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** Median and, where values differ as printed, the extremes: `12 (10-15)`. */
export function spread(values: readonly number[], digits = 0): string {
  const text = (value: number) => value.toFixed(digits);
  const low = text(Math.min(...values));
  const high = text(Math.max(...values));
  return low === high ? low : `${text(median(values))} (${low}-${high})`;
}

export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** Prints rows one by one, under a head, in columns that are as wide as the widest text expected of them. */
export class Columns {
  readonly #widths: readonly number[];
  readonly #print: (line: string) => void;

  /** @param columns head of each and its least width; the first is aligned to the left */
  constructor(columns: readonly (readonly [head: string, width: number])[], print: (line: string) => void) {
    this.#widths = columns.map(([head, width]) => Math.max(head.length, width));
    this.#print = print;
    this.row(columns.map(([head]) => head));
    this.row(this.#widths.map((width) => "-".repeat(width)));
  }

  row(cells: readonly string[]): void {
    const aligned = cells.map((cell, i) => (i === 0 ? cell.padEnd(this.#widths[i]) : cell.padStart(this.#widths[i])));
    this.#print(aligned.join("  ").trimEnd());
  }
}
