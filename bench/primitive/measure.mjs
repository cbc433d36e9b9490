import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Bench } from "tinybench";
import { Figure } from "../report.mjs";

/** Garbage of one function must not be swept in the turn of the next. */
const collectGarbage = garbageCollector();

function garbageCollector() {
  if (globalThis.Bun !== undefined) return () => globalThis.Bun.gc(false);
  try {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc");
    return () => collect({ type: "minor" });
  } catch {
    return () => {};
  }
}

/** One sample lasts at least this long: reading the clock of processor time takes a microsecond. */
const SAMPLE_MS = 0.4;

/** Processor time of the whole process, garbage collector included: other programs on the machine do not count. */
function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** A function that makes as many calls as fill a sample, and their number. */
function sampleOf(run) {
  for (let calls = 16; ; calls *= 2) {
    const start = cpuMs();
    for (let call = 0; call < calls; call++) run();
    if (cpuMs() - start < SAMPLE_MS && calls < 1 << 20) continue;
    const sample = () => {
      for (let call = 0; call < calls; call++) run();
    };
    return { calls, sample };
  }
}

/**
 * Nanoseconds of processor time per call of each function, measured in turns: every function once per round, so that a
 * machine that slows down slows all of them down. The figure of a round is the mean of its samples, not their median:
 * what a function leaves to the garbage collector is part of its price.
 *
 * @param {Record<string, () => void>} functions
 * @returns {Promise<Record<string, Figure>>}
 */
export async function measure(functions, { rounds = 9, timeMs = 25 } = {}) {
  const samples = {};
  for (const [name, run] of Object.entries(functions)) {
    // Compiled for speed before the calls are counted: in the background, hence the wait.
    for (let call = 0; call < 3000; call++) run();
    await new Promise((resolve) => setTimeout(resolve, 20));
    sampleOf(run);
    samples[name] = sampleOf(run);
  }
  const values = Object.fromEntries(Object.keys(functions).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({ time: timeMs, iterations: 10, warmup: false, now: cpuMs });
    for (const [name, { sample }] of Object.entries(samples)) bench.add(name, sample, { beforeAll: collectGarbage });
    for (const { name, result } of await bench.run()) {
      if (result.state !== "completed") throw new Error(`${name}: ${result.error?.message ?? result.state}`);
      values[name].push((result.latency.mean * 1e6) / samples[name].calls);
    }
  }
  return Object.fromEntries(Object.entries(values).map(([name, list]) => [name, new Figure(list)]));
}
