/**
 * Between `node:http` and the web-standard `Request` and `Response` that signalling speaks, for servers that are not built
 * on a framework which does this itself.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";

/**
 * A `node:http` listener out of a function from `Request` to `Response`.
 *
 * @example
 * http.createServer(nodeListener((request) => server.sessionEndpoint.handleRequest(request))).listen(8080);
 */
export function nodeListener(handle: (request: Request) => Response | Promise<Response>): RequestListener {
  return (incoming, outgoing) => {
    answer(incoming, outgoing, handle).catch(() => outgoing.destroy());
  };
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handle: (request: Request) => Response | Promise<Response>,
): Promise<void> {
  const request = toRequest(incoming);
  const response = request === undefined ? new Response("malformed request\n", { status: 400 }) : await handle(request);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(new Uint8Array(await response.arrayBuffer()));
}

/** The request as the web knows it; `undefined` where its host, path or method are none. */
function toRequest(incoming: IncomingMessage): Request | undefined {
  try {
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers)) {
      if (value !== undefined && !name.startsWith(":")) headers.set(name, String(value));
    }
    const url = new URL(incoming.url ?? "/", `http://${incoming.headers.host ?? "localhost"}`);
    const method = incoming.method ?? "GET";
    if (method === "GET" || method === "HEAD") return new Request(url, { method, headers });
    const body = Readable.toWeb(incoming) as ReadableStream<Uint8Array>;
    return new Request(url, { method, headers, body, duplex: "half" } as RequestInit);
  } catch {
    return undefined;
  }
}
