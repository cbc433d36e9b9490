/** On a fresh clone: the kernels, which are all that these tests load of build/, are built before the first test. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../commands.ts";

export default async function buildMissingKernels(): Promise<void> {
  if (existsSync(join(ROOT, "build", "kernels", "jsc.js"))) return;
  await import(new URL("../../../scripts/build-kernels.mjs", import.meta.url).href);
}
