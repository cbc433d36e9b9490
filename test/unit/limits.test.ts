import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../../src/server/options.ts";

test("each limit's doc comment names its default, as editors show it", () => {
  const source = readFileSync(new URL("../../src/limits.ts", import.meta.url), "utf8");
  const documented = source.matchAll(/Default ([\d,]+)\.(?:\s+\*\/|\s*\*\/)\n {2}(\w+): number;/g);
  const defaults = Object.fromEntries(
    [...documented].map(([, value, name]) => [name, Number(value.replaceAll(",", ""))]),
  );
  expect(defaults).toEqual(DEFAULT_LIMITS);
});
