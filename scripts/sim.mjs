// Bundles the simulator (TypeScript, which Node 20 does not read) and runs it. Arguments are its own: see --help.
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = new URL("..", import.meta.url);
const outfile = fileURLToPath(new URL("node_modules/.cache/webrtc-datagram/sim.mjs", root));

if (!existsSync(new URL("build/kernels/simd.js", root))) await import("./build-kernels.mjs");
await build({
  entryPoints: [fileURLToPath(new URL("test/sim/run.ts", root))],
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: "inline",
  logLevel: "warning",
});
await import(pathToFileURL(outfile).href);
