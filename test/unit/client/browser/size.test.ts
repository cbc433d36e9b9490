import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Metafile } from "esbuild";
import { expect, test } from "vitest";

async function bundle(): Promise<{ code: Uint8Array; meta: Metafile }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL("../../../../src/browser.ts", import.meta.url))],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    metafile: true,
    write: false,
  });
  return { code: outputFiles[0].contents, meta: metafile };
}

// 3,500 until the client notices a dead path itself: the statistics of the browser are what it takes.
test("a page loads less than 3,600 bytes, minified and gzipped", async () => {
  const { code } = await bundle();
  expect(gzipSync(code, { level: 9 }).length).toBeLessThan(3_600);
});

test("a page loads nothing of the server's and no dependency", async () => {
  const { meta } = await bundle();
  const files = Object.keys(meta.inputs).map((path) => path.replace(/^.*src\//, ""));
  expect(files.sort()).toEqual([
    "application/user-code.ts",
    "browser.ts",
    "client/body.ts",
    "client/browser/connection.ts",
    "client/browser/dial.ts",
    "client/browser/restart.ts",
    "client/browser/watch.ts",
    "client/redial.ts",
    "errors.ts",
    "shell/backlog.ts",
    "shell/emitter.ts",
    "shell/receive-queue.ts",
  ]);
});
