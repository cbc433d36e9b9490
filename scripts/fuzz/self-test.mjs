/** Shows that the fuzzer finds what it is there for: three faults are put back, one after the other, and each must be found. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { buildTargets, CACHE } from "./build.mjs";
import { FAULTS } from "./faults.mjs";
import { fuzz } from "./run.mjs";

const LIMIT_SECONDS = 600;

/** @returns the exit code: 1 where a fault was not found */
export async function selfTest(engine, seed, pattern) {
  let missed = 0;
  for (const fault of FAULTS.filter(({ target }) => target.startsWith(pattern))) {
    const folder = join(CACHE, "self-test", fault.name);
    const build = join(folder, "build");
    await buildTargets(build, fault);
    // From the target's own seeds: what the corpus holds was found on code without the fault.
    const corpus = join(folder, "corpus");
    rmSync(corpus, { recursive: true, force: true });
    const result = await fuzz({ engine, build, name: fault.target, seconds: LIMIT_SECONDS, seed, corpus, quiet: true });
    const { find, executions } = result;
    if (find === undefined) missed++;
    const outcome = find ? `found after ${find.seconds.toFixed(0)} s, ${find.bytes} bytes: ${find.error}` : "NOT FOUND";
    console.log(`${fault.name} (${fault.what}; ${fault.target}): ${outcome}; ${executions} inputs`);
  }
  return missed === 0 ? 0 : 1;
}
