/** `webrtc-datagram load` and the flags of `echo-server`, as they are typed. They are the built ones: `npm run build` first. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Report } from "../../src/cli/load/measurements.ts";
import { ROOT } from "../support/commands.ts";
import { startEchoServer } from "../support/echo-server.ts";
import { Program } from "../support/program.ts";

const start = (...args: string[]) => new Program(process.execPath, [join(ROOT, "build", "cli.js"), ...args]);

async function startServer(...flags: string[]): Promise<{ server: Program; url: string; udp: string }> {
  const server = start("echo-server", "--data", "127.0.0.1:0", "--http", "127.0.0.1:0", ...flags);
  const [, origin] = await server.line(/(http:\/\/[\d.:]+)\//);
  const [, udp] = await server.line(/messages by UDP at ([\d.:]+)/);
  return { server, url: `${origin}/new_rtc_session`, udp };
}

let folder: string;
let server: Program;
let url: string;
let udp: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "load-"));
  ({ server, url, udp } = await startServer());
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
  expect(text).toMatch(
    /CPU time .* µs an echo in this process, .* µs in the server's \(ratio .*\), opening and closing not included/,
  );
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

test("sends as many messages as rate and duration say, the slowest rate included", async () => {
  const { text } = await run("--url", url, ..."--clients 1 --rate 1 --duration 1 --size 65536".split(" "));
  expect(text).toMatch(/sent +1 messages of 65536 B in 1\.0 s/);
  expect(text).toMatch(/lost +0 /);
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

test("Ctrl-C while clients are being opened does so, too", async () => {
  const program = start("load", "--url", url, "--ramp", "600", "--clients", "5");
  await program.line(/opening clients: 1 of 5/);
  program.kill("SIGINT");
  expect(await program.ended()).toBe(130);
  expect(program.lines.entries.join("\n")).toContain("1 of 5 opened");
});

test("a server that goes away ends the run, which then has failed", async () => {
  const doomed = await startServer();
  const program = start("load", "--url", doomed.url, "--duration", "600", "--clients", "5");
  await program.line(/5 clients, /);
  doomed.server.kill("SIGINT");
  expect(await program.ended()).toBe(1);
  expect(await doomed.server.ended()).toBe(0);
  const text = program.lines.entries.join("\n");
  expect(text).toContain("5 × close: remote");
  expect(text).toMatch(/missed: no client was left after \d+\.\d s/);
});

test("an echo server traces its first session, and no other", async () => {
  const path = join(folder, "first");
  const traced = await startServer("--trace", path);
  const { code } = await run("--url", traced.url, ..."--clients 2 --rate 20 --duration 0.5 --ramp 0.1".split(" "));
  expect(code).toBe(0);
  traced.server.kill("SIGINT");
  expect(await traced.server.ended()).toBe(0);
  const events = (await readFile(`${path}.sqlog`, "utf8"))
    .split("\x1e")
    .slice(1)
    .map((record) => JSON.parse(record));
  expect(events.filter(({ name }) => name === "connection:started").length).toBe(1);
  expect(events.at(-1)).toMatchObject({ name: "trace:ended", data: { reason: "closed" } });
  expect((await readFile(`${path}.pcapng`)).length).toBeGreaterThan(2_000);
});

test.each([["help"], ["--help"], ["load", "--help"], ["echo-server", "-h"], []])(
  "help is help: %s %s",
  async (...args) => {
    const program = start(...args);
    expect(await program.ended()).toBe(0);
    expect(program.lines.entries.join("\n")).toContain("Usage: webrtc-datagram COMMAND");
  },
);

describe("says in one sentence what is wrong:", () => {
  /** Answers whatever is set; `undefined` is no answer at all. */
  let impostor: ReturnType<typeof createServer>;
  let impostorUrl: string;
  let answer: { status?: number; body: string } | undefined;

  beforeAll(async () => {
    impostor = createServer((_, response) => {
      if (answer === undefined) return;
      response.statusCode = answer.status ?? 200;
      response.end(answer.body);
    });
    await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
    impostorUrl = `http://127.0.0.1:${(impostor.address() as AddressInfo).port}/`;
  });
  afterAll(() => {
    impostor?.close();
    impostor?.closeAllConnections();
  });

  async function fails(program: Program, sentence: RegExp, code: number): Promise<void> {
    expect(await program.ended()).toBe(code);
    expect(program.lines.entries).toEqual([expect.stringMatching(sentence)]);
  }

  test.each<[string, number, RegExp, () => string[]]>([
    ["no URL", 2, /needs --url/, () => []],
    ["a URL that is none", 2, /--url must be an http\(s\) URL, not "localhost"/, () => ["--url", "localhost"]],
    ["a URL without its flag", 2, /Unexpected argument 'http.*'; try: webrtc-datagram help/, () => [url]],
    ["an unknown flag", 2, /--speed.*; try: webrtc-datagram help/, () => ["--url", url, "--speed", "1"]],
    ["a flag without its value", 2, /--url.* argument missing/, () => ["--url"]],
    ["a number that is none", 2, /--rate must be a number from .*, not "fast"/, () => ["--url", url, "--rate", "fast"]],
    ["a number below zero", 2, /--clients needs a value, which/, () => ["--url", url, "--clients", "-5"]],
    ["a share over 1", 2, /--max-loss must be a share/, () => ["--url", url, "--max-loss", "200%"]],
    ["nobody there", 1, /cannot be reached: ECONNREFUSED/, () => ["--url", "http://127.0.0.1:10/"]],
    ["404", 1, /answered 404: not found/, () => ["--url", url.replace("new_rtc_session", "nothing")]],
    [
      "a folder that is not there",
      2,
      /--json \S+ cannot be written: there is no such folder/,
      () => ["--url", url, "--json", join(folder, "nowhere", "report.json")],
    ],
    [
      "a folder in a file's place",
      2,
      /--html \S+ cannot be written: it is a folder/,
      () => ["--url", url, "--html", folder],
    ],
  ])("load: %s", async (_, code, sentence, args) => {
    await fails(start("load", ...args()), sentence, code);
  });

  test.each<[string, RegExp, typeof answer]>([
    ["no JSON", /did not answer the offer: The answer is not JSON/, { body: "<html>hello</html>" }],
    ["other JSON", /did not answer the offer: The answer has no/, { body: "{}" }],
    ["an error in one line", /answered 503: the server is full$/, { status: 503, body: " the server\nis full\n" }],
    ["an error as a page", /answered 404$/, { status: 404, body: "<!doctype html>\n<title>Not Found</title>" }],
    ["silence", /did not answer within 1000 ms$/, undefined],
  ])("load: signalling that answers with %s", async (_, sentence, given) => {
    answer = given;
    await fails(start("load", "--url", impostorUrl, "--timeout", "1"), sentence, 1);
  });

  test("load: UDP that is blocked, within the time-out", async () => {
    const response = await fetch(url, { method: "POST", body: OFFER });
    answer = { body: (await response.text()).replaceAll(/127\.0\.0\.1 \d+ typ/g, "127.0.0.1 9 typ") };
    const started = performance.now();
    await fails(
      start("load", "--url", impostorUrl, "--timeout", "1"),
      /^webrtc-datagram: no answer by UDP from 127\.0\.0\.1:9: blocked, or a wrong address$/,
      1,
    );
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test("load: messages that the server does not take", async () => {
    const strict = await startEchoServer({ limits: { maxMessageBytes: 1_000 } });
    const strictUrl = `${strict.site.url}/new_rtc_session`;
    const program = start("load", "--url", strictUrl, "--size", "1001");
    await fails(program, /--size 1001 is more than the server takes: 1000 bytes$/, 1);
    await strict.close();
  });

  test.each<[string, number, RegExp, () => string[]]>([
    ["an unknown flag", 2, /--speed.*; try: webrtc-datagram help/, () => ["--speed"]],
    ["an address without a port", 2, /--data must be ADDR:PORT, not "127\.0\.0\.1"/, () => ["--data", "127.0.0.1"]],
    ["a name as an address", 2, /--data must have an IP address, not "here"/, () => ["--data", "here:1"]],
    ["a port that is none", 2, /--http must be ADDR:PORT, not ":70000"/, () => ["--http", ":70000"]],
    ["a public address that is none", 2, /--public must be an IP address/, () => ["--public", "example.com"]],
    [
      "a trace that cannot be written",
      2,
      /--trace .*missing.first: ENOENT/,
      () => ["--trace", join(folder, "missing", "first")],
    ],
    [
      "a UDP port in use",
      1,
      /cannot listen on UDP 127\.0\.0\.1:\d+: it is in use by another program/,
      () => ["--data", udp, "--http", "127.0.0.1:0"],
    ],
    [
      "a TCP port in use",
      1,
      /cannot listen on TCP 127\.0\.0\.1:\d+: it is in use by another program/,
      () => ["--data", "127.0.0.1:0", "--http", new URL(url).host],
    ],
    [
      "an address of another machine",
      1,
      /cannot listen on UDP 192\.0\.2\.1:1: this machine has no such address/,
      () => ["--data", "192.0.2.1:1", "--http", "127.0.0.1:0"],
    ],
  ])("echo-server: %s", async (_, code, sentence, args) => {
    await fails(start("echo-server", ...args()), sentence, code);
  });

  test("an unknown command", async () => {
    await fails(start("flood"), /unknown command "flood"; try: webrtc-datagram help/, 2);
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
