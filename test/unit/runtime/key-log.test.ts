import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { sslKeyLog } from "../../../src/runtime/key-log.ts";

let folder: string;
const warnings: string[] = [];
const heard = (warning: Error) => void warnings.push(warning.message);
const others = process.listeners("warning");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "key-log-"));
  warnings.length = 0;
  process.removeAllListeners("warning");
  process.on("warning", heard);
});
afterEach(() => {
  process.off("warning", heard);
  for (const other of others) process.on("warning", other);
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** Warnings are emitted on the next tick. */
const nextTick = () => new Promise((resolve) => setImmediate(resolve));

test("lines are appended to the file that SSLKEYLOGFILE names, which only its owner may read", async () => {
  const file = join(folder, "keys");
  vi.stubEnv("SSLKEYLOGFILE", file);
  const log = sslKeyLog()!;
  log("CLIENT_RANDOM 00 11");
  log("CLIENT_RANDOM 22 33");
  expect(readFileSync(file, "utf8")).toBe("CLIENT_RANDOM 00 11\nCLIENT_RANDOM 22 33\n");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await nextTick();
  expect(warnings).toEqual([]);
});

test("without SSLKEYLOGFILE, or with an empty one, there is no key log", () => {
  for (const value of [undefined, ""]) {
    vi.stubEnv("SSLKEYLOGFILE", value);
    expect(sslKeyLog()).toBeUndefined();
  }
});

test.each<[string, () => string]>([
  ["a file in a folder that is missing", () => join(folder, "missing", "keys")],
  ["a folder", () => folder],
  [
    "a file below a file",
    () => {
      writeFileSync(join(folder, "file"), "");
      return join(folder, "file", "keys");
    },
  ],
  ["a disk that is full", () => "/dev/full"],
  ["a name that no file can have", () => join(folder, "x".repeat(300))],
  [
    "a file without the right to write it",
    () => {
      const locked = join(folder, "locked");
      mkdirSync(locked);
      chmodSync(locked, 0o500);
      // Root may write everywhere but into the kernel's own files.
      return process.getuid?.() === 0 ? "/proc/version" : join(locked, "keys");
    },
  ],
])("%s is warned of once for the process, and nothing is thrown", async (_, name) => {
  if (process.platform !== "linux") return;
  const file = name();
  vi.stubEnv("SSLKEYLOGFILE", file);
  for (const log of [sslKeyLog()!, sslKeyLog()!]) {
    log("CLIENT_RANDOM 00 11");
    log("CLIENT_RANDOM 22 33");
  }
  await nextTick();
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/^no key log: SSLKEYLOGFILE .* cannot be written: \S+/);
  expect(warnings[0]).toContain(file);
});
