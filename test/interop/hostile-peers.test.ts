/**
 * The README's programs and the examples, as they stand and unguarded, beside peers that say every number there is: the process lives,
 * and serves the next one. The programs import the built package: `npm run build` first.
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { connect } from "../../src/client/native/connect.ts";
import { type Connection, type ListenOptions, Server } from "../../src/index.ts";
import { REQUESTS, sendRequest } from "../hostile/support/requests.ts";
import { UdpRogue, type UdpRogueOptions } from "../hostile/support/udp-rogue.ts";
import { offerLine, PEERS } from "../hostile/support/words.ts";
import { findNode, ROOT } from "../support/commands.ts";
import { freePorts } from "../support/ports.ts";
import { Program } from "../support/program.ts";
import { readmeProgram } from "../support/readme.ts";
import { type Site, startSite } from "../support/site.ts";
import { EventLog } from "../support/wait.ts";

const WAIT_MS = 20_000;
/** Peers at once: fewer than any limit of a server. */
const SIDE_BY_SIDE = 96;

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
});

function run(args: string[], env: Record<string, string> = {}, node = process.execPath): Program {
  const program = new Program(node, args, { cwd: ROOT, env });
  opened.push({ close: () => program.stop() });
  return program;
}

/** Runs a program of the README. Only its addresses are others. */
function runReadme(phrase: string, replaced: readonly (readonly [string, string])[], node?: string): Program {
  let code = readmeProgram(phrase);
  for (const [text, by] of replaced) {
    expect(code).toContain(text);
    code = code.replaceAll(text, by);
  }
  return run(["--input-type=module", "--eval", code], {}, node);
}

const LOOP = "for await (const { connection, data } of server)";

/** Servers: each is started, and gives the port of its signalling. */
const SERVERS: Record<string, () => Promise<{ program: Program; port: number }>> = {
  "the README's loop": () => readmeServer(process.execPath),
  "echo-server.mjs": () => exampleServer("echo-server.mjs"),
  "own-socket.mjs": () => exampleServer("own-socket.mjs"),
  "workers/server.mjs": async () => {
    const { HTTP_PORT } = await freePorts();
    const program = run([join("examples", "workers", "server.mjs"), "2", "0", HTTP_PORT]);
    await program.line(/POST offers to/);
    return { program, port: Number(HTTP_PORT) };
  },
  "webrtc-datagram echo-server": async () => {
    const program = run([join("build", "cli.js"), "echo-server", "--data", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    const [, port] = await program.line(/http:\/\/[^:]+:(\d+)/);
    return { program, port: Number(port) };
  },
};

async function readmeServer(node: string) {
  const { UDP_PORT, HTTP_PORT } = await freePorts();
  const addresses = [
    ["42424", UDP_PORT],
    ["203.0.113.7", "127.0.0.1"],
    ["8080", HTTP_PORT],
  ] as const;
  const program = runReadme(LOOP, addresses, node);
  const port = Number(HTTP_PORT);
  await listening(port);
  return { program, port };
}

async function exampleServer(name: string) {
  const program = run([join("examples", name)], await freePorts());
  const [, port] = await program.line(/http:\/\/127\.0\.0\.1:(\d+)/);
  return { program, port: Number(port) };
}

/** The README's server says nothing when it is ready. */
async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      await fetch(urlOf(port));
      return;
    } catch {
      await delay(100);
    }
  }
  throw new Error(`nobody listens on port ${port}`);
}

const urlOf = (port: number) => `http://127.0.0.1:${port}/new_rtc_session`;

/** Says its one wrong thing, and all that it may say after that: messages of every length, and its goodbye. */
async function visit(port: number, peer: Omit<UdpRogueOptions, "signal">): Promise<void> {
  const signal = async (body: string) => (await fetch(urlOf(port), { method: "POST", body })).text();
  const rogue = await UdpRogue.join({ signal, ...peer }).catch(() => undefined);
  if (rogue === undefined) return; // Its offer was refused.
  await rogue.settled();
  for (const length of [0, 1, 16, 50, 1_000]) rogue.send(new Uint8Array(length));
  rogue.send("");
  rogue.send("grüße");
  rogue.close();
}

/** An honest client is served. What it sends comes behind all that the others have sent. */
async function expectService(program: Program, port: number): Promise<void> {
  const served = connect(urlOf(port)).then(async (client) => {
    opened.push(client);
    await client.send("still there?");
    return (await client.recv({ signal: AbortSignal.timeout(WAIT_MS) })).data;
  });
  const ended = program.ended(WAIT_MS).then((code) => {
    throw new Error(`the program ended with ${code}:\n${program.lines.entries.slice(-20).join("\n")}`);
  });
  expect(await Promise.race([served, ended])).toBe("still there?");
}

test.each(Object.entries(SERVERS))("%s serves an honest client after every peer of the table", async (_, start) => {
  const { program, port } = await start();
  await expectService(program, port);
  for (let first = 0; first < PEERS.length; first += SIDE_BY_SIDE) {
    await Promise.all(PEERS.slice(first, first + SIDE_BY_SIDE).map(([, peer]) => visit(port, peer)));
  }
  await expectService(program, port);
});

/** More of the body may have come when it is read than when the request was handed over. */
const SLOW_HANDLER = `
import { createServer } from "node:http";
import { setTimeout } from "node:timers/promises";
import { Server } from "webrtc-datagram";
import { nodeListener } from "webrtc-datagram/node-http";

const server = await Server.listen({ address: "127.0.0.1", onMessage: ({ connection, data }) => connection.trySend(data) });
const http = createServer(nodeListener(async (request) => {
  await setTimeout(30);
  return server.sessionEndpoint.handleRequest(request);
}));
http.listen(0, "127.0.0.1", () => console.log("port", http.address().port));
`;

/** What a version of Node.js makes of a request is its own. */
const HTTP_SERVERS: typeof SERVERS = {
  ...SERVERS,
  "the README's loop in Node.js 24": () => readmeServer(findNode(24)),
  "a handler that looks the player up first, in Node.js 24": async () => {
    const program = run(["--input-type=module", "--eval", SLOW_HANDLER], {}, findNode(24));
    const [, port] = await program.line(/port (\d+)/);
    return { program, port: Number(port) };
  },
};

test.each(Object.entries(HTTP_SERVERS))("%s serves an honest client after every odd HTTP request", async (_, start) => {
  const { program, port } = await start();
  await Promise.all(Object.values(REQUESTS).map((parts) => sendRequest(port, parts)));
  await expectService(program, port);
});

/** What a server says and does to clients: how it listens, what its answer says, and what it does when one is there. */
const HOSTS: readonly (readonly [
  name: string,
  options: ListenOptions,
  editAnswer: (sdp: string) => string,
  act: (connection: Connection) => void,
])[] = [
  ...["0", "1", "10", "4294967296", "9007199254740993"].map(
    (size) => [`takes messages of ${size} bytes`, {}, offerLine("max-message-size", size), greet] as const,
  ),
  ["has one stream", { limits: { maxStreams: 1 } }, (sdp) => sdp, greet],
  ["opens channels until none is left", {}, (sdp) => sdp, openAll],
  ["closes the channel at once", {}, (sdp) => sdp, closeAll],
  ["is gone at once", {}, (sdp) => sdp, () => {}],
  ["sends messages of every length", {}, (sdp) => sdp, sendAll],
];

function greet(connection: Connection): void {
  connection.trySend("a greeting of more than ten letters");
}

function openAll(connection: Connection): void {
  for (let i = 0; i < 600; i++) connection.createChannel(`channel ${i}`);
}

function closeAll(connection: Connection): void {
  for (const channel of connection.channels) connection.closeChannel(channel);
}

function sendAll(connection: Connection): void {
  for (const length of [0, 1, 1_000, 65_536]) connection.trySend(new Uint8Array(length));
  connection.trySend("");
}

/** One site whose server is another one each time. */
class Host {
  #opened = new EventLog<Connection>();
  #server: Server | undefined;
  #editAnswer = (sdp: string) => sdp;
  #site: Site | undefined;

  static async start(): Promise<Host> {
    const host = new Host();
    host.#site = await startSite((request) => host.#answer(request));
    opened.push(host);
    return host;
  }

  get url(): string {
    return `${this.#site!.url}/new_rtc_session`;
  }

  /** From now on it is like this; whoever was connected is not any more. */
  async become(options: ListenOptions, editAnswer: (sdp: string) => string): Promise<void> {
    const before = this.#server;
    this.#server = await Server.listen({ address: "127.0.0.1", ...options });
    const log = new EventLog<Connection>();
    this.#server.on("open", (connection) => log.push(connection));
    this.#opened = log;
    this.#editAnswer = editAnswer;
    await before?.close();
  }

  /** The first connection since then. */
  connection(): Promise<Connection> {
    return this.#opened.waitFor(WAIT_MS, "a connection", () => true);
  }

  async close(): Promise<void> {
    await this.#site?.close();
    await this.#server?.close();
  }

  async #answer(request: Request): Promise<Response> {
    const response = await this.#server!.sessionEndpoint.handleRequest(request);
    const body = (await response.json()) as { answer: { sdp: string } };
    body.answer.sdp = this.#editAnswer(body.answer.sdp);
    return Response.json(body);
  }
}

const CLIENTS: Record<string, (host: Host) => Program> = {
  "the README's page": (host) =>
    runReadme('await connect("/new_rtc_session", { reconnect: true })', [["/new_rtc_session", host.url]]),
  "bot.mjs": (host) => run([join("examples", "bot.mjs"), host.url]),
};

test.each(Object.entries(CLIENTS))("%s comes back after every server of the table", async (_, start) => {
  const host = await Host.start();
  await host.become({}, (sdp) => sdp);
  const program = start(host);
  await host.connection();
  for (const [, options, editAnswer, act] of HOSTS) {
    await host.become(options, editAnswer);
    act(await host.connection());
  }
  await host.become({}, (sdp) => sdp);
  (await host.connection()).send("welcome back");
  await program.line(/welcome back/);
});
