/** The page's client is for browsers from 2020 on: nothing in it needs a newer parser. */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { expect, test } from "vitest";

const SOURCES = fileURLToPath(new URL("../../../../src", import.meta.url));
/** The target of tsconfig.json: what the compiler leaves as it is. */
const BUILT = "es2022";
const OLDEST = "chrome80";
/** What Chromium 80 has, though esbuild avoids it there, for a fault of the browser in a form that we do not use. */
const HAS = { "class-field": true, "class-private-field": true, "optional-chain": true } as const;

/** The client's own modules, as the build has them. */
async function modules(): Promise<[path: string, code: string][]> {
  const { metafile } = await build({
    entryPoints: [join(SOURCES, "browser.ts")],
    bundle: true,
    metafile: true,
    write: false,
    absWorkingDir: dirname(SOURCES),
  });
  return Promise.all(
    Object.keys(metafile.inputs).map(async (path) => {
      const source = await readFile(join(dirname(SOURCES), path), "utf8");
      return [path, (await transform(source, { loader: "ts", target: BUILT })).code] as [string, string];
    }),
  );
}

/** Whether a compiler would have to write it in other words for Chromium 80. */
async function isTooNew(code: string): Promise<boolean> {
  const asItIs = await transform(code);
  const lowered = await transform(code, { target: OLDEST, supported: HAS });
  return asItIs.code !== lowered.code;
}

test("the page's client has no syntax that Chromium 80 cannot parse", async () => {
  const tooNew: string[] = [];
  for (const [path, code] of await modules()) if (await isTooNew(code)) tooNew.push(path);
  expect(tooNew).toEqual([]);
});

test.each([
  "class A { #a() {} b() { this.#a(); } }",
  "a ||= 1",
  "a ??= 1",
  "a &&= 1",
  "class A { static { a(); } }",
  "class A { #a; b(c) { return #a in c; } }",
])("syntax of later years is noticed: %s", async (code) => {
  expect(await isTooNew(code)).toBe(true);
});

test.each(["class A { #a = 1; static #b = 2; c = 3; d(e) { return this.#a?.(e?.f ?? 1_000); } }", "try {} catch {}"])(
  "what Chromium 80 can parse is let through: %s",
  async (code) => {
    expect(await isTooNew(code)).toBe(false);
  },
);
