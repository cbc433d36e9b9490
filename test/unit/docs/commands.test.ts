/** What documents and workflows tell somebody to run is there. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../support/commands.ts";

const FOLDERS = [".", "docs", "bench", "assembly", ".github", ".github/workflows", ".github/ISSUE_TEMPLATE"];
const FILES = FOLDERS.flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => join(folder, name))).filter(
  (file) => /\.(md|yml)$/.test(file),
);

/** The names behind `npm run`, and the files behind `node` and `vitest run`. */
function commands(text: string): { scripts: string[]; files: string[] } {
  const matches = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name);
  return {
    scripts: matches(/\bnpm run (?:--silent )?([\w:-]*\w)/g),
    files: matches(/\b(?:node|npx vitest run) ((?:scripts|bench|test)\/[\w./-]+)/g),
  };
}

test.each(FILES)("each command that %s names is there", (file) => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: object };
  const named = commands(readFileSync(join(ROOT, file), "utf8"));
  expect(named.scripts.filter((name) => !(name in scripts))).toEqual([]);
  expect(named.files.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test("a command that is not there is noticed", () => {
  const text = "Run `npm run nothing -- --help`, `node bench/none.mjs` or `npx vitest run test/unit/sctp`.";
  expect(commands(text)).toEqual({ scripts: ["nothing"], files: ["bench/none.mjs", "test/unit/sctp"] });
});

test("each check that npm test begins with runs in the ci workflow, and before a release", () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const checks = commands(scripts.pretest!).scripts.filter((name) => name !== "peers");
  expect(checks).toContain("check:architecture");
  for (const workflow of ["ci.yml", "release.yml"]) {
    const text = readFileSync(join(ROOT, ".github", "workflows", workflow), "utf8");
    expect(commands(text).scripts, workflow).toEqual(expect.arrayContaining(checks));
  }
});
