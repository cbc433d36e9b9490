import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readInputs } from "./support/corpus.ts";
import { TARGETS } from "./targets/index.ts";

/** Read as text, as it is no TypeScript: `{ file: "…", find: "…" }`. */
const FAULTS = [
  ...readFileSync(new URL("../../scripts/fuzz/faults.mjs", import.meta.url), "utf8").matchAll(
    /file: ("[^"]+"),\s+find:\s+("(?:[^"\\]|\\.)+")/g,
  ),
].map(([, file, find]) => ({ file: JSON.parse(file) as string, find: JSON.parse(find) as string }));

test("each fault of the fuzzer's self-test finds its place in the source, and only one", () => {
  expect(FAULTS.length).toBeGreaterThanOrEqual(3);
  for (const { file, find } of FAULTS) {
    const source = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
    expect(source.split(find).length - 1, `${file}: ${find}`).toBe(1);
  }
});

test.each(Object.keys(TARGETS))("%s: each seed, and each input of the corpus, keeps all invariants", async (name) => {
  const target = TARGETS[name]();
  for (const seed of target.seeds) await target.run(seed);
  for (const { place, input } of readInputs(name)) {
    try {
      await target.run(input);
    } catch (error) {
      throw new Error(`${place}: ${error instanceof Error ? error.stack : error}`, { cause: error });
    }
  }
  expect(target.seeds.length).toBeGreaterThan(0);
});
