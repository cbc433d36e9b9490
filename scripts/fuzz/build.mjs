/**
 * The fuzz targets and what they import as CommonJS, file by file, since that is what the fuzzer instruments: `src/` with counters, the
 * targets without.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const CACHE = join(ROOT, "node_modules/.cache/webrtc-datagram/fuzz");
const ENTRY = "test/hostile/targets/index.ts";

const COMMON = { format: "cjs", platform: "node", target: "node20", define: { "import.meta.url": "importMetaUrl" } };
const BANNER = 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;';

/**
 * @param folder where it goes; what is there is removed
 * @param patch a fault to put in: `{ file, find, replace }`, where `find` occurs in the source once
 */
export async function buildTargets(folder, patch) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "test"), { recursive: true });
  for (const file of await importedFiles()) {
    const source = readFileSync(join(ROOT, file), "utf8");
    const text = patch?.file === file ? patched(source, patch) : source;
    const { code } = await transform(text, { ...COMMON, loader: "ts", banner: BANNER, sourcefile: file });
    write(join(folder, file.replace(/\.ts$/, ".js")), code.replace(/require\("(\.[^"]+)\.ts"\)/g, 'require("$1.js")'));
  }
  await buildKernels(folder);
  // Fixtures and the corpus are read by their places beside the tests.
  symlinkSync(join(ROOT, "test/fixtures"), join(folder, "test/fixtures"));
  const imports = { "#kernels/*": "./kernels/*.js" };
  write(join(folder, "package.json"), JSON.stringify({ type: "commonjs", imports }));
  write(join(folder, "entry.js"), ENTRY_SOURCE);
}

/** Exports what the fuzzer calls; the input is copied, as the fuzzer keeps its own. */
const ENTRY_SOURCE = `
const { TARGETS } = require("./test/hostile/targets/index.js");
const target = TARGETS[process.env.FUZZ_TARGET]();
module.exports.fuzz = (data) => target.run(Uint8Array.from(data));
`;

/** Puts a fault in. Throws where its place is not there, or not the only one. */
export function patched(source, { file, find, replace }) {
  const count = source.split(find).length - 1;
  if (count !== 1) throw new Error(`${file}: ${JSON.stringify(find)} occurs ${count} times, not once`);
  return source.replace(find, () => replace);
}

async function importedFiles() {
  const { metafile } = await build({
    ...COMMON,
    entryPoints: [join(ROOT, ENTRY)],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    outdir: CACHE,
    metafile: true,
    packages: "external",
    external: ["#kernels/*"],
    logLevel: "error",
  });
  return Object.keys(metafile.inputs);
}

async function buildKernels(folder) {
  const from = join(ROOT, "build/kernels");
  if (!existsSync(from)) await import("../build-kernels.mjs");
  for (const file of readdirSync(from).filter((name) => name.endsWith(".js"))) {
    const { code } = await transform(readFileSync(join(from, file), "utf8"), { ...COMMON, loader: "js" });
    write(join(folder, "kernels", file), code);
  }
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

export function shown(path) {
  return relative(ROOT, path);
}
