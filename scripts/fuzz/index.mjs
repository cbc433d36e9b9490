/**
 * npm run fuzz: looks for inputs that break an invariant, at each entry point for what comes from the network.
 *
 *   --target sctp       one of stun, dtls-server, dtls-client, sctp, dcep, offer, answer, session; or the beginning of some.
 *                       Default: all, one after the other
 *   --minutes 60        for each target; or --seconds. Default: one minute
 *   --jobs 1            targets at the same time
 *   --seed mine         any text; the same seed tries the same inputs, as far as fresh keys allow. Default: the time
 *   --update            writes the inputs that reach most to test/hostile/corpus, where the tests run them
 *   --self-test         puts three faults in, one after the other, and shows how long it takes to find each (at most 10 minutes);
 *                       with --target, only those of that target
 *   --mutate            the mutation fuzzer of test/hostile instead, which knows nothing of coverage; also where the other does not load
 *
 * What breaks an invariant is kept, as small as it can be made, in test/hostile/corpus/TARGET. Exit code 1 where something did.
 */
import { spawnSync } from "node:child_process";
import { readArguments } from "../arguments.mjs";
import { loadEngine } from "./engine.mjs";
import { fuzzTargets } from "./run.mjs";
import { selfTest } from "./self-test.mjs";

const options = readArguments(import.meta.url, {
  target: { type: "string", default: "" },
  minutes: { type: "string" },
  seconds: { type: "string" },
  jobs: { type: "string", default: "1" },
  seed: { type: "string", default: String(Date.now()) },
  update: { type: "boolean", default: false },
  "self-test": { type: "boolean", default: false },
  mutate: { type: "boolean", default: false },
});
process.exit(await main());

async function main() {
  const { target, seed, update } = options;
  const seconds = Number(options.seconds ?? 60 * Number(options.minutes ?? 1));
  const jobs = Number(options.jobs);
  if (!(seconds > 0)) return misuse("--minutes and --seconds must be positive numbers.");
  if (!(Number.isInteger(jobs) && jobs >= 1)) return misuse("--jobs must be a positive integer.");
  if (options.mutate) return mutate(seconds);
  const engine = loadEngine();
  if (engine.missing !== undefined) {
    console.log(`${engine.missing} So inputs are mutated without regard to coverage.`);
    return options["self-test"] ? 1 : mutate(seconds);
  }
  if (options["self-test"]) return await selfTest(engine, seed, target);
  console.log(`seed "${seed}", ${seconds} s for each target`);
  return await fuzzTargets({ engine, pattern: target, seconds, seed, jobs, update });
}

function misuse(sentence) {
  console.error(sentence);
  return 1;
}

/** The mutation fuzzer of the tests, for longer than there. */
function mutate(seconds) {
  const { status } = spawnSync(
    process.execPath,
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      "--project",
      "unit",
      `test/hostile/${options.target}`,
      "-t",
      "mutated recordings",
    ],
    { stdio: "inherit", env: { ...process.env, FUZZ_SECONDS: String(seconds), FUZZ_SEED: options.seed } },
  );
  return status ?? 1;
}
