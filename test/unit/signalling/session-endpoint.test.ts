import { describe, expect, test } from "vitest";
import type { Answerer, SessionRequestContext } from "../../../src/signalling/negotiate.ts";
import type { Offer } from "../../../src/signalling/offer.ts";
import { noteRemoteAddress } from "../../../src/signalling/remote-address.ts";
import { SessionEndpoint, type SessionEndpointOptions } from "../../../src/signalling/session-endpoint.ts";
import { offerFixture } from "./offers.ts";

const URL_TEXT = "http://game.example/new_rtc_session";
const chromium = offerFixture("chromium");

/** Admits everybody, or refuses with the sentence given, and remembers who was admitted. */
class RecordingAnswerer implements Answerer {
  readonly sessions: ({ offer: Offer } & SessionRequestContext)[] = [];
  refused: string | undefined;

  createSession(offer: Offer, context: SessionRequestContext): ReturnType<Answerer["createSession"]> {
    if (this.refused !== undefined) return { refused: this.refused };
    this.sessions.push({ offer, ...context });
    return {
      ufrag: "local+/1",
      pwd: "abcdefghijklmnopqrstuvwx",
      fingerprint: new Uint8Array(32),
      candidates: [{ address: "203.0.113.7", port: 42424 }],
      maxMessageBytes: 65_536,
    };
  }
}

function setUp(options?: SessionEndpointOptions) {
  const answerer = new RecordingAnswerer();
  const endpoint = new SessionEndpoint(answerer, options);
  const post = (body: BodyInit | null, headers: Record<string, string> = {}) =>
    endpoint.handleRequest(new Request(URL_TEXT, { method: "POST", body, headers }));
  return { answerer, endpoint, post };
}

/** A body of `chunks` pieces, which counts what was taken of it. */
function streamed(chunks: number, chunkBytes: number): { body: ReadableStream<Uint8Array>; pulled: () => number } {
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (pulled === chunks) return controller.close();
        pulled++;
        controller.enqueue(new Uint8Array(chunkBytes).fill(0x61));
      },
    },
    { highWaterMark: 0 },
  );
  return { body, pulled: () => pulled };
}

test("a raw SDP offer is answered in the JSON form that webrtc-unreliable's pages read", async () => {
  const { answerer, post } = setUp();
  const response = await post(chromium);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  const { sdp: _, ...body } = await response.json();
  expect(body).toEqual({
    answer: { type: "answer", sdp: expect.stringMatching(/^v=0\r\n[\s\S]*a=setup:passive\r\n/) },
    candidate: {
      candidate: "candidate:1 1 udp 2130706431 203.0.113.7 42424 typ host",
      sdpMLineIndex: 0,
      sdpMid: "0",
    },
  });
  expect(body.answer.sdp).toContain(`a=${body.candidate.candidate}\r\n`);
  expect(answerer.sessions).toHaveLength(1);
  expect(answerer.sessions[0].offer.ufrag).toBe("5qfx");
});

test("the same answer stands where naia's pages look for it", async () => {
  const { post } = setUp();
  const { answer, candidate, sdp } = await (await post(chromium)).json();
  expect(sdp).toEqual({ answer, candidate });
});

test("the offer may come as the JSON of an RTCSessionDescription", async () => {
  const { answerer, post } = setUp();
  const response = await post(` ${JSON.stringify({ type: "offer", sdp: chromium, more: 1 })}`);
  expect(response.status).toBe(200);
  expect(answerer.sessions).toHaveLength(1);
});

test("the candidate points at the data channel's section", async () => {
  const { post } = setUp();
  const { candidate } = await (await post(offerFixture("chromium-with-media"))).json();
  expect(candidate).toMatchObject({ sdpMLineIndex: 2, sdpMid: "2" });
});

test("the client's address reaches the session, that of the socket unless the application knows better", async () => {
  const { answerer, endpoint } = setUp();
  const addressed = (context?: SessionRequestContext) => {
    const request = new Request(URL_TEXT, { method: "POST", body: chromium });
    noteRemoteAddress(request, "192.0.2.7");
    return endpoint.handleRequest(request, context);
  };
  await addressed();
  await addressed({ userData: 1 });
  await addressed({ remoteAddress: "203.0.113.1" });
  await addressed({ remoteAddress: null });
  await endpoint.handleRequest(new Request(URL_TEXT, { method: "POST", body: chromium }));
  expect(answerer.sessions.map(({ remoteAddress }) => remoteAddress)).toEqual([
    "192.0.2.7",
    "192.0.2.7",
    "203.0.113.1",
    null,
    undefined,
  ]);
});

test("userData reaches the session", async () => {
  const { answerer, endpoint } = setUp();
  const userData = { player: 7 };
  await endpoint.handleRequest(new Request(URL_TEXT, { method: "POST", body: chromium }), { userData });
  expect(answerer.sessions[0].userData).toBe(userData);
});

test("a malformed offer gets 400, one sentence, and no session", async () => {
  const { answerer, post } = setUp();
  const bodies = [
    "",
    "hello",
    "{",
    "{}",
    "null",
    '{"type":"answer","sdp":"v=0"}',
    '{"type":"offer","sdp":7}',
    "v=0\r\n",
  ];
  for (const body of [...bodies, null, Uint8Array.of(0xff, 0xfe, 0)]) {
    const response = await post(body);
    expect(response.status, String(body)).toBe(400);
    expect(await response.text(), String(body)).toMatch(/^[A-Z].*\.$/);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
  }
  expect(answerer.sessions).toEqual([]);
});

test("a full server answers 503 with its sentence and a time to try again", async () => {
  const { answerer, post } = setUp();
  answerer.refused = "4096 sessions are pending already.";
  const response = await post(chromium);
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
  expect(await response.text()).toBe("4096 sessions are pending already.");
});

test("a body over the limit gets 413", async () => {
  const { answerer, post } = setUp();
  expect((await post(chromium.padEnd(65_537, "\n"))).status).toBe(413);
  expect((await post(chromium + "\r\n".repeat(40_000))).status).toBe(413);
  expect(answerer.sessions).toEqual([]);
});

test("a body of exactly the limit is read", async () => {
  const { post } = setUp({ maxOfferBytes: chromium.length });
  expect((await post(chromium)).status).toBe(200);
  expect((await post(`${chromium}\n`)).status).toBe(413);
});

test("an endless body is cut off at the limit, whatever its Content-Length says", async () => {
  const { endpoint } = setUp();
  const { body, pulled } = streamed(1_000_000, 1_000);
  const request = new Request(URL_TEXT, {
    method: "POST",
    body,
    headers: { "content-length": "10" },
    duplex: "half",
  } as RequestInit);
  expect((await endpoint.handleRequest(request)).status).toBe(413);
  expect(pulled()).toBe(66);
});

test("a Content-Length over the limit is refused unread", async () => {
  const { endpoint } = setUp();
  const { body, pulled } = streamed(1, 10);
  const headers = { "content-length": "65537" };
  const request = new Request(URL_TEXT, { method: "POST", body, headers, duplex: "half" } as RequestInit);
  expect((await endpoint.handleRequest(request)).status).toBe(413);
  expect(pulled()).toBe(0);
});

test("a body that breaks off gets 400", async () => {
  const { endpoint } = setUp();
  const body = new ReadableStream({
    pull(controller) {
      controller.error(new Error("connection reset"));
    },
  });
  const request = new Request(URL_TEXT, { method: "POST", body, duplex: "half" } as RequestInit);
  expect((await endpoint.handleRequest(request)).status).toBe(400);
});

test("an offer in many small pieces is put together", async () => {
  const { endpoint } = setUp();
  const pieces = chromium.match(/[\s\S]{1,7}/g)!;
  const body = new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(piece));
    },
  });
  const request = new Request(URL_TEXT, { method: "POST", body, duplex: "half" } as RequestInit);
  expect((await endpoint.handleRequest(request)).status).toBe(200);
});

test("another method gets 405 and is told the right ones", async () => {
  const { endpoint } = setUp();
  for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
    const response = await endpoint.handleRequest(new Request(URL_TEXT, { method }));
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST, OPTIONS");
  }
});

test("a preflight is answered, with the headers the page wants to send", async () => {
  const { endpoint } = setUp();
  const headers = {
    origin: "https://game.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,x-player",
  };
  const response = await endpoint.handleRequest(new Request(URL_TEXT, { method: "OPTIONS", headers }));
  expect(response.status).toBe(204);
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  expect(response.headers.get("access-control-allow-methods")).toBe("POST");
  expect(response.headers.get("access-control-allow-headers")).toBe("authorization,x-player");
});

test("a list or a function says which origins may ask; others get 403 and no session", async () => {
  const allowed = "https://game.example";
  for (const allowOrigin of [allowed, [allowed], (origin: string) => origin === allowed]) {
    const { answerer, post } = setUp({ allowOrigin });
    const good = await post(chromium, { origin: allowed });
    expect(good.status).toBe(200);
    expect(good.headers.get("access-control-allow-origin")).toBe(allowed);
    expect(good.headers.get("vary")).toBe("Origin");
    const bad = await post(chromium, { origin: "https://evil.example" });
    expect(bad.status).toBe(403);
    expect(bad.headers.get("access-control-allow-origin")).toBeNull();
    expect((await post(chromium)).status).toBe(200);
    expect(answerer.sessions).toHaveLength(2);
  }
});

test("a body that was read already is the caller's mistake", async () => {
  const { endpoint } = setUp();
  const request = new Request(URL_TEXT, { method: "POST", body: chromium });
  await request.text();
  await expect(endpoint.handleRequest(request)).rejects.toThrow(TypeError);
});

test("wrong options are refused by name", () => {
  const answerer = new RecordingAnswerer();
  expect(() => new SessionEndpoint(answerer, { allowOrigin: 7 as never })).toThrow(/allowOrigin/);
  expect(() => new SessionEndpoint(answerer, { allowOrigin: [7] as never })).toThrow(/allowOrigin/);
  for (const maxOfferBytes of [0, -1, 1.5, 65_537, Number.NaN]) {
    expect(() => new SessionEndpoint(answerer, { maxOfferBytes })).toThrow(/maxOfferBytes/);
  }
});

describe("the URL of a session", () => {
  const named: Answerer = {
    createSession: () => ({
      ufrag: "local+/1",
      pwd: "abcdefghijklmnopqrstuvwx",
      fingerprint: new Uint8Array(32),
      candidates: [],
      maxMessageBytes: 65_536,
      session: "a-name_1",
    }),
  };

  async function locationOf(url: string): Promise<string> {
    const response = await new SessionEndpoint(named).handleRequest(
      new Request(url, { method: "POST", body: chromium }),
    );
    expect(response.headers.get("access-control-expose-headers")).toBe("location");
    expect(await response.json()).toMatchObject({ session: "a-name_1" });
    return new URL(response.headers.get("location")!, url).href;
  }

  test("is in the Location header, and in the JSON its name; what else the query says stays", async () => {
    expect(await locationOf(URL_TEXT)).toBe(`${URL_TEXT}?rtc-session=a-name_1`);
    expect(await locationOf(`${URL_TEXT}?room=5%266`)).toBe(`${URL_TEXT}?room=5%266&rtc-session=a-name_1`);
    // The answer to a further offer has it as well.
    expect(await locationOf(`${URL_TEXT}?rtc-session=a-name_1`)).toBe(`${URL_TEXT}?rtc-session=a-name_1`);
  });

  test("names the session of an offer that is sent there", async () => {
    const { answerer, endpoint } = setUp();
    const body = { method: "POST", body: chromium };
    await endpoint.handleRequest(new Request(`${URL_TEXT}?rtc-session=a-name_1`, body));
    await endpoint.handleRequest(new Request(`${URL_TEXT}?session=another`, body));
    expect(answerer.sessions.map(({ session }) => session)).toEqual(["a-name_1", undefined]);
  });

  test.each([
    ["gone", 404, null],
    ["forbidden", 403, null],
    ["too-often", 429, "1"],
    ["limit", 503, "1"],
  ] as const)("answers an offer that is refused (%s) with %i", async (why, status, retryAfter) => {
    const refusing = new SessionEndpoint({ createSession: () => ({ refused: "A sentence.", why }) });
    const request = new Request(`${URL_TEXT}?rtc-session=x`, { method: "POST", body: chromium });
    const response = await refusing.handleRequest(request);
    expect([response.status, response.headers.get("retry-after")]).toEqual([status, retryAfter]);
    expect(await response.text()).toBe("A sentence.");
  });
});
