/** `webrtc-datagram load` and the flags of `echo-server`, as they are typed. They are the built ones: `npm run build` first. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Report } from "../../src/cli/load/measurements.ts";
import { ROOT } from "../support/commands.ts";
import { Program } from "../support/program.ts";

const start = (...args: string[]) => new Program(process.execPath, [join(ROOT, "build", "cli.js"), ...args]);

async function startServer(...flags: string[]): Promise<{ server: Program; url: string }> {
  const server = start("echo-server", "--data", "127.0.0.1:0", "--http", "127.0.0.1:0", ...flags);
  const [, origin] = await server.line(/(http:\/\/[\d.:]+)\//);
  return { server, url: `${origin}/new_rtc_session` };
}

let folder: string;
let server: Program;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "load-"));
  ({ server, url } = await startServer());
});
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What a run printed, and how it ended. */
async function run(...args: string[]): Promise<{ code: number | null; text: string }> {
  const program = start("load", ...args);
  const code = await program.ended();
  return { code, text: program.lines.entries.join("\n") };
}

test("measures an echo server, and writes its report in both forms", async () => {
  const json = join(folder, "report.json");
  const html = join(folder, "report.html");
  const args = "--clients 20 --rate 50 --duration 1 --ramp 0.2 --max-loss 50% --max-errors 0".split(" ");
  const { code, text } = await run("--url", url, ...args, "--json", json, "--html", html);
  expect(text).toContain("20 of 20 opened");
  expect(text).toMatch(/CPU .* µs a message here, .* µs in the server/);
  expect(code).toBe(0);
  const report = JSON.parse(await readFile(json, "utf8")) as Report;
  expect(report).toMatchObject({ opened: 20, errors: {}, duplicates: 0 });
  expect(report.sent).toBeGreaterThan(100);
  expect(report.series.reduce((sum, { sent }) => sum + sent, 0)).toBe(report.sent);
  for (const { sent, received } of report.series) expect(received).toBeLessThanOrEqual(sent);
  expect(await readFile(html, "utf8")).toContain("</html>");
});

test("sees the bad network of either end, and misses its threshold by it", async () => {
  const lossy = await startServer("--loss", "20%", "--seed", "lossy");
  const { code, text } = await run("--url", lossy.url, "--duration", "1", "--rate", "50", "--max-loss", "1%");
  expect(text).toMatch(/missed: loss \d+\.\d+ % is over 1\.000 %/);
  expect(code).toBe(1);
  await lossy.server.stop();
  const slow = await run("--url", url, "--duration", "1", "--latency", "40", "--max-p50", "79");
  expect(slow.text).toContain("missed: round trip p50");
  expect(slow.code).toBe(1);
});

test("Ctrl-C prints what was measured so far", async () => {
  const program = start("load", "--url", url, "--duration", "600", "--clients", "5");
  await program.line(/5 clients, /);
  program.kill("SIGINT");
  expect(await program.ended()).toBe(130);
  const text = program.lines.entries.join("\n");
  expect(text).toContain("interrupted; until then:");
  expect(text).toContain("5 of 5 opened");
});

describe("says in one sentence what is wrong:", () => {
  let impostor: ReturnType<typeof createServer>;
  let impostorUrl: string;
  let body = "";

  beforeAll(async () => {
    impostor = createServer((_, response) => response.end(body));
    await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
    impostorUrl = `http://127.0.0.1:${(impostor.address() as AddressInfo).port}/`;
  });
  afterAll(() => impostor?.close());

  test.each<[string, number, RegExp, () => string[]]>([
    ["no URL", 2, /needs --url/, () => []],
    ["an unknown flag", 2, /--speed/, () => ["--url", url, "--speed", "1"]],
    ["nobody there", 1, /cannot be reached: ECONNREFUSED/, () => ["--url", "http://127.0.0.1:10/"]],
    ["404", 1, /answered 404: not found/, () => ["--url", url.replace("new_rtc_session", "nothing")]],
    ["no answer", 1, /did not answer the offer: The answer is not JSON/, () => ["--url", impostorUrl]],
  ])("%s", async (_, expected, sentence, args) => {
    const { code, text } = await run(...args());
    expect(text).toMatch(sentence);
    expect(text.split("\n")).toHaveLength(1);
    expect(code).toBe(expected);
  });

  test("UDP that is blocked, within the time-out", async () => {
    const response = await fetch(url, { method: "POST", body: OFFER });
    body = (await response.text()).replaceAll(/127\.0\.0\.1 \d+ typ/g, "127.0.0.1 9 typ");
    const started = performance.now();
    const { code, text } = await run("--url", impostorUrl, "--timeout", "1");
    expect(text).toMatch(/^webrtc-datagram: no answer by UDP/);
    expect(code).toBe(1);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

const OFFER = `v=0\r
o=- 1 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r
c=IN IP4 0.0.0.0\r
a=ice-ufrag:abcd\r
a=ice-pwd:${"p".repeat(24)}\r
a=fingerprint:sha-256 ${new Array(32).fill("AB").join(":")}\r
a=setup:actpass\r
a=mid:0\r
a=sctp-port:5000\r
`;
