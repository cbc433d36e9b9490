/** The web side of a test: serves the pages of `test/support/page` and hands offers to the server under test. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { nodeListener } from "../../src/node-http.ts";
import { ROOT } from "./commands.ts";

export type RequestHandler = (request: Request) => Response | Promise<Response>;

export interface Site {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  close(): Promise<void>;
}

const PAGES = join(ROOT, "test", "support", "page");
const TYPES: Readonly<Record<string, string>> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript" };

/** Starts on a free port of 127.0.0.1. `/` is index.html; /new_rtc_session goes to `signalling`. */
export async function startSite(signalling: RequestHandler): Promise<Site> {
  const http = createServer(
    nodeListener((request) => {
      const { pathname } = new URL(request.url);
      return pathname === "/new_rtc_session" ? signalling(request) : pageAt(pathname);
    }),
  );
  await new Promise<void>((resolve, reject) => http.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
}

async function pageAt(pathname: string): Promise<Response> {
  const name = pathname === "/" ? "index.html" : pathname.slice(1);
  const type = TYPES[extname(name)];
  if (type === undefined || name.includes("/")) return new Response("not found", { status: 404 });
  return new Response(await readFile(join(PAGES, name)), { headers: { "content-type": type } });
}
