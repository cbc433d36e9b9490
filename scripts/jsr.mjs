/**
 * npm run jsr: lays out the package for JSR, and has Deno check it as JSR would. JSR publishes TypeScript: the source, with the
 * kernels that were built from assembly/. The folder is node_modules/.cache/webrtc-datagram/jsr.
 *
 *   --scope games      that of the package's owner at JSR. Default: one that nobody has, enough for the check
 *   --publish          does it, too, with a scope; in a workflow without a token, elsewhere through a browser
 *
 * Needs the Deno of test/runtimes: npm run peers.
 */
import { spawnSync } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readArguments } from "./arguments.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "node_modules", ".cache", "webrtc-datagram", "jsr");
const kernels = join("build", "kernels");
const KERNELS = ["simd", "relaxed", "jsc"];
const CONTENTS = ["src", kernels, "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"];

const { scope, publish } = readArguments(import.meta.url, {
  scope: { type: "string" },
  publish: { type: "boolean", default: false },
});
if (publish && scope === undefined) fail("--publish needs a --scope.", 2);
if (!existsSync(join(root, kernels, "simd.js"))) await import("./build-kernels.mjs");

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
for (const path of CONTENTS) await cp(join(root, path), join(folder, path), { recursive: true });
const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
await writeFile(join(folder, "jsr.json"), JSON.stringify(jsrOf(manifest), null, 2));

const check = ["--dry-run"];
const args = ["publish", "--config", "jsr.json", "--no-check", "--allow-dirty", ...(publish ? [] : check)];
const { status, error } = spawnSync(findDeno(), args, { cwd: folder, stdio: "inherit" });
if (error) fail(error.message, 1);
process.exit(status);

/** What jsr.json repeats of package.json. */
function jsrOf({ name, version, license, exports, dependencies }) {
  const entries = Object.entries(exports).filter(([, target]) => typeof target === "object");
  return {
    name: `@${scope ?? "nobody"}/${name}`,
    version,
    license,
    exports: Object.fromEntries(entries.map(([path, target]) => [path, sourceOf(target.default)])),
    imports: {
      ...Object.fromEntries(KERNELS.map((name) => [`#kernels/${name}`, `./build/kernels/${name}.js`])),
      ...Object.fromEntries(Object.entries(dependencies).map(([name, range]) => [name, `npm:${name}@${range}`])),
    },
  };
}

function sourceOf(built) {
  return built.replace("./build/", "./src/").replace(/\.js$/, ".ts");
}

function findDeno() {
  const platform = `${process.platform}-${process.arch}`;
  const path = join(root, "test", "runtimes", "node_modules", "@deno", `${platform}-glibc`, "deno");
  return existsSync(path) ? path : "deno";
}

function fail(sentence, exitCode) {
  console.error(sentence);
  process.exit(exitCode);
}
