/**
 * Jazzer.js, which is libFuzzer for JavaScript: installs it into a folder of its own when it is first asked for, and makes it load on
 * systems whose C library is older than the one its binary was built against.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./build.mjs";

const FOLDER = join(ROOT, "test/hostile/fuzzer");
const MODULES = join(FOLDER, "node_modules/@jazzer.js");
const ADDON = join(MODULES, `fuzzer/prebuilds/fuzzer-${process.platform}-${process.arch}.node`);
const COMPAT_SOURCE = join(FOLDER, "glibc.cc");
const COMPAT = join(FOLDER, "node_modules/glibc.so");

/**
 * @returns `{ cli, env }`: the program, and the environment that it needs; or `{ missing }`: one sentence that says why there is none
 */
export function loadEngine() {
  if (!existsSync(MODULES)) {
    console.log("Installing the fuzzer into test/hostile/fuzzer/node_modules …");
    const { status } = spawnSync("npm", ["ci", "--prefix", FOLDER, "--silent", "--ignore-scripts"], {
      stdio: "inherit",
    });
    if (status !== 0) return { missing: "npm could not install @jazzer.js/core." };
  }
  if (!existsSync(ADDON))
    return { missing: `@jazzer.js/fuzzer has no binary for ${process.platform} on ${process.arch}.` };
  const cli = join(MODULES, "core/dist/cli.js");
  const error = loadingError({});
  if (error === "") return { cli, env: {} };
  if (!/GLIBC/.test(error)) return { missing: `The fuzzer's binary does not load: ${error}` };
  return loadOnOlderLibrary(cli);
}

/**
 * The binary of 4.0.0 asks for glibc 2.38 and libstdc++ of GCC 13, as Debian 13 and Ubuntu 24.04 have them. Of what is new there it uses
 * three functions, which `glibc.cc` has as well; so their versions need not be required.
 */
function loadOnOlderLibrary(cli) {
  const compiled = spawnSync("g++", ["-shared", "-fPIC", "-O1", "-o", COMPAT, COMPAT_SOURCE], { encoding: "utf8" });
  if (compiled.status !== 0) {
    return {
      missing: "The fuzzer's binary needs glibc 2.38, or g++ to make it load on an older one; neither is here.",
    };
  }
  relaxVersions(ADDON, /^(GLIBC_2\.3[5-9]|GLIBCXX_3\.4\.3[1-9])$/);
  const env = { LD_PRELOAD: COMPAT };
  const error = loadingError(env);
  return error === "" ? { cli, env } : { missing: `The fuzzer's binary does not load: ${error}` };
}

function loadingError(env) {
  const load = `require(${JSON.stringify(ADDON)})`;
  // All functions are looked up at once: what is missing is missed now.
  const all = { ...process.env, ...env, LD_BIND_NOW: "1" };
  const { stderr, status } = spawnSync(process.execPath, ["-e", load], { encoding: "utf8", env: all });
  return status === 0 ? "" : (/.*(GLIBC|Error:).*/.exec(stderr)?.[0] ?? `it ended with ${status}`);
}

const SECTION_GNU_VERNEED = 0x6ffffffe;
const VERSION_WEAK = 2;

/** Marks versions that an ELF file for 64 bits requires as weak ones, whose absence the loader forgives. */
function relaxVersions(path, names) {
  const file = readFileSync(path);
  const sectionsAt = Number(file.readBigUInt64LE(0x28));
  const sectionBytes = file.readUInt16LE(0x3a);
  const sections = Array.from({ length: file.readUInt16LE(0x3c) }, (_, i) => sectionsAt + i * sectionBytes);
  const offsetOf = (section) => Number(file.readBigUInt64LE(section + 0x18));
  for (const section of sections.filter((at) => file.readUInt32LE(at + 4) === SECTION_GNU_VERNEED)) {
    const stringsAt = offsetOf(sections[file.readUInt32LE(section + 0x28)]);
    for (const library of chain(file, offsetOf(section), 12)) {
      for (const version of chain(file, library + file.readUInt32LE(library + 8), 12)) {
        const nameAt = stringsAt + file.readUInt32LE(version + 8);
        const name = file.toString("latin1", nameAt, file.indexOf(0, nameAt));
        if (names.test(name)) file.writeUInt16LE(VERSION_WEAK, version + 4);
      }
    }
  }
  writeFileSync(path, file);
}

/** Entries each of which says how far the next one is; 0 for none. */
function* chain(file, first, nextAt) {
  for (let at = first, step = -1; step !== 0; at += step) {
    step = file.readUInt32LE(at + nextAt);
    yield at;
  }
}
