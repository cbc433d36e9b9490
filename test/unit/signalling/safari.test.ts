/** Offers in the forms that Safari is known to write; test/fixtures/safari says where that is known from, and what it does not show. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { buildAnswer } from "../../../src/signalling/answer.ts";
import { type Offer, parseOffer } from "../../../src/signalling/offer.ts";

function offerOf(name: string): Offer {
  const text = readFileSync(new URL(`../../fixtures/safari/${name}.offer.sdp`, import.meta.url), "utf8");
  const parsed = parseOffer(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.offer;
}

function answerTo(name: string): string[] {
  const answer = buildAnswer(offerOf(name), {
    ufrag: "local+/1",
    pwd: "abcdefghijklmnopqrstuvwx",
    fingerprint: new Uint8Array(32),
    candidates: [{ address: "203.0.113.7", port: 42424 }],
    maxMessageBytes: 65_536,
  });
  return answer.split("\r\n");
}

describe("an offer as Safari writes it", () => {
  test("since 2020 is answered in the same form", () => {
    expect(offerOf("data-only")).toMatchObject({
      ufrag: "sF4r",
      sctpPort: 5000,
      maxMessageBytes: 262_144,
      bundled: true,
    });
    const answer = answerTo("data-only");
    expect(answer).toContain("m=application 42424 UDP/DTLS/SCTP webrtc-datachannel");
    expect(answer).toContain("a=group:BUNDLE 0");
    expect(answer).toContain("a=sctp-port:5000");
  });

  test("up to Safari 13 is answered in the older form of data channels", () => {
    expect(offerOf("data-only-2019")).toMatchObject({ sctpPort: 5000, maxMessageBytes: 65_536, bundled: true });
    const answer = answerTo("data-only-2019");
    expect(answer).toContain("m=application 42424 DTLS/SCTP 5000");
    expect(answer).toContain("a=mid:data");
    expect(answer.some((line) => line.startsWith("a=sctpmap:5000 webrtc-datachannel"))).toBe(true);
    expect(answer).toContain("a=setup:passive");
  });

  test("with a camera and a microphone is answered with the data channel, and the section on whose transport it is", () => {
    expect(offerOf("with-media-2019")).toMatchObject({ dataIndex: 2, bundled: true });
    const answer = answerTo("with-media-2019");
    const sections = answer.filter((line) => line.startsWith("m="));
    expect(sections).toEqual([
      expect.stringMatching(/^m=audio 42424 /),
      expect.stringMatching(/^m=video 0 /),
      "m=application 42424 DTLS/SCTP 5000",
    ]);
    expect(answer).toContain("a=group:BUNDLE audio data");
  });
});
