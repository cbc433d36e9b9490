/**
 * Runs a TypeScript program of this repository in every Node.js that the package supports, straight from its source, through
 * the transformer that the tests use. The program exports `main(args)`, which resolves with its exit code.
 *
 *   node scripts/run.mjs PROGRAM.ts [ARGUMENT…]
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createViteServer } from "vitest/node";

const root = fileURLToPath(new URL("..", import.meta.url));
if (!existsSync(join(root, "build", "kernels", "simd.js"))) await import("./build-kernels.mjs");

const [program, ...args] = process.argv.slice(2);
const vite = await createViteServer({
  root,
  configFile: false,
  appType: "custom",
  logLevel: "warn",
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
  optimizeDeps: { noDiscovery: true },
});
let exitCode = 1;
try {
  const { main } = await vite.ssrLoadModule(resolve(program));
  exitCode = await main(args);
} catch (error) {
  console.error(error);
} finally {
  await vite.close();
}
process.exit(exitCode);
