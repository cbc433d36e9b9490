import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findCommand } from "../../../support/commands.ts";

const MISSING = "NSS interoperability needs a C compiler and the headers of NSS: apt-get install gcc libnss3-dev";
const HEADERS = ["-I/usr/include/nss", "-I/usr/include/nspr"];
const WARNINGS = ["-Wall", "-Wextra", "-Werror", "-O1"];

/**
 * Compiles the peer with Firefox's own NSS: Debian's libnss3 is 3.87, whose DTLS 1.3 is that of draft 43, with another version number
 * (0x7f2b). Throws one sentence where the compiler or a library is missing.
 */
export function buildPeer(): string {
  const source = fileURLToPath(new URL("peer.c", import.meta.url));
  const program = join(mkdtempSync(join(tmpdir(), "nss-peer-")), "peer");
  const folder = dirname(realpathSync(findCommand(["firefox-esr", "firefox"], "FIREFOX_PATH")));
  const libraries = ["ssl3", "nss3", "nssutil3", "smime3"].map((name) => join(folder, `lib${name}.so`));
  // Of the two ways to say where a library's own libraries are, the old one.
  const where = `-Wl,--disable-new-dtags,-rpath,${folder}`;
  const options = [...WARNINGS, "-o", program, source, ...HEADERS, ...libraries, "-lnspr4", where];
  const { error, status, stderr } = spawnSync("cc", options, { encoding: "utf8" });
  if (error !== undefined || /nss\.h: No such file/.test(stderr)) throw new Error(MISSING);
  if (status !== 0) throw new Error(`the peer does not compile:\n${stderr}`);
  return program;
}
