import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { findCommand } from "../../../support/commands.ts";
import { compilePeer } from "../compile.ts";

const HEADERS = ["-I/usr/include/nss", "-I/usr/include/nspr"];

/**
 * Compiles the peer with Firefox's own NSS: Debian's libnss3 is 3.87, whose DTLS 1.3 is that of draft 43, with another version number
 * (0x7f2b).
 */
export function buildPeer(): string {
  const folder = dirname(realpathSync(findCommand(["firefox-esr", "firefox"], "FIREFOX_PATH")));
  const libraries = ["ssl3", "nss3", "nssutil3", "smime3"].map((name) => join(folder, `lib${name}.so`));
  // Of the two ways to say where a library's own libraries are, the old one.
  const where = `-Wl,--disable-new-dtags,-rpath,${folder}`;
  return compilePeer({
    file: "nss/peer.c",
    options: [...HEADERS, ...libraries, "-lnspr4", where],
    header: "nss.h",
    missing: "NSS interoperability needs a C compiler and the headers of NSS: apt-get install gcc libnss3-dev",
  });
}
