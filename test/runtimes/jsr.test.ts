import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { ROOT } from "../support/commands.ts";

const run = promisify(execFile);

test("JSR would take the package: the source with its kernels, and a type at each public symbol", async () => {
  const env = { ...process.env, NO_COLOR: "1" };
  const { stderr } = await run(process.execPath, [join(ROOT, "scripts", "jsr.mjs")], { cwd: ROOT, env });
  expect(stderr).toContain("Dry run complete");
  for (const file of ["src/index.ts", "src/browser.ts", "build/kernels/simd.js", "LICENSE"]) {
    expect(stderr).toContain(`/${file} (`);
  }
});
