/** What a bundler takes for a page, of the built package: `npm run build` first. */
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../support/commands.ts";

let project: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "page-"));
  await mkdir(join(project, "node_modules"));
  await symlink(ROOT, join(project, "node_modules", "webrtc-datagram"));
});
afterAll(() => rm(project, { recursive: true, force: true }));

test.each(["webrtc-datagram", "webrtc-datagram/browser"])(
  'connect of "%s" is the small one in a page',
  async (name) => {
    const { outputFiles, metafile } = await build({
      stdin: { contents: `import { connect } from "${name}"; connect("/rtc");`, resolveDir: project },
      bundle: true,
      minify: true,
      platform: "browser",
      format: "esm",
      metafile: true,
      write: false,
    });
    // It was 3,500 while a dead path was the browser's to notice, which takes Firefox 8 to 10 s; `client/browser/watch` is 200 bytes.
    expect(gzipSync(outputFiles[0].contents).length).toBeLessThan(3_600);
    const files = Object.keys(metafile.inputs).filter((path) => path !== "<stdin>");
    expect(files.map((path) => path.replace(/^.*build\//, "")).sort()).toEqual([
      "application/user-code.js",
      "browser.js",
      "client/body.js",
      "client/browser/connection.js",
      "client/browser/dial.js",
      "client/browser/restart.js",
      "client/browser/watch.js",
      "client/redial.js",
      "errors.js",
      "shell/backlog.js",
      "shell/emitter.js",
      "shell/receive-queue.js",
    ]);
  },
);
