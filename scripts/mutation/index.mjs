/**
 * npm run mutation: changes the source in small ways, one after the other, and asks whether a unit test notices. The score is
 * the part of these mutants that was noticed; those that were not are listed, each as a difference.
 *
 *   --only src/sctp/rto.ts    a file, or a folder. Default: src/sctp, src/dtls and src/ice, which takes many hours
 *   --tests test/unit/sctp    the tests that are asked: a file, or a folder. Default: those of the mutated folders
 *   --jobs 2                  mutants at the same time. Default: one less than the machine has cores
 *
 * The report is in coverage/mutation/report.html.
 */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readArguments } from "../arguments.mjs";
import { installNpmFolder } from "../npm-folder.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const stryker = fileURLToPath(new URL("node_modules/.bin/stryker", import.meta.url));
const config = fileURLToPath(new URL("stryker.config.json", import.meta.url));

const { only, tests, jobs } = readArguments(import.meta.url, {
  only: { type: "string" },
  tests: { type: "string" },
  jobs: { type: "string", default: String(Math.max(1, availableParallelism() - 1)) },
});
const paths = only === undefined ? ["src/sctp", "src/dtls", "src/ice"] : [only];
for (const path of [...paths, tests]) {
  if (path === undefined || existsSync(join(root, path))) continue;
  console.error(`${path}: there is no such file or folder.`);
  process.exit(2);
}
installNpmFolder("scripts/mutation");
const mutate = paths.map((path) => within(path, "*.ts")).join();
// The configuration of vitest reads it.
const env = tests === undefined ? process.env : { ...process.env, MUTATION_TESTS: within(tests, "*.test.ts") };
const args = ["run", config, "--mutate", mutate, "--concurrency", jobs];
const { status } = spawnSync(stryker, args, { cwd: root, env, stdio: "inherit" });
process.exit(status ?? 1);

function within(path, files) {
  return statSync(join(root, path)).isDirectory() ? `${path}/**/${files}` : path;
}
