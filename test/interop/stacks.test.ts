/** The WebRTC stacks that people use outside browsers, each as its users have it: stock packages, no option changed. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { findCommand, findNode, PEERS } from "../support/commands.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";
import { Program } from "../support/program.ts";
import { interfaceAddresses } from "../../src/runtime/index.ts";

const MESSAGES = 1_000;
/** Where Debian keeps the sources of Go packages. */
const GO_PACKAGES = "/usr/share/gocode";

/** By name: the command that starts the client, and its arguments. */
const STACKS: Readonly<Record<string, () => readonly string[]>> = {
  pion: () => [buildPion()],
  aiortc: () => [findPython("aiortc"), join(PEERS, "aiortc-client.py")],
  werift: () => [findNode(24), join(PEERS, "werift-client.mjs")],
  "node-datachannel": () => [process.execPath, join(PEERS, "node-datachannel-client.mjs")],
  "@roamhq/wrtc": () => [process.execPath, join(PEERS, "wrtc-client.mjs")],
  GStreamer: () => [findPython("gi"), join(PEERS, "gstreamer-client.py")],
};

let echo: EchoServer;
let client: Program | undefined;
const folders: string[] = [];

beforeEach(async () => {
  // Several of them gather no candidate of the loopback interface, and so reach none.
  echo = await startEchoServer({ publicAddresses: [...interfaceAddresses()] });
});
afterEach(async () => {
  await client?.stop();
  await echo.close();
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe.each(Object.keys(STACKS))("%s", (name) => {
  test(`gets ${MESSAGES} messages back by an unreliable channel and ${MESSAGES} by a reliable one`, async () => {
    const [command, ...args] = STACKS[name]();
    client = new Program(command, [...args, `${echo.site.url}/new_rtc_session`, String(MESSAGES)]);
    await client.line(new RegExp(`^unreliable ${MESSAGES} echoes$`), 50_000);
    await client.line(new RegExp(`^reliable ${MESSAGES} echoes$`), 50_000);
    expect(echo.opened.entries).toHaveLength(1);
  });
});

/** The Python that has a module. Debian's own is asked first: another one on PATH does not see Debian's packages. */
function findPython(module: string): string {
  const own = "/usr/bin/python3";
  for (const python of [process.env.PYTHON_PATH, own, "python3"]) {
    if (python === undefined) continue;
    try {
      execFileSync(python, ["-c", `import ${module}`], { stdio: "ignore" });
      return python;
    } catch {
      // Not this one.
    }
  }
  throw new Error(`Python's module ${module} is missing: run "npm run peers", or set PYTHON_PATH`);
}

function buildPion(): string {
  const folder = mkdtempSync(join(tmpdir(), "pion-client-"));
  folders.push(folder);
  const source = join(folder, "src", "pion-client");
  mkdirSync(source, { recursive: true });
  copyFileSync(join(PEERS, "pion-client", "main.go"), join(source, "main.go"));
  // Go takes Debian's packages, whose paths end in a major version, only from within a module.
  writeFileSync(join(source, "go.mod"), "module pion-client\n");
  const program = join(folder, "pion-client");
  execFileSync(findCommand(["go"], "GO_PATH"), ["build", "-o", program, "."], {
    cwd: source,
    stdio: "pipe",
    env: { ...process.env, GO111MODULE: "off", GOFLAGS: "", GOPATH: [folder, GO_PACKAGES].join(delimiter) },
  });
  return program;
}
