import fc from "fast-check";
import { expect, test } from "vitest";
import type { Answerer } from "../../src/signalling/negotiate.ts";
import { SessionEndpoint } from "../../src/signalling/session-endpoint.ts";
import { offerFixture } from "../unit/signalling/offers.ts";

const chromium = offerFixture("chromium");
const URL_TEXT = "http://game.example/new_rtc_session";

function setUp() {
  let sessions = 0;
  const answerer: Answerer = {
    createSession() {
      sessions++;
      const candidates = [{ address: "203.0.113.7", port: 42424 }];
      return {
        ufrag: "localufr",
        pwd: "p".repeat(24),
        fingerprint: new Uint8Array(32),
        candidates,
        maxMessageBytes: 1,
      };
    },
  };
  const endpoint = new SessionEndpoint(answerer);
  return {
    post: (body: BodyInit | null) => endpoint.handleRequest(new Request(URL_TEXT, { method: "POST", body })),
    handle: (request: Request) => endpoint.handleRequest(request),
    sessions: () => sessions,
  };
}

test("JSON of every wrong shape gets 400 and no session", async () => {
  const { post, sessions } = setUp();
  const shapes = [
    "{",
    "{}",
    '{"type":"offer"}',
    '{"sdp":"v=0"}',
    '{"type":"offer","sdp":null}',
    '{"type":"offer","sdp":["v=0"]}',
    '{"type":["offer"],"sdp":"v=0"}',
    `{"type":"answer","sdp":${JSON.stringify(chromium)}}`,
    `{"type":"offer","sdp":${JSON.stringify(chromium)}`,
    `[${JSON.stringify({ type: "offer", sdp: chromium })}]`,
    `{"__proto__":{"type":"offer","sdp":${JSON.stringify(chromium)}}}`,
    `${"[".repeat(30_000)}${"]".repeat(30_000)}`,
    `{"a":${"[".repeat(30_000)}${"]".repeat(30_000)}}`,
    `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`,
  ];
  for (const shape of shapes) {
    const response = await post(shape);
    expect(response.status, shape.slice(0, 40)).toBe(400);
    expect(await response.text()).toMatch(/^The .*\.$/);
  }
  expect(sessions()).toBe(0);
});

test("bytes that are not UTF-8 get 400", async () => {
  const { post, sessions } = setUp();
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
    const body = new Uint8Array([...new TextEncoder().encode(chromium), ...bytes]);
    expect((await post(body)).status).toBe(400);
  }
  expect(sessions()).toBe(0);
});

test("any body gets 200, 400 or 413, and a session only with 200", async () => {
  const { post, sessions } = setUp();
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 400 }).map((bytes) => bytes as BodyInit),
    fc.string({ unit: "binary", maxLength: 400 }),
    fc.json(),
    fc.json().map((json) => `{"type":"offer","sdp":${json}}`),
    fc.nat(chromium.length).map((length) => chromium.slice(0, length)),
  );
  await fc.assert(
    fc.asyncProperty(body, async (any) => {
      const before = sessions();
      const { status } = await post(any);
      expect([200, 400, 413]).toContain(status);
      expect(sessions() - before).toBe(status === 200 ? 1 : 0);
    }),
    { numRuns: 3_000, seed: 1 },
  );
});

test("headers of any value change nothing", async () => {
  const { handle } = setUp();
  const value = fc.string({ unit: fc.constantFrom(..."0123456789-,;*/= aZ\t"), maxLength: 40 });
  const name = fc.constantFrom("content-length", "content-type", "origin", "access-control-request-headers", "accept");
  await fc.assert(
    fc.asyncProperty(name, value, fc.constantFrom("POST", "OPTIONS", "GET", "PATCH"), async (header, text, method) => {
      const body = method === "POST" || method === "PATCH" ? chromium : null;
      const request = new Request(URL_TEXT, { method, body, headers: { [header]: text } });
      const response = await handle(request);
      expect([200, 204, 405, 413]).toContain(response.status);
    }),
    { numRuns: 3_000, seed: 2 },
  );
});
