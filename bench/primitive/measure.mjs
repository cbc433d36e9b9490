import { Bench } from "tinybench";
import { Figure } from "../report.mjs";

/** Calls per sample: a timer that costs 40 ns must not be what is measured. */
const CALLS = 50;

/**
 * Nanoseconds per call of each function, measured in turns: every function once per round, so that a machine that slows
 * down slows all of them down. The figure of a round is the median of its samples.
 *
 * @param {Record<string, () => void>} functions
 * @returns {Promise<Record<string, Figure>>}
 */
export async function measure(functions, { rounds = 7, timeMs = 30 } = {}) {
  const values = Object.fromEntries(Object.keys(functions).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({ time: timeMs, iterations: 10, warmup: round === 0, warmupTime: 60 });
    for (const [name, run] of Object.entries(functions)) {
      bench.add(name, () => {
        for (let call = 0; call < CALLS; call++) run();
      });
    }
    for (const { name, result } of await bench.run()) {
      if (result.state !== "completed") throw new Error(`${name}: ${result.error?.message ?? result.state}`);
      values[name].push((result.latency.p50 * 1e6) / CALLS);
    }
  }
  return Object.fromEntries(Object.entries(values).map(([name, list]) => [name, new Figure(list)]));
}
