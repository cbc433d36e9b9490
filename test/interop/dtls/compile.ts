import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const WARNINGS = ["-Wall", "-Wextra", "-Werror", "-O1"];

/** What a peer in C is made of. */
export interface PeerSource {
  /** Its file, seen from this folder. */
  readonly file: string;
  /** Further arguments of the compiler: where headers are, and the libraries. */
  readonly options: readonly string[];
  /** One of the library's own headers, whose absence means that the library is missing. */
  readonly header: string;
  /** What to say then. */
  readonly missing: string;
}

/** A peer in C as a program in a folder of its own. Throws one sentence where the compiler or its library is missing. */
export function compilePeer({ file, options, header, missing }: PeerSource): string {
  const source = fileURLToPath(new URL(file, import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "dtls-peer-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, "peer");
  const { error, status, stderr } = spawnSync("cc", [...WARNINGS, "-o", program, source, ...options], {
    encoding: "utf8",
  });
  if (error !== undefined || stderr.includes(`${header}: No such file`)) throw new Error(missing);
  if (status !== 0) throw new Error(`${file} does not compile:\n${stderr}`);
  return program;
}
