/**
 * The kernels, which are all that these tests load of build/, are built before the first test: on a fresh clone, and where assembly/ has
 * changed since. With older ones an association opens and then says nothing, which nobody would guess.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../commands.ts";

const KERNELS = join(ROOT, "build", "kernels", "jsc.js");
const SOURCES = join(ROOT, "assembly");

export default async function buildStaleKernels(): Promise<void> {
  if (existsSync(KERNELS) && statSync(KERNELS).mtimeMs >= newestSource()) return;
  await import(new URL("../../../scripts/build-kernels.mjs", import.meta.url).href);
}

function newestSource(): number {
  const files = readdirSync(SOURCES).map((name) => statSync(join(SOURCES, name)).mtimeMs);
  return Math.max(...files);
}
