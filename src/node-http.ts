/**
 * Between `node:http` and the web-standard `Request` and `Response` that signalling speaks, for servers that are not built
 * on a framework which does this itself.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { surface } from "./application/user-code.ts";
import { noteRemoteAddress } from "./signalling/remote-address.ts";

/**
 * A `node:http` listener out of a function from `Request` to `Response`; also a handler for Express and the like. What the function
 * throws surfaces as an uncaught error, and the client gets 500; but not where the sender went away before the end of the body.
 *
 * A body parser that runs before it, such as `express.json()`, is fine where it leaves the body in `request.body`: as text, as bytes,
 * or as the object that was JSON. One that reads the body and leaves nothing has to come after it.
 *
 * @example
 * http.createServer(nodeListener((request) => server.sessionEndpoint.handleRequest(request))).listen(8080);
 */
export function nodeListener(handle: (request: Request) => Response | Promise<Response>): RequestListener {
  if (typeof handle !== "function") throw new TypeError("handle must be a function");
  return (incoming, outgoing) => {
    answer(incoming, outgoing, handle).catch((error) => {
      fail(outgoing);
      // A handler that reads the body itself rejects where the sender leaves: that must not end the process.
      if (!(error instanceof SenderGone)) surface(error);
    });
  };
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handle: (request: Request) => Response | Promise<Response>,
): Promise<void> {
  const request = toRequest(incoming);
  const { remoteAddress } = incoming.socket;
  if (request instanceof Request && remoteAddress !== undefined) noteRemoteAddress(request, remoteAddress);
  const response = request instanceof Request ? await handle(request) : request;
  if (!(response instanceof Response)) throw new TypeError("handle must return a Response");
  const body = new Uint8Array(await response.arrayBuffer());
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(body);
}

/** The application's function has thrown; it may have begun to answer by itself. */
function fail(outgoing: ServerResponse): void {
  if (outgoing.headersSent) {
    outgoing.destroy();
    return;
  }
  outgoing.writeHead(500, { "content-type": "text/plain; charset=utf-8" });
  outgoing.end("The server could not answer.\n");
}

/** Clients show the first 200 characters. */
const ALREADY_READ =
  "The body was read before. Put nodeListener in front of body parsers, or behind those that keep the body in request.body: " +
  "express.json(), express.text({ type: () => true }).\n";

/** The request as the web knows it, or the answer where its host, path or method are none, or its body is gone. */
function toRequest(incoming: IncomingMessage): Request | Response {
  try {
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers)) {
      if (value !== undefined && !name.startsWith(":")) headers.set(name, String(value));
    }
    const url = new URL(incoming.url ?? "/", `http://${incoming.headers.host ?? "localhost"}`);
    const method = incoming.method ?? "GET";
    if (method === "GET" || method === "HEAD") return new Request(url, { method, headers });
    if (!incoming.readableDidRead) {
      return new Request(url, { method, headers, body: bodyOf(incoming), duplex: "half" } as RequestInit);
    }
    const body = parsedBody(incoming);
    if (body === undefined) return new Response(ALREADY_READ, { status: 500 });
    headers.delete("content-length"); // It was that of the body as it came: encoded, perhaps, or with other spaces.
    return new Request(url, { method, headers, body });
  } catch {
    return new Response("malformed request\n", { status: 400 });
  }
}

/** What a body parser has left where Express and all who follow it leave it. */
function parsedBody(incoming: IncomingMessage): string | Uint8Array<ArrayBuffer> | undefined {
  const { body } = incoming as { body?: unknown };
  if (typeof body === "string") return body;
  if (body instanceof Uint8Array) return new Uint8Array(body);
  return typeof body === "object" && body !== null ? JSON.stringify(body) : undefined;
}

/** Why a body could not be read to its end. Nobody is left to answer, and no bug of the application's is behind it. */
class SenderGone extends Error {
  override readonly name = "SenderGone";
}

/**
 * The body, read as it is asked for. `Readable.toWeb` would not do: in Node 22 and 24 it throws where more of the body comes after
 * the stream was cancelled, and nobody can catch that.
 */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let isOver = false;
  const once = (end: () => void) => () => {
    if (!isOver) end();
    isOver = true;
  };
  incoming.pause();
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        incoming.on("data", (chunk: Uint8Array) => {
          if (isOver) return;
          controller.enqueue(chunk);
          incoming.pause();
        });
        const end = once(() => controller.close());
        const fail = once(() => controller.error(new SenderGone("the sender went away before the end of the body")));
        incoming.on("end", end).on("error", fail).on("close", fail);
      },
      pull() {
        incoming.resume();
      },
      cancel: once(() => incoming.resume()), // The rest is thrown away, so that the sender hears the answer.
    },
    { highWaterMark: 0 },
  );
}
