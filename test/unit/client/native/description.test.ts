import { describe, expect, test } from "vitest";
import { readAnswer, writeOffer } from "../../../../src/client/native/description.ts";
import { DEFAULT_ASSOCIATION_LIMITS } from "../../../../src/limits.ts";
import { createSignalledInit, writeSignalledInit } from "../../../../src/sctp/snap.ts";
import { fromBase64, toBase64 } from "../../../../src/wire/bytes.ts";
import type { ServerDescription } from "../../../../src/core/client-connection.ts";
import { negotiate } from "../../../../src/signalling/negotiate.ts";
import { parseOffer } from "../../../../src/signalling/offer.ts";

const fingerprint = Uint8Array.from({ length: 32 }, (_, i) => 7 * i);
const OFFER = writeOffer(
  { credentials: { ufrag: "cl+/ent1", pwd: "c".repeat(24) }, fingerprint, maxMessageBytes: 1_000 },
  "42",
);
const SERVER: ServerDescription = {
  ufrag: "serv+/er",
  pwd: "s".repeat(24),
  fingerprint,
  sctpPort: 5000,
  maxMessageBytes: 2_000,
  candidates: [
    { address: "192.0.2.1", port: 42424 },
    { address: "2001:db8::1", port: 42424 },
  ],
};

function bodyOf({ sctpInit, ...server }: ServerDescription): string {
  const parts = { ...server, ...(sctpInit && { sctpInit: toBase64(sctpInit) }) };
  const negotiated = negotiate(OFFER, { createSession: () => parts }, {});
  if (negotiated.kind !== "answered") throw new Error(negotiated.kind);
  return JSON.stringify(negotiated.session);
}

/** The server's answer with lines changed. */
function changed(from: RegExp | string, to: string): string {
  const session = JSON.parse(bodyOf(SERVER));
  session.answer.sdp = session.answer.sdp.replace(from, to);
  return JSON.stringify(session);
}

test("our server reads our offer as it was meant", () => {
  const parsed = parseOffer(OFFER);
  expect(parsed).toMatchObject({
    ok: true,
    offer: {
      ufrag: "cl+/ent1",
      pwd: "c".repeat(24),
      fingerprint,
      sctpPort: 5000,
      maxMessageBytes: 1_000,
      bundled: true,
    },
  });
});

test("an SCTP INIT goes both ways as it is", () => {
  const init = createSignalledInit(() => Uint8Array.of(1, 2, 3, 4));
  const chunk = writeSignalledInit(init, DEFAULT_ASSOCIATION_LIMITS);
  const credentials = { ufrag: "cl+/ent1", pwd: "c".repeat(24) };
  const offer = parseOffer(writeOffer({ credentials, fingerprint, maxMessageBytes: 1_000, sctpInit: chunk }, "42"));
  expect(offer.ok && fromBase64(offer.offer.sctpInit ?? "")).toEqual(chunk);
  expect(readAnswer(bodyOf({ ...SERVER, sctpInit: chunk }))).toEqual({ ...SERVER, sctpInit: chunk });
});

test("an answer whose SCTP INIT cannot be read is refused: its server would not shake hands", () => {
  for (const text of ["AQAA", "%%%", toBase64(new Uint8Array(30))]) {
    const body = changed("a=setup:passive", `a=setup:passive\r\na=sctp-init:${text}`);
    expect(readAnswer(body)).toBe("The answer's a=sctp-init is no INIT chunk in base64.");
  }
});

describe("readAnswer", () => {
  test("an active server makes us the server of DTLS", () => {
    const answer = (setup: string) => readAnswer(changed("passive", setup));
    expect(answer("active")).toMatchObject({ dtlsRole: "server" });
    expect(answer("passive")).not.toHaveProperty("dtlsRole");
  });

  test("reads our server's answer as it was meant", () => {
    expect(readAnswer(bodyOf(SERVER))).toEqual(SERVER);
  });

  test("takes a candidate that stands beside the answer only, as webrtc-unreliable's", () => {
    const session = JSON.parse(changed(/a=candidate:.*\r\n/g, ""));
    expect(readAnswer(JSON.stringify(session))).toMatchObject({ candidates: [SERVER.candidates[0]] });
    session.candidate.candidate = "candidate:1 1 UDP 1755993416 127.0.0.1 42424 typ host";
    expect(readAnswer(JSON.stringify(session))).toMatchObject({
      candidates: [{ address: "127.0.0.1", port: 42424 }],
    });
  });

  test("prefers candidates by their priority and leaves out names, TCP and other components", () => {
    const lines = [
      "a=candidate:1 1 udp 1 192.0.2.9 9 typ host",
      "a=candidate:2 1 udp 7 192.0.2.7 7 typ host",
      "a=candidate:2 1 udp 7 192.0.2.7 7 typ host",
      "a=candidate:3 1 udp 9 game.local 7 typ host",
      "a=candidate:4 1 tcp 9 192.0.2.8 7 typ host tcptype passive",
      "a=candidate:5 2 udp 9 192.0.2.8 7 typ host",
      "a=candidate:6 1 udp 9 192.0.2.8 0 typ host",
      "",
    ].join("\r\n");
    const session = JSON.parse(changed(/(a=candidate:.*\r\n)+/, lines));
    session.candidate = null;
    expect(readAnswer(JSON.stringify(session))).toMatchObject({
      candidates: [
        { address: "192.0.2.7", port: 7 },
        { address: "192.0.2.9", port: 9 },
      ],
    });
  });

  test("takes fingerprint and credentials that stand at the session's level", () => {
    const session = JSON.parse(bodyOf(SERVER));
    const moved = /a=(?:fingerprint|ice-ufrag|ice-pwd|setup):.*\r\n/g;
    const lines = session.answer.sdp.match(moved).join("");
    session.answer.sdp = session.answer.sdp.replace(moved, "").replace("m=application", `${lines}m=application`);
    expect(readAnswer(JSON.stringify(session))).toEqual(SERVER);
  });

  test.each([
    ["nothing", "", /not JSON/],
    ["a page", "<html>", /not JSON/],
    ["null", "null", /no \{"answer"/],
    ["an error object", '{"error":"full"}', /no \{"answer"/],
    ["a heap", `"${"x".repeat(70_000)}"`, /65536 characters/],
    ["an answer without a ufrag", changed(/a=ice-ufrag.*\r\n/, ""), /ice-ufrag/],
    ["an answer with another hash", changed("sha-256", "sha-1"), /fingerprint/],
    ["an answer that is neither passive nor active", changed("passive", "holdconn"), /setup/],
    ["a port out of range", changed("sctp-port:5000", "sctp-port:70000"), /sctp-port/],
    ["a size that is none", changed("max-message-size:2000", "max-message-size:big"), /max-message-size/],
  ])("says in one sentence what is wrong with %s", (_, body, sentence) => {
    expect(readAnswer(body)).toMatch(sentence);
  });
});
