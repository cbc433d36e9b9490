/**
 * npm run bench: everything, in under five minutes.
 *
 *   node bench/run.mjs [--only NAME,NAME] [--quick] [--no-peers] [--json FILE]
 *
 * Needs a build. The packages to compare with are installed by `npm ci --prefix bench/peers --ignore-scripts`.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { preferredBuild } from "../build/wasm/kernels.js";
import { installedPeers } from "./load/servers.mjs";
import { Results } from "./results.mjs";
import { printTargets, verdicts } from "./targets.mjs";

const SCENARIOS = [
  "primitive",
  "path",
  "echo",
  "paced",
  "overload",
  "turn",
  "receive",
  "scale",
  "workers",
  "handshake",
];

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    peers: { type: "boolean", default: true },
    json: { type: "string", default: fileURLToPath(new URL("results.json", import.meta.url)) },
  },
  allowNegative: true,
});
const chosen = options.only?.split(",") ?? SCENARIOS;
const unknown = chosen.find((name) => !SCENARIOS.includes(name));
if (unknown !== undefined) {
  console.error(`--only: "${unknown}" is not one of ${SCENARIOS.join(", ")}`);
  process.exit(1);
}

const [{ model }] = cpus();
const machine = { node: process.version, kernels: preferredBuild(), cpus: cpus().length, model };
console.log(`Node.js ${process.version}, ${preferredBuild()} kernels, ${cpus().length} × ${model}`);
const peers = options.peers ? installedPeers() : [];
if (options.peers && peers.length === 0) {
  console.log("Without other servers: npm ci --prefix bench/peers --ignore-scripts");
}
const results = new Results();
const startedAt = performance.now();
for (const name of chosen) {
  const { run } = await import(`./scenarios/${name}.mjs`);
  await run({ quick: options.quick, peers, results });
}
printTargets(results);
console.log(`
CPU is that of the server's process, all threads, user and system; the clients run in another process. Medians of
repetitions in turns, ± half their range; ratios are medians of the ratios of neighbours. ${Math.round((performance.now() - startedAt) / 1000)} s.`);
writeFileSync(options.json, `${JSON.stringify({ machine, results, targets: verdicts(results) }, undefined, 1)}\n`);
process.exit();
