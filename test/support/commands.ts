/** Where the programs are that the tests talk to. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The folder of the npm packages in `test/interop/peers`. */
export const PEERS = join(ROOT, "test", "interop", "peers");

/** The first of `names` on PATH, or what the environment variable `override` names. Throws how to get it otherwise. */
export function findCommand(names: readonly string[], override?: string): string {
  const named = override ? process.env[override] : undefined;
  if (named) return named;
  // Debian keeps a few programs where only root's PATH looks.
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      if (isExecutable(path)) return path;
    }
  }
  throw new Error(`${names[0]} is missing: run "npm run peers"${override ? `, or set ${override}` : ""}`);
}

/** The Node.js of one major version: the running one, or the one that `test/interop/peers` has. */
export function findNode(major: 20 | 24): string {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const path = join(PEERS, "node_modules", `node${major}-${process.platform}-${process.arch}`, "bin", "node");
  if (isExecutable(path)) return path;
  throw new Error(`Node.js ${major} is missing: run "npm run peers"`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
