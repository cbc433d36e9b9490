import assert from "node:assert/strict";
import type { Answerer } from "../../../src/signalling/negotiate.ts";
import { SessionEndpoint } from "../../../src/signalling/session-endpoint.ts";
import { offerFixture } from "../../unit/signalling/offers.ts";
import { bytesOf, type CoverageTarget } from "./target.ts";

const METHODS = ["POST", "POST", "POST", "POST", "OPTIONS", "GET", "PUT"];
const chromium = offerFixture("chromium");
const ALLOWED_ORIGIN = "https://game.example";

/** The HTTP endpoint. The first byte says the method and whether an origin is named; the rest is the body. */
export function sessionTarget(): CoverageTarget {
  let sessions = 0;
  const answerer: Answerer = {
    createSession() {
      sessions++;
      return {
        ufrag: "localufr",
        pwd: "p".repeat(24),
        fingerprint: new Uint8Array(32),
        candidates: [{ address: "203.0.113.7", port: 42424 }],
        maxMessageBytes: 1,
      };
    },
  };
  const endpoint = new SessionEndpoint(answerer, { allowOrigin: [ALLOWED_ORIGIN], maxOfferBytes: 4_000 });
  return {
    name: "session",
    covers: ["signalling/session-endpoint.ts", "signalling/negotiate.ts"],
    seeds: [
      bytesOf(`\0${chromium}`),
      bytesOf(`\0${JSON.stringify({ type: "offer", sdp: chromium })}`),
      bytesOf("\x04"),
      bytesOf("\x05"),
      bytesOf(`\x08${chromium}`),
      bytesOf(`\x10${chromium}`),
    ],
    async run(input) {
      const selector = input[0] ?? 0;
      const method = METHODS[(selector & 7) % METHODS.length];
      const headers = new Headers({ "content-type": "application/sdp" });
      if (selector & 8) headers.set("origin", ALLOWED_ORIGIN);
      if (selector & 16) headers.set("origin", "https://elsewhere.example");
      const body = method === "POST" || method === "PUT" ? input.slice(1) : null;
      const before = sessions;
      const response = await endpoint.handleRequest(new Request(ALLOWED_ORIGIN, { method, headers, body }));
      assert([200, 204, 400, 403, 405, 413].includes(response.status), `status ${response.status}`);
      assert.equal(sessions - before, response.status === 200 ? 1 : 0, "a session without an answer, or none with one");
      await response.text();
    },
  };
}
