/**
 * Signalling over HTTP in web-standard terms: a `Request` with an SDP offer in, a `Response` with the answer out. The
 * JSON is that of webrtc-unreliable and WebUDP, so pages written for these work unchanged.
 */
import { checkNames, type Names } from "../application/names.ts";
import { ByteWriter } from "../wire/bytes.ts";
import type { DropCounters } from "../wire/drops.ts";
import {
  type Answerer,
  negotiate,
  type RefusalReason,
  type SessionAnswer,
  type SessionRequestContext,
} from "./negotiate.ts";
import { remoteAddressOf } from "./remote-address.ts";
import { MAX_OFFER_CHARACTERS } from "./offer.ts";

export interface SessionEndpointOptions {
  /**
   * Which web origins may ask (CORS): one of them or `"*"` for any, a list, or a function of the `Origin` header.
   * Default `"*"`. A request with another origin gets 403; one without an `Origin` header is no page's and passes.
   */
  readonly allowOrigin?: string | readonly string[] | ((origin: string) => boolean);
  /** Largest body in bytes. Default 65,536. */
  readonly maxOfferBytes?: number;
  /** Where refused offers are counted. Default: nowhere. */
  readonly drops?: DropCounters;
}

export type { SessionRequestContext } from "./negotiate.ts";

const ENDPOINT_OPTIONS: Names<SessionEndpointOptions> = { allowOrigin: true, maxOfferBytes: true, drops: true };
/** The names of a `SessionRequestContext`. */
export const REQUEST_CONTEXT: Names<SessionRequestContext> = {
  userData: true,
  remoteAddress: true,
  session: true,
};

const ALLOWED_METHODS = "POST, OPTIONS";
/** Stands in the query of a session's URL, in front of its name. */
const SESSION_PARAMETER = "rtc-session";
const STATUS_OF: Record<RefusalReason, number> = { limit: 503, gone: 404, forbidden: 403, "too-often": 429 };

/** Answers offers on behalf of an `Answerer`. Has no state of its own. */
export class SessionEndpoint {
  readonly #answerer: Answerer;
  readonly #allowOrigin: string | readonly string[] | ((origin: string) => boolean);
  readonly #maxOfferBytes: number;
  readonly #drops: DropCounters | undefined;

  constructor(answerer: Answerer, options: SessionEndpointOptions = {}) {
    checkNames("options", options, ENDPOINT_OPTIONS, "an option of SessionEndpoint");
    const { allowOrigin = "*", maxOfferBytes = MAX_OFFER_CHARACTERS } = options;
    if (typeof allowOrigin !== "string" && typeof allowOrigin !== "function" && !isStringList(allowOrigin)) {
      throw new TypeError("allowOrigin must be a string, a list of strings or a function");
    }
    if (!Number.isInteger(maxOfferBytes) || maxOfferBytes < 1 || maxOfferBytes > MAX_OFFER_CHARACTERS) {
      throw new RangeError(`maxOfferBytes must be an integer from 1 to ${MAX_OFFER_CHARACTERS}`);
    }
    this.#answerer = answerer;
    this.#allowOrigin = allowOrigin;
    this.#maxOfferBytes = maxOfferBytes;
    this.#drops = options.drops;
  }

  /**
   * Answers `POST` with an SDP offer as the body, raw or as JSON `{"type":"offer","sdp":"…"}`, and the `OPTIONS` of a
   * CORS preflight. Never rejects for what the request contains:
   *
   * - 200 `{"answer":{"type":"answer","sdp":"…"},"candidate":{"candidate":"…","sdpMLineIndex":0,"sdpMid":"0"},"id":"…"}`,
   *   with `"session"`, which names it in further offers, and once more `"sdp":{"answer":…,"candidate":…}`, which is where naia's pages look
   * - the same at the session's URL, which the `Location` header has: the `POST` of a further offer, as a page makes it to restart ICE
   *   or after it has added a track. The connection is kept. 404 where it is gone, 403 for an offer with another certificate, 429 where
   *   offers come too often
   * - 400 for a malformed offer, 413 for a body over the limit, 403 for an origin that is not allowed, 405 for another
   *   method, 503 where a limit of the server is reached; each with one sentence as text, and nothing is kept.
   *
   * Throws `TypeError` where the body was already read by somebody else.
   *
   * Pass `remoteAddress` where you know the client's address: then one that signals without end takes no places from others.
   * `nodeListener` passes that of the socket, unless the context says otherwise.
   *
   * @example
   * app.post("/new_rtc_session", (c) => server.sessionEndpoint.handleRequest(c.req.raw, { userData: { player: 7 } }));
   */
  async handleRequest(request: Request, context: SessionRequestContext = {}): Promise<Response> {
    if (typeof request?.headers?.get !== "function") {
      throw new TypeError(
        "request must be a web-standard Request; with node:http use nodeListener of webrtc-datagram/node-http",
      );
    }
    checkNames("options", context, REQUEST_CONTEXT, "an option of handleRequest");
    const origin = request.headers.get("origin");
    if (origin !== null && !this.#isAllowed(origin)) return sentence(403, `The origin ${origin} is not allowed.`);
    const headers = this.#corsHeaders(origin);
    switch (request.method) {
      case "POST":
        return await this.#answer(request, context, headers);
      case "OPTIONS":
        return preflight(request, headers);
      default:
        headers.set("allow", ALLOWED_METHODS);
        return sentence(405, "Only POST, with an SDP offer as the body, is answered here.", headers);
    }
  }

  async #answer(request: Request, context: SessionRequestContext, headers: Headers): Promise<Response> {
    if (request.bodyUsed) throw new TypeError("request: its body was already read");
    const body = await readBody(request, this.#maxOfferBytes);
    if (body === "too-large") {
      this.#drops?.count("offer-too-large");
      return sentence(413, `The body is over ${this.#maxOfferBytes} bytes.`, headers);
    }
    if (body === "unreadable") return sentence(400, "The body could not be read to its end.", headers);
    const offerSdp = offerOf(body);
    if (offerSdp === undefined) {
      this.#drops?.count("offer-malformed");
      return sentence(400, NO_OFFER, headers);
    }
    const { searchParams } = new URL(request.url);
    const negotiated = negotiate(offerSdp, this.#answerer, {
      remoteAddress: remoteAddressOf(request),
      session: searchParams.get(SESSION_PARAMETER) ?? undefined,
      ...context,
    });
    switch (negotiated.kind) {
      case "malformed":
        this.#drops?.count("offer-malformed");
        return sentence(400, negotiated.error, headers);
      case "refused":
        if (negotiated.why === "limit" || negotiated.why === "too-often") headers.set("retry-after", "1");
        return sentence(STATUS_OF[negotiated.why], negotiated.error, headers);
      case "answered":
        headers.set("content-type", "application/json");
        headers.set("cache-control", "no-store");
        if (negotiated.session.session !== undefined) {
          // RFC 9725 §4.2: WHIP names the session so, too. Relative, because a proxy may have another path than we see.
          searchParams.set(SESSION_PARAMETER, negotiated.session.session);
          headers.set("location", `?${searchParams}`);
        }
        return new Response(answerJson(negotiated.session), { headers });
    }
  }

  #isAllowed(origin: string): boolean {
    const allow = this.#allowOrigin;
    if (typeof allow === "function") return allow(origin);
    return typeof allow === "string" ? allow === "*" || allow === origin : allow.includes(origin);
  }

  #corsHeaders(origin: string | null): Headers {
    const headers = new Headers();
    if (this.#allowOrigin === "*") headers.set("access-control-allow-origin", "*");
    else {
      // What is allowed depends on who asks: caches must know (Fetch standard, "CORS protocol and HTTP caches").
      headers.set("vary", "Origin");
      if (origin !== null) headers.set("access-control-allow-origin", origin);
    }
    headers.set("access-control-expose-headers", "location");
    return headers;
  }
}

const NO_OFFER = 'The body must be an SDP offer in UTF-8, raw or as JSON {"type":"offer","sdp":"…"}.';
const PREFLIGHT_SECONDS = 7_200;
/** Browsers' offers are about 500 bytes, less than that with a few candidates beside. */
const TYPICAL_OFFER_BYTES = 2_048;

function preflight(request: Request, headers: Headers): Response {
  headers.set("allow", ALLOWED_METHODS);
  headers.set("access-control-allow-methods", "POST");
  headers.set("access-control-max-age", String(PREFLIGHT_SECONDS));
  // Applications authenticate by headers of their own choice: no list of ours could name them.
  const wanted = request.headers.get("access-control-request-headers");
  if (wanted !== null) headers.set("access-control-allow-headers", wanted);
  return new Response(null, { status: 204, headers });
}

/** The body's bytes, never more than `limit` of them in memory, whatever its Content-Length says. */
async function readBody(request: Request, limit: number): Promise<Uint8Array | "too-large" | "unreadable"> {
  if (Number(request.headers.get("content-length")) > limit) return "too-large";
  if (request.body === null) return new Uint8Array(0);
  // Grows with what comes: many slow senders must not hold a whole limit each.
  const body = new ByteWriter(TYPICAL_OFFER_BYTES);
  try {
    const reader = request.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return body.finish();
      if (body.length + value.length > limit) {
        reader.cancel().catch(() => {}); // Whatever becomes of the rest: the answer does not wait for it.
        return "too-large";
      }
      body.bytes(value);
    }
  } catch {
    return "unreadable"; // The sender went away in the middle.
  }
}

function offerOf(body: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    if (!/^\s*\{/.test(text)) return text.trimStart();
    const { type, sdp } = JSON.parse(text) as { type?: unknown; sdp?: unknown };
    return type === "offer" && typeof sdp === "string" ? sdp : undefined;
  } catch {
    return undefined; // Not UTF-8, or not JSON.
  }
}

/** Both forms that pages in use read: webrtc-unreliable's, and naia's, which has the same in a member `sdp`. */
function answerJson(session: SessionAnswer): string {
  const { answer, candidate } = session;
  return JSON.stringify({ ...session, sdp: { answer, candidate } });
}

function sentence(status: number, text: string, headers = new Headers()): Response {
  headers.set("content-type", "text/plain; charset=utf-8");
  return new Response(text, { status, headers });
}

function isStringList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}
