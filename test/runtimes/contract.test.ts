/**
 * One contract for every runtime: a server on each of them, started from the built package, keeps the same promises to the
 * native client, to both browsers' pages and to peers that vanish. `npm run build` first. Ends with a look at the README's table;
 * `-u` writes it.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type * as Page from "../../src/browser.ts";
import { type ClientConnection, type ClientOptions, connect } from "../../src/client/native/connect.ts";
import { BROWSERS, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { ROOT } from "../support/commands.ts";
import { UdpProxy } from "../support/proxy.ts";
import { within } from "../support/wait.ts";
import { type Line, type Program, RUNTIMES, type Runtime, startProgram } from "./runtimes.ts";
import { Table } from "./table.ts";

declare const client: typeof Page;

const PATIENCE_MS = 20_000;
/** An echo that is not there by then is not on its way. */
const LOST_AFTER_MS = 2_000;
const MANY = 200;

/** A server program, ready. */
class RunningServer {
  readonly url: string;
  readonly udpPort: number;
  readonly #program: Program;
  readonly #origin: string;

  private constructor(program: Program, listening: Line) {
    this.#program = program;
    this.#origin = `http://127.0.0.1:${listening.http}`;
    this.url = `${this.#origin}/new_rtc_session`;
    this.udpPort = (listening.udp as { port: number }).port;
  }

  static async start(runtime: Runtime, options: object): Promise<RunningServer> {
    const program = startProgram(runtime, "server.mjs", [JSON.stringify(options)]);
    try {
      const isListening = ({ event }: Line) => event === "listening";
      return new RunningServer(program, await program.lines.waitFor(PATIENCE_MS, "the server", isListening));
    } catch (error) {
      program.kill("SIGKILL");
      throw new Error(`${(error as Error).message}\n${program.errors.join("\n")}`);
    }
  }

  waitFor(event: string, id: string): Promise<Line> {
    return this.#program.lines.waitFor(
      PATIENCE_MS,
      `${event} of ${id}`,
      (line) => line.event === event && line.id === id,
    );
  }

  async order<Answer>(path: string): Promise<Answer> {
    return (await (await fetch(this.#origin + path)).json()) as Answer;
  }

  close(id: string): Promise<unknown> {
    return this.order(`/close?id=${encodeURIComponent(id)}`);
  }

  kill(): void {
    this.#program.kill("SIGKILL");
  }

  /** Closes it properly; resolves with its exit code. */
  async stop(): Promise<number | null> {
    await this.order("/stop").catch(() => {});
    const kill = setTimeout(() => this.kill(), 5_000);
    const code = await this.#program.ended;
    clearTimeout(kill);
    return code;
  }
}

const table = new Table(RUNTIMES.map(({ name }) => name));
const browsers = new Map<string, RunningBrowser>();
let script = "";

beforeAll(async () => {
  const [bundle, ...running] = await Promise.all([
    build({
      entryPoints: [`${ROOT}src/browser.ts`],
      bundle: true,
      format: "iife",
      globalName: "client",
      write: false,
    }),
    ...BROWSERS.map((name) => launchBrowser(name)),
  ]);
  script = bundle.outputFiles[0].text;
  for (const browser of running) browsers.set(browser.name, browser);
});

afterAll(async () => {
  await Promise.all([...browsers.values()].map((browser) => browser.close()));
});

async function echo(connection: ClientConnection, data: string | Uint8Array): Promise<string | Uint8Array> {
  await connection.send(data);
  return (await connection.recv({ signal: AbortSignal.timeout(PATIENCE_MS) })).data;
}

/** Asks again where a message is lost: a thousand at once may be more than a socket's buffer holds, and Deno's is small. */
async function echoOnLossyLine(connection: ClientConnection, data: string): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (performance.now() < giveUpAt) {
    await connection.send(data);
    const answer = connection.recv({ signal: AbortSignal.timeout(LOST_AFTER_MS) });
    if ((await answer.catch(() => undefined))?.data === data) return;
  }
  throw new Error(`no echo of ${data} within ${PATIENCE_MS} ms`);
}

function closeOf(connection: ClientConnection): Promise<string> {
  return within(PATIENCE_MS, "the close", new Promise((resolve) => connection.on("close", resolve)));
}

describe.each(RUNTIMES)("$name", (runtime) => {
  let server: RunningServer;
  const open = (options?: ClientOptions) => connect(server.url, options);

  beforeAll(async () => {
    server = await RunningServer.start(runtime, {
      publicAddresses: ["127.0.0.1"],
      limits: { maxMessageBytes: 60_000 },
    });
  });
  afterAll(() => server?.kill());
  afterEach(({ task }) => table.count(runtime.name, task.name, task.result?.state === "pass"));

  test("native client: connect: both ends agree who it is", async () => {
    const connection = await open();
    const { remoteAddress } = await server.waitFor("open", connection.id);
    expect(remoteAddress).toMatchObject({ address: "127.0.0.1" });
    connection.close();
  });

  test.each<[string, string | Uint8Array]>([
    ["text", "grüße, 世界"],
    ["bytes", Uint8Array.from({ length: 256 }, (_, i) => i)],
    ["empty text", ""],
    ["no bytes", new Uint8Array(0)],
    ["1,100 bytes", new Uint8Array(1_100).fill(1)],
    ["60,000 bytes", new Uint8Array(60_000).fill(2)],
  ])("native client: echo: %s", async (_, data) => {
    const connection = await open();
    expect(await echo(connection, data)).toEqual(data);
    connection.close();
  });

  test("native client: limits: a message too long is refused by either end, and nothing else happens", async () => {
    const connection = await open({ limits: { maxMessageBytes: 1_000_000 } });
    expect(connection.maxMessageBytes).toBe(60_000);
    // Over what the peer takes: its word makes nothing throw. The server's own limit does, there.
    expect(connection.trySend(new Uint8Array(60_001))).toBe(false);
    await server.waitFor("open", connection.id);
    const order = `/send-too-much?id=${encodeURIComponent(connection.id)}`;
    expect(await server.order(order)).toEqual({ error: "RangeError" });
    expect(await echo(connection, "goes on")).toBe("goes on");
    connection.close();
  });

  test("native client: close: the server hears of ours at once", async () => {
    const connection = await open();
    await server.waitFor("open", connection.id);
    connection.close();
    expect(await server.waitFor("close", connection.id)).toMatchObject({ reason: "remote" });
  });

  test("native client: close: we hear of the server's at once", async () => {
    const connection = await open();
    await server.waitFor("open", connection.id);
    const closed = closeOf(connection);
    await server.close(connection.id);
    expect(await closed).toBe("remote");
    expect(await server.waitFor("close", connection.id)).toMatchObject({ reason: "local" });
  });

  test("native client: abrupt death: a client that vanishes is idle, and its closed port hurts nobody", async () => {
    const limits = { idleTimeoutMs: 1_500 };
    const impatient = await RunningServer.start(runtime, { publicAddresses: ["127.0.0.1"], limits });
    const proxy = await UdpProxy.start();
    proxy.serverPort = impatient.udpPort;
    const throughProxy = async (to: string, init: RequestInit) => {
      const text = await (await fetch(to, init)).text();
      return new Response(text.replaceAll(`127.0.0.1 ${impatient.udpPort} `, `127.0.0.1 ${proxy.port} `));
    };
    const connection = await connect(impatient.url, { fetch: throughProxy });
    const survivor = await connect(impatient.url);
    await impatient.waitFor("open", connection.id);
    for (let i = 0; i < 50; i++) connection.trySend(new Uint8Array(500));
    await proxy.close();
    expect(await impatient.waitFor("close", connection.id)).toMatchObject({ reason: "idle" });
    expect(await echo(survivor, "unharmed")).toBe("unharmed");
    connection.close();
    impatient.kill();
  });

  test("native client: abrupt death: a server that vanishes is idle", async () => {
    const doomed = await RunningServer.start(runtime, { publicAddresses: ["127.0.0.1"] });
    const connection = await connect(doomed.url, { limits: { idleTimeoutMs: 1_000 } });
    expect(await echo(connection, "alive")).toBe("alive");
    const closed = closeOf(connection);
    doomed.kill();
    expect(await closed).toBe("idle");
  });

  test("native client: standstill: a server that blocks for longer than a peer may be silent ends nobody", async () => {
    const limits = { idleTimeoutMs: 1_500 };
    const blocked = await RunningServer.start(runtime, { publicAddresses: ["127.0.0.1"], limits });
    const connections = await Promise.all(Array.from({ length: 3 }, () => connect(blocked.url)));
    // More than is read at a time, and more often than a check.
    const sending = setInterval(() => {
      for (const connection of connections) for (let i = 0; i < 3; i++) connection.trySend("still here");
    }, 50);
    await blocked.order("/block?ms=2500");
    clearInterval(sending);
    for (const connection of connections) await echoOnLossyLine(connection, "there you are");
    expect(await blocked.order("/stats")).toMatchObject({ connections: connections.length, closed: {} });
    for (const connection of connections) connection.close();
    blocked.kill();
  });

  test(`native client: ${MANY} connections: each gets its own echoes`, async () => {
    const connections = await Promise.all(Array.from({ length: MANY }, () => open()));
    await Promise.all(
      connections.map(async (connection, index) => {
        for (let i = 0; i < 5; i++) await echoOnLossyLine(connection, `${index} ${i}`);
      }),
    );
    expect((await server.order<{ connections: number }>("/stats")).connections).toBeGreaterThanOrEqual(MANY);
    const last = connections[connections.length - 1].id;
    for (const connection of connections) connection.close();
    await server.waitFor("close", last);
  });

  test.each<[string, string | undefined, string[]]>([
    ["IPv4", "127.0.0.1", ["127.0.0.1"]],
    ["IPv6", "::1", ["::1"]],
    ["dual stack", undefined, ["127.0.0.1", "::1"]],
  ])("native client: %s: reached there, then closed with all its connections", async (_, address, reachedAt) => {
    for (const publicAddress of reachedAt) {
      const other = await RunningServer.start(runtime, {
        ...(address && { address }),
        publicAddresses: [publicAddress],
      });
      const connection = await connect(other.url);
      expect(await echo(connection, publicAddress)).toBe(publicAddress);
      expect(await other.waitFor("open", connection.id)).toMatchObject({ remoteAddress: { address: publicAddress } });
      const closed = closeOf(connection);
      expect(await other.stop()).toBe(0);
      expect(await closed).toBe("remote");
    }
  });

  test("native client on this runtime: connects, echoes, fails with a reason, closes, and lets the process end", async () => {
    const program = startProgram(runtime, "client.mjs", [server.url]);
    const code = await within(PATIENCE_MS, "the client's end", program.ended);
    expect(program.errors.join("\n")).not.toMatch(/error/i);
    expect(program.lines.entries).toEqual([
      {
        echoes: ["grüße", "", [0, 255], []],
        large: 20_000,
        numbers: Array.from({ length: 20 }, (_, i) => `${i}`),
        failure: "udp-blocked",
        reason: "remote",
      },
    ]);
    expect(code).toBe(0);
  });

  test.each(BROWSERS)("browser client: %s: connects, echoes and hears of the close", async (name) => {
    const page = await browsers.get(name)!.open(server.url.replace("new_rtc_session", ""));
    await page.addScriptTag({ content: script });
    const { id, echoes } = await page.evaluate(async () => {
      const connection = await client.connect("/new_rtc_session");
      const seen: string[] = [];
      for (const data of ["grüße", "", new Uint8Array(3), new Uint8Array(30_000)]) {
        connection.send(data);
        const message = await connection.recv({ signal: AbortSignal.timeout(10_000) });
        seen.push(`${message.binary} ${message.data.length}`);
      }
      Object.assign(window, { ended: new Promise((resolve) => connection.on("close", resolve)) });
      return { id: connection.id, echoes: seen };
    });
    expect(echoes).toEqual(["false 5", "false 0", "true 3", "true 30000"]);
    await server.close(id);
    const ended = page.evaluate(() => (window as unknown as { ended: Promise<string> }).ended);
    expect(await within(PATIENCE_MS, "the close", ended)).toBe("remote");
    await page.close();
  });
});

test("the table in the README says what these tests have shown", async () => {
  const readme = join(ROOT, "README.md");
  const text = table.insertInto(await readFile(readme, "utf8"));
  // With -u this writes the file.
  await expect(text).toMatchFileSnapshot(readme);
});
