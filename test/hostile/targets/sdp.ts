import assert from "node:assert/strict";
import { readAnswer } from "../../../src/client/native/description.ts";
import { type AnswerParts, buildAnswer } from "../../../src/signalling/answer.ts";
import { parseOffer } from "../../../src/signalling/offer.ts";
import { offerFixture } from "../../unit/signalling/offers.ts";
import { bytesOf, type CoverageTarget } from "./target.ts";

export const OFFER_NAMES = ["chromium", "firefox", "chromium-snap-on", "chromium-sped", "chromium-with-media"];
const offers = OFFER_NAMES.map(offerFixture);
const [chromium] = offers;

const parts: AnswerParts = {
  ufrag: "localufr",
  pwd: "p".repeat(24),
  fingerprint: new Uint8Array(32),
  candidates: [{ address: "203.0.113.7", port: 42424 }],
  maxMessageBytes: 65_536,
};
const parsed = parseOffer(chromium);
assert(parsed.ok);
const answer = buildAnswer(parsed.offer, parts);

/** Parses an offer and, where that succeeds, answers. Throws where an invariant breaks. */
export function handleOffer(text: string): "answered" | "refused" {
  const parsed = parseOffer(text);
  if (!parsed.ok) {
    assert.match(parsed.error, /^The offer.{5,150}\.$/);
    return "refused";
  }
  const { offer } = parsed;
  assert.match(offer.ufrag, /^[A-Za-z0-9+/]{4,256}$/);
  assert.match(offer.pwd, /^[A-Za-z0-9+/]{22,256}$/);
  assert.equal(offer.fingerprint.length, 32);
  assert(Number.isInteger(offer.sctpPort) && offer.sctpPort >= 1 && offer.sctpPort <= 65_535);
  assert(offer.maxMessageBytes >= 0 && Number.isFinite(offer.maxMessageBytes));

  // Nothing of the offer breaks out of its line, and each section is answered.
  const answerLines = buildAnswer(offer, parts).split("\r\n");
  assert.equal(answerLines.pop(), "");
  for (const line of answerLines) assert.match(line, /^[a-z]=[ -~]*$/);
  assert.equal(answerLines.filter((line) => line.startsWith("m=")).length, offer.sections.length);
  // The data channel's section is taken, and the media section on whose transport it is.
  const taken = offer.carrier === undefined ? 1 : 2;
  assert.equal(answerLines.filter((line) => line.startsWith("a=ice-pwd")).length, taken);
  assert.equal(answerLines.filter((line) => /^m=\w+ [1-9]/.test(line)).length, taken);
  return "answered";
}

/** Reads an answer. Throws where what comes out is neither a sentence nor all that a client needs. */
export function handleAnswer(text: string): "read" | "refused" {
  const answer = readAnswer(text);
  if (typeof answer === "string") {
    assert.match(answer, /^The answer.*\.$/);
    return "refused";
  }
  assert.equal(answer.fingerprint.length, 32);
  assert(answer.candidates.length > 0);
  for (const { port } of answer.candidates) assert(port >= 1 && port <= 65_535);
  assert(Number.isInteger(answer.sctpPort) && Number.isInteger(answer.maxMessageBytes));
  return "read";
}

/** An offer: the input as it is, or in the place of one line of a good offer. */
export function offerTarget(): CoverageTarget {
  return {
    name: "offer",
    covers: ["signalling/offer.ts", "signalling/sdp.ts", "signalling/answer.ts"],
    seeds: textSeeds(offers),
    run: (input) => {
      handleOffer(textOf(input, chromium));
    },
  };
}

/** A server's answer, as a client reads it: JSON, or SDP in the place of one line of a good answer. */
export function answerTarget(): CoverageTarget {
  const body = JSON.stringify({ answer: { type: "answer", sdp: answer }, candidate: { candidate: "", sdpMid: "0" } });
  return {
    name: "answer",
    covers: ["client/description.ts"],
    seeds: textSeeds([body, answer]),
    run: (input) => {
      const text = textOf(input, answer);
      handleAnswer(text);
      handleAnswer(JSON.stringify({ answer: { sdp: text }, candidate: { candidate: text.slice(0, 200) } }));
    },
  };
}

/** The first byte says where the text goes: 0 for as it is, n for in the place of line n. */
function textOf(input: Uint8Array, good: string): string {
  const text = new TextDecoder().decode(input.subarray(1));
  const line = input[0] ?? 0;
  if (line === 0) return text;
  const lines = good.split("\r\n");
  return lines.with(line % lines.length, text).join("\r\n");
}

function textSeeds(texts: readonly string[]): Uint8Array[] {
  const lines = [...new Set(texts.flatMap((text) => text.split("\r\n")))];
  return [
    ...texts.map((text) => bytesOf(`\0${text}`)),
    ...lines.map((line, i) => bytesOf(`${String.fromCharCode(1 + (i % 16))}${line}`)),
  ];
}
