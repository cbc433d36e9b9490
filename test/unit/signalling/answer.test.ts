import { expect, test } from "vitest";
import { type AnswerParts, buildAnswer, candidateAttribute } from "../../../src/signalling/answer.ts";
import { type Offer, parseOffer } from "../../../src/signalling/offer.ts";
import { offerFixture } from "./offers.ts";

const parts: AnswerParts = {
  ufrag: "local+/1",
  pwd: "abcdefghijklmnopqrstuvwx",
  fingerprint: Uint8Array.from({ length: 32 }, (_, i) => i * 8),
  candidates: [
    { address: "203.0.113.7", port: 42424 },
    { address: "2001:db8::7", port: 42424 },
    { address: "203.0.113.7", port: 42425 },
  ],
  maxMessageBytes: 65_536,
};

function answerTo(text: string, changes: Partial<AnswerParts> = {}): string {
  const parsed = parseOffer(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return buildAnswer(parsed.offer, { ...parts, ...changes });
}

function offerOf(name: string): Offer {
  const parsed = parseOffer(offerFixture(name));
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.offer;
}

test("the answer to Chromium's offer", () => {
  expect(answerTo(offerFixture("chromium"))).toBe(
    [
      "v=0",
      "o=- 3201887130161458993 1 IN IP4 0.0.0.0",
      "s=-",
      "t=0 0",
      "a=group:BUNDLE 0",
      "a=ice-lite",
      "m=application 42424 UDP/DTLS/SCTP webrtc-datachannel",
      "c=IN IP4 203.0.113.7",
      "a=mid:0",
      "a=ice-ufrag:local+/1",
      "a=ice-pwd:abcdefghijklmnopqrstuvwx",
      "a=ice-options:ice2",
      "a=fingerprint:sha-256 00:08:10:18:20:28:30:38:40:48:50:58:60:68:70:78:80:88:90:98:A0:A8:B0:B8:C0:C8:D0:D8:E0:E8:F0:F8",
      "a=setup:passive",
      "a=sctp-port:5000",
      "a=max-message-size:65536",
      "a=candidate:1 1 udp 2130706431 203.0.113.7 42424 typ host",
      "a=candidate:2 1 udp 2130706175 2001:db8::7 42424 typ host",
      "a=candidate:1 1 udp 2130705919 203.0.113.7 42425 typ host",
      "a=end-of-candidates",
      "",
    ].join("\r\n"),
  );
});

test("the answer to Firefox's offer is the same, as it asks for the same", () => {
  expect(answerTo(offerFixture("firefox"))).toBe(answerTo(offerFixture("chromium")));
});

test("media on whose transport the data channel is are taken without a stream, as the first of the group", () => {
  const answer = answerTo(offerFixture("chromium-with-media"));
  expect(answer).toContain("a=group:BUNDLE 0 2\r\n");
  const [, audio, video, data] = answer.split("m=");
  expect(audio.split("\r\n")).toEqual(
    expect.arrayContaining([
      "audio 42424 UDP/TLS/RTP/SAVPF 111",
      "a=mid:0",
      "a=setup:passive",
      "a=rtpmap:111 opus/48000/2",
      "a=rtcp-mux",
      "a=inactive",
      "a=end-of-candidates",
    ]),
  );
  expect(video).toMatch(/^video 0 /);
  const transport = (section: string) =>
    section.split("\r\n").filter((line) => /^a=(ice|fingerprint|candidate)/.test(line));
  expect(transport(audio)).toEqual(transport(data));
});

test("media behind the data channel are turned down in their place, and leave the BUNDLE group", () => {
  const offer = offerFixture("chromium-with-media").replace("BUNDLE 0 1 2", "BUNDLE 2 0 1");
  const lines = answerTo(offer).split("\r\n");
  const start = lines.indexOf("a=ice-lite") + 1;
  expect(lines.filter((line) => line.startsWith("a=group"))).toEqual(["a=group:BUNDLE 2"]);
  expect(lines.slice(start, start + 10)).toEqual([
    "m=audio 0 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
    "c=IN IP4 0.0.0.0",
    "a=mid:0",
    "a=inactive",
    expect.stringMatching(/^m=video 0 UDP\/TLS\/RTP\/SAVPF 96 /),
    "c=IN IP4 0.0.0.0",
    "a=mid:1",
    "a=inactive",
    "m=application 42424 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 203.0.113.7",
  ]);
});

test("an SCTP INIT of ours stands in the answer where one is given", () => {
  expect(answerTo(offerFixture("chromium-snap-on"), { sctpInit: "AQAAHA==" })).toContain(
    "\r\na=sctp-init:AQAAHA==\r\n",
  );
  expect(answerTo(offerFixture("chromium-snap-on"))).not.toContain("sctp-init");
});

test("without BUNDLE in the offer there is none in the answer, and without a mid no mid", () => {
  const plain = offerFixture("chromium").replace("a=group:BUNDLE 0\r\n", "");
  expect(answerTo(plain)).not.toContain("BUNDLE");
  expect(answerTo(plain)).toContain("a=mid:0");
  expect(answerTo(plain.replace("a=mid:0\r\n", ""))).not.toContain("mid");
});

test("the older form of the m= line is answered in kind", () => {
  const old = offerFixture("chromium")
    .replace("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5001")
    .replace("a=sctp-port:5000", "a=sctpmap:5001 webrtc-datachannel 1024");
  const answer = answerTo(old);
  expect(answer).toContain("m=application 42424 DTLS/SCTP 5000\r\n");
  expect(answer).toContain("a=sctpmap:5000 webrtc-datachannel 1024\r\n");
  expect(answer).not.toContain("sctp-port");
});

test("an IPv6 address as the first candidate stands in the connection line", () => {
  const answer = answerTo(offerFixture("chromium"), { candidates: [{ address: "2001:db8::7", port: 1 }] });
  expect(answer).toContain("m=application 1 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP6 2001:db8::7\r\n");
});

test("with no candidate the section has the placeholder of trickle ICE", () => {
  const answer = answerTo(offerFixture("chromium"), { candidates: [] });
  expect(answer).toContain("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n");
  expect(answer).not.toContain("candidate:");
});

test("two ufrags give two session ids, both in 63 bits", () => {
  const ids = ["local+/1", "zzzzzzzz"].map(
    (ufrag) => /o=- (\d+) /.exec(buildAnswer(offerOf("chromium"), { ...parts, ufrag }))![1],
  );
  expect(ids[0]).not.toBe(ids[1]);
  for (const id of ids) expect(BigInt(id) < 1n << 63n).toBe(true);
});

test("the trickled candidate is the one of the answer", () => {
  expect(candidateAttribute(parts.candidates, 0)).toBe("candidate:1 1 udp 2130706431 203.0.113.7 42424 typ host");
});
