/** Folders with a package.json and a lock file of their own: what they install is no business of the package's users. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Whether what its lock file names is there. */
export function isInstalled(folder) {
  const { stamp, lock } = stateOf(folder);
  return existsSync(stamp) && readFileSync(stamp, "utf8") === lock;
}

/**
 * `npm ci` where the folder's lock file has changed since the last one. None of their packages needs an install script: all
 * come as prebuilt files.
 *
 * @param {string} folder below the root of the repository
 */
export function installNpmFolder(folder) {
  if (isInstalled(folder)) return;
  console.log(`npm: installing the packages of ${folder}`);
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const stdio = ["ignore", "inherit", "inherit"];
  const { status, error } = spawnSync("npm", args, { cwd: join(root, folder), stdio });
  if (error) throw error;
  if (status !== 0) throw new Error(`npm ci in ${folder} ended with exit code ${status}`);
  const { stamp, lock } = stateOf(folder);
  writeFileSync(stamp, lock);
}

function stateOf(folder) {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, folder, "package-lock.json")))
    .digest("hex");
  return { lock, stamp: join(root, folder, "node_modules", ".installed") };
}
