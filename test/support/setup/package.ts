/** On a fresh clone: tests of the package in other processes load build/, which is built before the first of them. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../commands.ts";

export default function buildMissingPackage(): void {
  if (existsSync(join(ROOT, "build", "index.d.ts"))) return;
  const { status } = spawnSync("npm", ["run", "--silent", "build"], { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) throw new Error(`npm run build ended with exit code ${status}`);
}
