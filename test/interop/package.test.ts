/** What `npm pack` makes: a scratch project installs it, type-checks against it and runs it in Node.js 20 and 24. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findNode, ROOT } from "../support/commands.ts";

const run = promisify(execFile);
const MAX_TARBALL_BYTES = 350 * 1024;

/** Uses every part of the public surface that a first program would. */
const CONSUMER = `
import { createServer } from "node:http";
import { Certificate, type Connection, type Message, SendError, Server } from "webrtc-datagram";
import { nodeListener } from "webrtc-datagram/node-http";

const certificate: Certificate = Certificate.generate();
const server: Server = await Server.listen({ address: "127.0.0.1", port: 0, certificate, limits: { maxMessageBytes: 1_000 } });
server.on("open", (connection: Connection) => {
  connection.send(new Uint8Array([1, 2, 3])).catch((error: SendError) => console.error(error.code));
});
const http = createServer(nodeListener((request) => server.sessionEndpoint.handleRequest(request)));
const response: Response = await server.sessionEndpoint.handleRequest(new Request("http://x/", { method: "POST", body: "no offer" }));
const stop = new AbortController();
const next: Promise<Message> = server.recv({ signal: stop.signal });
stop.abort(new Error("stopped"));
const reason: string = await next.then(() => "", (error: Error) => error.message);
console.log(JSON.stringify({ status: response.status, reason, connections: server.stats().connections, port: server.localAddress.port > 0 }));
http.close();
await server.close();
`;

const CONSUMER_OPTIONS = {
  compilerOptions: {
    target: "ES2022",
    module: "nodenext",
    moduleResolution: "nodenext",
    strict: true,
    skipLibCheck: false,
    types: ["node"],
    outDir: "out",
  },
  files: ["consumer.ts"],
};

/** The same for a page. */
const PAGE = `
import { type ClientMessage, type CloseReason, connect, ConnectError, type MessageData } from "webrtc-datagram/browser";

const connection = await connect("/new_rtc_session", { reconnect: { maxAttempts: 3 }, channel: { label: "game" } });
const hello: MessageData = "hello";
connection.send(hello).catch((error: unknown) => console.error(error instanceof ConnectError));
connection.on("message", ({ data }: ClientMessage) => console.log(data));
connection.on("close", (reason: CloseReason) => console.log(reason, connection.peerConnection));
`;

const PAGE_OPTIONS = {
  compilerOptions: {
    target: "ES2022",
    lib: ["ES2022", "DOM"],
    module: "esnext",
    moduleResolution: "bundler",
    strict: true,
    skipLibCheck: false,
    types: [],
    noEmit: true,
  },
  files: ["page.ts"],
};

describe("the packed package", () => {
  let project: string;
  let installed: string;
  let tarballBytes: number;

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), "package-"));
    // Without scripts: what was built before the tests is what is packed, while other tests may be using it.
    const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", project];
    const { stdout } = await run("npm", pack, { cwd: ROOT });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    tarballBytes = (await stat(join(project, filename))).size;
    await writeFile(join(project, "package.json"), JSON.stringify({ name: "scratch", private: true, type: "module" }));
    await writeFile(join(project, "consumer.ts"), CONSUMER);
    await writeFile(join(project, "tsconfig.json"), JSON.stringify(CONSUMER_OPTIONS));
    await run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", `./${filename}`], { cwd: project });
    installed = join(project, "node_modules", "webrtc-datagram");
  });

  afterAll(async () => {
    await rm(project, { recursive: true, force: true });
  });

  test(`the tarball is smaller than ${MAX_TARBALL_BYTES / 1024} KB`, () => {
    expect(tarballBytes).toBeLessThan(MAX_TARBALL_BYTES);
  });

  test("neither it nor what it depends on has an install script or native code", async () => {
    const files = await readdir(join(project, "node_modules"), { recursive: true });
    expect(files.filter((file) => /\.(node|so|dll|dylib|gyp)$/.test(file))).toEqual([]);
    for (const file of files.filter((file) => /(^|\/)package\.json$/.test(file))) {
      const { scripts = {} } = JSON.parse(await readFile(join(project, "node_modules", file), "utf8"));
      expect(
        Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name)),
        file,
      ).toEqual([]);
    }
  });

  test("it carries only what was built and what explains it", async () => {
    const files = await readdir(installed, { recursive: true });
    expect(files.filter((file) => /^(src|test|bench|assembly|scripts|node_modules)\b/.test(file))).toEqual([]);
    expect(files).toEqual(
      expect.arrayContaining([
        "LICENSE",
        "README.md",
        join("build", "index.js"),
        join("build", "index.d.ts"),
        join("examples", "bot.mjs"),
      ]),
    );
  });

  test("every entry of its exports and bin exists", async () => {
    const { exports, bin } = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));
    const targets = [...leaves(exports), ...leaves(bin)];
    expect(targets.length).toBeGreaterThan(2);
    for (const target of targets) await expect(stat(join(installed, target)), target).resolves.toBeDefined();
  });

  test("a strict TypeScript program compiles against its types, and runs in Node.js 20 and 24", async () => {
    await mkdir(join(project, "node_modules", "@types"), { recursive: true });
    await run(
      "npm",
      ["install", "--no-audit", "--no-fund", "--ignore-scripts", `@types/node@${await typesVersion()}`],
      {
        cwd: project,
      },
    );
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    await run(process.execPath, [tsc, "-p", project], { cwd: project });
    for (const major of [20, 24] as const) {
      const { stdout } = await run(findNode(major), [join(project, "out", "consumer.js")], { cwd: project });
      expect(JSON.parse(stdout)).toEqual({ status: 400, reason: "stopped", connections: 0, port: true });
    }
  });

  test("a strict page compiles against the browser's types without those of Node.js", async () => {
    await writeFile(join(project, "page.ts"), PAGE);
    await writeFile(join(project, "tsconfig.page.json"), JSON.stringify(PAGE_OPTIONS));
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    await run(process.execPath, [tsc, "-p", join(project, "tsconfig.page.json")], { cwd: project });
  });

  test("its command answers", async () => {
    const cli = join(project, "node_modules", ".bin", "webrtc-datagram");
    const { stdout } = await run(cli, ["version"], { cwd: project });
    expect(stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

/** All file names in a nested object of exports. */
function leaves(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return Object.values(value as object).flatMap(leaves);
}

async function typesVersion(): Promise<string> {
  const file = join(ROOT, "node_modules", "@types", "node", "package.json");
  return (JSON.parse(await readFile(file, "utf8")) as { version: string }).version;
}
