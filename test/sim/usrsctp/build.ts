import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const MISSING =
  "usrsctp in the simulation needs a C compiler and libusrsctp: apt-get install gcc libusrsctp-dev. " +
  "The tables loss and openings do without: npm run sim -- --table loss --table openings";
const OPTIONS = ["-Wall", "-Wextra", "-Werror", "-O1"];
const LIBRARIES = ["-lusrsctp"];

export class MissingUsrsctp extends Error {}

let built: string | undefined;

/** Path of the peer's program, compiled once per version of its source. Throws one sentence where that fails. */
export function usrsctpProgram(): string {
  built ??= build();
  return built;
}

function build(): string {
  const root = packageRoot();
  const source = join(root, "test/sim/usrsctp/peer.c");
  const version = createHash("sha256").update(readFileSync(source)).update(OPTIONS.join()).digest("hex").slice(0, 16);
  const folder = join(root, "node_modules/.cache/webrtc-datagram");
  const program = join(folder, `usrsctp-peer-${version}`);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  // Renamed when complete: several test files may compile it at once.
  const workshop = mkdtempSync(`${program}-`);
  try {
    compile(source, join(workshop, "peer"));
    renameSync(join(workshop, "peer"), program);
  } finally {
    rmSync(workshop, { recursive: true });
  }
  return program;
}

function compile(source: string, program: string): void {
  const { error, status, stderr } = spawnSync("cc", [...OPTIONS, "-o", program, source, ...LIBRARIES], {
    encoding: "utf8",
  });
  const hasNoLibrary = /usrsctp\.h: No such file|cannot find -lusrsctp/.test(stderr ?? "");
  if (error !== undefined || hasNoLibrary) throw new MissingUsrsctp(MISSING);
  if (status !== 0) throw new Error(`${source} does not compile:\n${stderr}`);
}

/** The simulator runs from a bundle in node_modules, the tests from their source: the root is above both. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error("no package.json above the simulator");
    folder = parent;
  }
  return folder;
}
