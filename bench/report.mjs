/** Figures, and how they are shown. */

/** One measured quantity: its repetitions, and what is quoted of them. */
export class Figure {
  /** @param {number[]} values repetitions; those that gave no number, because nothing came back, are left out of the median */
  constructor(values) {
    this.values = values;
    const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    if (sorted.length === 0) {
      this.median = Number.NaN;
      this.spread = 0;
      return;
    }
    this.median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    /** Half the range, as a share of the median. */
    this.spread = this.median === 0 ? 0 : (sorted[sorted.length - 1] - sorted[0]) / 2 / Math.abs(this.median);
  }

  toJSON() {
    return { median: this.median, spread: this.spread, values: this.values };
  }
}

/**
 * The ratio of two series that were measured in turns: the median of the ratios of neighbours, which a machine that
 * slows down halfway does not change.
 */
export function ratioOf(numerators, denominators) {
  return new Figure(numerators.map((value, i) => value / denominators[i]));
}

/** Prints a table: the first column to the left, the others to the right. Cells are strings, numbers or nothing. */
export function printTable(title, columns, rows, note) {
  const cells = [columns, ...rows.map((row) => row.map(show))];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => [...(row[i] ?? "")].length)));
  const line = (row) =>
    row.map((cell, i) => (i === 0 ? (cell ?? "").padEnd(widths[i]) : (cell ?? "").padStart(widths[i]))).join("  ");
  console.log(`\n${title}`);
  console.log(line(columns));
  console.log(widths.map((width) => "─".repeat(width)).join("  "));
  for (const row of cells.slice(1)) console.log(line(row));
  if (note !== undefined) console.log(note);
}

/** `12.3 ±4 %` for a figure, three digits for a number. */
export function show(cell) {
  if (cell instanceof Figure) {
    return cell.values.length > 1 ? `${digits(cell.median)} ±${Math.round(cell.spread * 100)} %` : digits(cell.median);
  }
  return typeof cell === "number" ? digits(cell) : (cell ?? "–");
}

export function digits(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return size >= 1000 ? Math.round(value).toLocaleString("en-US") : value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
