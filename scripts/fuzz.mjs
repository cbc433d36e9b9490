// Runs the mutation fuzzer of test/hostile for as long as you like:
//   npm run fuzz -- --seconds 600 --seed mine [--target sctp]
// Each target gets that many seconds. Inputs that break an invariant are kept under test/hostile/corpus.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now()) },
    target: { type: "string", default: "" },
  },
});
if (!(Number(values.seconds) > 0)) {
  console.error("--seconds must be a positive number.");
  process.exit(1);
}
console.log(`seed "${values.seed}", ${values.seconds} s for each target`);
const { status } = spawnSync(
  process.execPath,
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--project",
    "unit",
    `test/hostile/${values.target}`,
    "-t",
    "mutated recordings",
  ],
  { stdio: "inherit", env: { ...process.env, FUZZ_SECONDS: values.seconds, FUZZ_SEED: values.seed } },
);
process.exit(status ?? 1);
