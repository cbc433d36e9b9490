import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { nodeListener } from "../node-http.ts";
import { Server } from "../server/server.ts";
import type { ConditionerOptions } from "../runtime/conditioner.ts";
import { traceToFiles } from "../trace/files.ts";
import type { ChooseTrace, TraceSink } from "../trace/sink.ts";
import { DEFAULT_LIMITS, parsePublicAddress } from "../server/options.ts";
import { addressBytes, formatAddress, isIpv6, type SocketAddress } from "../wire/address.ts";
import { CONDITION_FLAGS, parseConditions } from "./conditions.ts";
import { DEMO_PAGE } from "./demo-page.ts";
import { parseFlags, UsageError } from "./usage.ts";

interface Options {
  data: { address?: string; port: number };
  http: { address?: string; port: number };
  public?: string[];
  conditioner?: ConditionerOptions;
  trace?: string;
}

/** A load test comes from one machine. */
const ONE_MACHINE_LIMITS = {
  maxConnectionsPerAddress: DEFAULT_LIMITS.maxConnections,
  maxHandshakesPerAddress: DEFAULT_LIMITS.maxHandshakes,
  maxHandshakesPerSecondPerAddress: DEFAULT_LIMITS.maxHandshakesPerSecond,
};

/** Sends every message back to where it came from, and serves a page that shows it. Runs until it is interrupted. */
export async function echoServer(args: string[]): Promise<void> {
  const options = parseOptions(args);
  const server = await explained(
    `UDP ${describe(options.data)}`,
    Server.listen({
      ...options.data,
      ...(options.public && { publicAddresses: options.public }),
      ...(options.conditioner && { conditioner: options.conditioner }),
      ...(options.trace !== undefined && { trace: firstTo(options.trace) }),
      limits: ONE_MACHINE_LIMITS,
      onMessage: ({ connection, channel, data }) => connection.trySend(data, { channel }),
    }),
  );
  server.on("open", ({ id, remoteAddress }) => console.log(`open   ${id} ${formatAddress(remoteAddress)}`));
  server.on("close", ({ id }, reason) => console.log(`close  ${id} ${reason}`));
  const http = createServer(nodeListener((request) => respond(server, request)));
  try {
    await explained(`TCP ${describe(options.http)}`, listen(http, options.http));
  } catch (error) {
    await server.close();
    throw error;
  }
  announce(server, http);
  await interrupted();
  console.log(`closing ${server.connectionCount} connections`);
  http.close();
  http.closeAllConnections();
  await server.close();
}

/** The first session's trace goes to files, which are made at once: whoever cannot have them wants to know now. */
function firstTo(path: string): ChooseTrace {
  let sink: TraceSink | undefined = openTrace(path);
  return () => {
    const first = sink;
    sink = undefined;
    return first;
  };
}

function openTrace(path: string): TraceSink {
  try {
    return traceToFiles(path);
  } catch (error) {
    throw new UsageError(`--trace ${path}: ${(error as Error).message}`);
  }
}

const FLAGS = {
  data: { type: "string" },
  http: { type: "string" },
  public: { type: "string", multiple: true },
  trace: { type: "string" },
  ...CONDITION_FLAGS,
} as const;

function parseOptions(args: string[]): Options {
  const values = parseFlags(args, FLAGS);
  const conditioner = parseConditions(values);
  const data = parseListenAddress("--data", values.data, 42_424);
  if (data.address !== undefined && addressBytes(data.address) === undefined) {
    throw new UsageError(`--data must have an IP address, not ${JSON.stringify(data.address)}`);
  }
  for (const text of values.public ?? []) checkPublicAddress(text);
  return {
    ...(conditioner && { conditioner }),
    data,
    http: parseListenAddress("--http", values.http, 8_080),
    ...(values.public && { public: values.public }),
    ...(values.trace !== undefined && { trace: values.trace }),
  };
}

function checkPublicAddress(text: string): void {
  try {
    parsePublicAddress(text, 1);
  } catch {
    throw new UsageError(`--public must be an IP address, or one with a port, not ${JSON.stringify(text)}`);
  }
}

function parseListenAddress(flag: string, text: string | undefined, defaultPort: number): Options["data"] {
  if (text === undefined) return { port: defaultPort };
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new UsageError(`${flag} must be ADDR:PORT, not ${JSON.stringify(text)}`);
  const address = match[1] ?? match[2];
  return address === "" ? { port } : { address, port };
}

function describe({ address, port }: Options["data"]): string {
  return address === undefined ? `port ${port}` : formatAddress({ address, port });
}

/** Says what could not be bound, and why, in one sentence. */
async function explained<T>(what: string, bound: Promise<T>): Promise<T> {
  try {
    return await bound;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(message);
    const reasons: Record<string, string> = {
      EADDRINUSE: "it is in use by another program",
      EADDRNOTAVAIL: "this machine has no such address",
      EACCES: "it takes more rights to bind this port",
      EAFNOSUPPORT: "this machine lacks that address family",
      ENOTFOUND: "it is not an IP address",
    };
    throw new Error(`cannot listen on ${what}: ${reasons[code ?? ""] ?? message}`);
  }
}

function listen(http: HttpServer, { address, port }: Options["http"]): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once("error", reject);
    http.listen(port, address, () => {
      http.off("error", reject);
      resolve();
    });
  });
}

function respond(server: Server, request: Request): Response | Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/new_rtc_session") return server.sessionEndpoint.handleRequest(request);
  if (pathname === "/stats") return Response.json({ ...server.stats(), cpuMs: cpuMs() });
  if (pathname !== "/") return new Response("not found\n", { status: 404 });
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("method not allowed\n", { status: 405, headers: { allow: "GET, HEAD" } });
  }
  return new Response(DEMO_PAGE, {
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
  });
}

/** CPU time that this process has used. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function announce(server: Server, http: HttpServer): void {
  const { address, port } = http.address() as AddressInfo;
  const unspecified = address === "::" || address === "0.0.0.0";
  const hosts: SocketAddress[] = unspecified
    ? ["localhost", ...new Set(server.publicAddresses.map((at) => at.address))].map((host) => ({ address: host, port }))
    : [{ address, port }];
  const pages = hosts.filter(({ address }) => address !== "127.0.0.1" && address !== "::1" && !isIpv6(address));
  console.log(
    `echo server: open ${(pages.length > 0 ? pages : hosts).map((at) => `http://${formatAddress(at)}/`).join(" or ")}`,
  );
  console.log(`messages by UDP at ${server.publicAddresses.map(formatAddress).join(", ")}; Ctrl-C ends`);
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
}
