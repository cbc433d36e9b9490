import { createServer, type IncomingMessage, type RequestListener, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { nodeListener } from "../../src/node-http.ts";
import { REQUESTS, sendRequest } from "../hostile/support/requests.ts";
import { uncaughtDuring } from "../support/uncaught.ts";

const opened: HttpServer[] = [];
afterEach(() => {
  for (const http of opened.splice(0)) {
    http.close();
    http.closeAllConnections();
  }
});

async function site(listener: RequestListener): Promise<string> {
  const http = createServer(listener);
  opened.push(http);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
}

const echo = nodeListener(async (request) => new Response(`${request.method} ${await request.text()}`));

describe("a body parser before it", () => {
  async function textOf(incoming: IncomingMessage): Promise<string> {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part);
    return Buffer.concat(parts).toString();
  }
  /** What each leaves in `request.body`. */
  const parsers: [string, (incoming: IncomingMessage) => unknown][] = [
    ["none", () => undefined],
    ["one of text", textOf],
    ["one of bytes", async (incoming) => Buffer.from(await textOf(incoming))],
    ["one of JSON", async (incoming) => JSON.parse(await textOf(incoming))],
    // So Express 4 does where its parser was not for this content type.
    ["one that did not look at it", () => ({})],
  ];

  test.each(parsers)("%s: the body arrives", async (_, parse) => {
    const url = await site(async (incoming, outgoing) => {
      echo(Object.assign(incoming, { body: await parse(incoming) }), outgoing);
    });
    const body = JSON.stringify({ type: "offer", sdp: "grüße" });
    const response = await fetch(url, { method: "POST", body });
    expect(await response.text()).toBe(`POST ${body}`);
  });

  test("one that leaves nothing: the answer says which order works, and the process does not hear of it", async () => {
    const url = await site(async (incoming, outgoing) => {
      await textOf(incoming);
      echo(incoming, outgoing);
    });
    const errors = await uncaughtDuring(async () => {
      const response = await fetch(url, { method: "POST", body: "v=0" });
      expect(response.status).toBe(500);
      expect(await response.text()).toMatch(
        /^The body was read before\. Put nodeListener in front of body parsers, .{0,140}$/m,
      );
    });
    // Whoever posts chooses the content type, and so the parser: no reason to end the process.
    expect(errors).toEqual([]);
  });
});

test.each<[string, (request: Request) => unknown, string]>([
  [
    "throws",
    () => {
      throw new Error("bug in my code");
    },
    "bug in my code",
  ],
  [
    "rejects",
    async () => {
      throw new Error("bug in my code");
    },
    "bug in my code",
  ],
  ["returns nothing", () => undefined, "handle must return a Response"],
  ["returns no Response", () => ({ status: 200 }), "handle must return a Response"],
  [
    "returns a body that fails",
    () => new Response(new ReadableStream({ pull: () => Promise.reject(new Error("my stream")) })),
    "my stream",
  ],
])(
  "a handler that %s: 500 for the client, an uncaught error for the process, and it goes on",
  async (_, handle, message) => {
    let isBroken = true;
    const listener = nodeListener(((request: Request) => (isBroken ? handle(request) : new Response("fine"))) as never);
    const url = await site(listener);
    const errors = await uncaughtDuring(async () => {
      const response = await fetch(url, { method: "POST", body: "v=0" });
      expect(response.status).toBe(500);
      expect(await response.text()).toBe("The server could not answer.\n");
    });
    expect(errors).toEqual([expect.objectContaining({ message })]);
    isBroken = false;
    expect(await (await fetch(url)).text()).toBe("fine");
  },
);

test("a handler that is no function is refused at once", () => {
  expect(() => nodeListener(undefined as never)).toThrow(new TypeError("handle must be a function"));
});

/** None of them guards anything. */
const HANDLERS: [string, (request: Request) => Response | Promise<Response>][] = [
  ["reads the body", async (request) => new Response(await request.text())],
  ["reads it later", async (request) => new Response(await turnsLater(20).then(() => request.text()))],
  ["stops reading it", async (request) => new Response(String(await firstPart(request)))],
  [
    "stops reading it later",
    async (request) => new Response(String(await turnsLater(20).then(() => firstPart(request)))),
  ],
  ["does not look at it", () => new Response("yes")],
];

async function turnsLater(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function firstPart({ body }: Request): Promise<number | undefined> {
  const reader = body?.getReader();
  const part = await reader?.read();
  await reader?.cancel();
  return part?.value?.length;
}

test.each(HANDLERS)(
  "whatever a sender sends, and wherever it leaves: a handler that %s ends nothing",
  async (_, handle) => {
    const url = await site(nodeListener(handle));
    const port = Number(new URL(url).port);
    const errors = await uncaughtDuring(async () => {
      await Promise.all(Object.values(REQUESTS).map((parts) => sendRequest(port, parts)));
      await turnsLater(50);
    });
    expect(errors).toEqual([]);
    expect((await fetch(url, { method: "POST", body: "hello" })).status).toBe(200);
  },
);
