import { existsSync, renameSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";

const MODULES = fileURLToPath(new URL("node_modules", import.meta.url));

/** Both packages hold one program for Linux on x86-64, compressed. */
const RUNS_HERE = process.platform === "linux" && process.arch === "x64";

/**
 * The Chromium of an npm package as a program. It is unpacked beside the package, once. Throws how to get it where it is missing.
 */
export async function installChromium(name: string): Promise<string> {
  if (!RUNS_HERE) throw new Error(`the Chromium of ${name} runs on Linux on x86-64 only: run this test there`);
  const packed = join(MODULES, name, "bin", "chromium.br");
  const program = join(dirname(packed), "chromium");
  if (existsSync(program)) return program;
  if (!existsSync(packed)) throw new Error(`the npm package ${name} is missing: run "npm run peers"`);
  const unpacked = await promisify(brotliDecompress)(await readFile(packed));
  // Under its name only when it is whole.
  const part = `${program}.${process.pid}`;
  writeFileSync(part, unpacked, { mode: 0o755 });
  renameSync(part, program);
  return program;
}
