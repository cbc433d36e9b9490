/** Everything a run has measured: figures by scenario, subject and quantity. */
export class Results {
  #rows = [];

  /** @param {Record<string, unknown>} figures quantity → `Figure` or number; `undefined` is left out */
  add(scenario, subject, figures) {
    this.#rows.push({ scenario, subject, figures });
  }

  /** The median of a quantity, or `undefined` where it was not measured. */
  value(scenario, subject, quantity) {
    const row = this.#rows.find((candidate) => candidate.scenario === scenario && candidate.subject === subject);
    const figure = row?.figures[quantity];
    return typeof figure === "number" ? figure : figure?.median;
  }

  toJSON() {
    return this.#rows;
  }
}
