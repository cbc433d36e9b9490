/** Runtime × feature × tests passed, for the README. */
export class Table {
  readonly #runtimes: readonly string[];
  readonly #cells = new Map<string, Map<string, { passed: number; total: number }>>();

  constructor(runtimes: readonly string[]) {
    this.#runtimes = runtimes;
  }

  /** A test's name is `WHO: FEATURE: what it shows`, or `WHO: what it shows`. */
  count(runtime: string, test: string, passed: boolean): void {
    const parts = test.split(": ");
    const feature = parts.length > 2 ? `${parts[0]}: ${parts[1]}` : parts[0];
    const row = this.#cells.get(feature) ?? new Map();
    this.#cells.set(feature, row);
    const cell = row.get(runtime) ?? { passed: 0, total: 0 };
    row.set(runtime, { passed: cell.passed + (passed ? 1 : 0), total: cell.total + 1 });
  }

  /** The text with this table in the place that is marked for it. */
  insertInto(text: string): string {
    const place = /(<!-- runtimes: .* -->\n)[\s\S]*(<!-- \/runtimes -->)/;
    if (!place.test(text)) throw new Error("no place for the table of the runtimes");
    return text.replace(place, (_, before, after) => `${before}\n${this}\n\n${after}`);
  }

  toString(): string {
    const lines = [
      ["", ...this.#runtimes],
      ["---", ...this.#runtimes.map(() => "---")],
    ];
    for (const [feature, row] of this.#cells) {
      const cells = this.#runtimes.map((runtime) => {
        const cell = row.get(runtime);
        return cell === undefined ? "–" : `${cell.passed}/${cell.total}`;
      });
      lines.push([feature, ...cells]);
    }
    return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  }
}
