/** The tables in docs/ say which test shows each clause: these tests exist, under these names. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../support/commands.ts";

/** A name in the third column of a table, and the file that stands in front of it. */
interface Reference {
  readonly file: string;
  readonly title: string | undefined;
}

function references(document: string): Reference[] {
  const found: Reference[] = [];
  for (const line of document.split("\n")) {
    const [, , , shownBy] = line.split(/(?<!\\)\|/);
    let file: string | undefined;
    for (const [, code, title] of shownBy?.matchAll(/`([^`]*)`|"([^"]*)"/g) ?? []) {
      if (code !== undefined) {
        file = /^[\w-]+(\/[\w-]+)+$/.test(code) ? code : file;
        if (file === code) found.push({ file, title: undefined });
      } else if (file !== undefined) found.push({ file, title });
    }
  }
  return found;
}

/** The text of a test's file, or of all files of a folder of tests; `undefined` where there is none. */
function sourceOf(file: string): string | undefined {
  const path = join(ROOT, file.startsWith("test/") ? file : join("test", "unit", file));
  if (existsSync(`${path}.test.ts`)) return readFileSync(`${path}.test.ts`, "utf8");
  if (!existsSync(path) || !statSync(path).isDirectory()) return undefined;
  const files = readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".test.ts"));
  return files.map((name) => readFileSync(join(path, name), "utf8")).join("\n");
}

/** Whether a line of the source has the title as a whole, or its parts in order where "…" stands for the rest. */
function has(source: string, title: string): boolean {
  const parts = title.split("…").map((part) => part.trim().replace(/[$()*+./?[\\\]^{|}]/g, "\\$&"));
  const whole = new RegExp(`["'\`]${parts.join(".*")}["'\`]`);
  return source.split("\n").some((line) => whole.test(line));
}

test.each(["dtls-conformance.md", "sctp-conformance.md"])("each test that docs/%s names is there", (name) => {
  const named = references(readFileSync(join(ROOT, "docs", name), "utf8"));
  expect(named.length).toBeGreaterThan(100);
  const missing = named.filter(({ file, title }) => {
    const source = sourceOf(file);
    return source === undefined || (title !== undefined && !has(source, title));
  });
  expect(missing).toEqual([]);
});

test("a name that is not there is noticed", () => {
  expect(has('it("says so", () => {', "says so")).toBe(true);
  expect(has('it("says so", () => {', "says")).toBe(false);
  expect(has('it("says it and so on", () => {', "says … so on")).toBe(true);
  expect(references('| 1 | it | `a/b` "one", "two"; `c/d` "three" |')).toEqual([
    { file: "a/b", title: undefined },
    { file: "a/b", title: "one" },
    { file: "a/b", title: "two" },
    { file: "c/d", title: undefined },
    { file: "c/d", title: "three" },
  ]);
});
