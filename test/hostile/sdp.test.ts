import fc from "fast-check";
import { expect, test } from "vitest";
import { MAX_OFFER_CHARACTERS } from "../../src/signalling/offer.ts";
import { offerFixture } from "../unit/signalling/offers.ts";
import { fuzzTests } from "./support/fuzz.ts";
import { growthOf } from "./support/memory.ts";
import { handleOffer as handle, OFFER_NAMES } from "./targets/sdp.ts";

const offers = OFFER_NAMES.map(offerFixture);
const [chromium] = offers;
const lines = [...new Set(offers.flatMap((offer) => offer.split("\r\n")))];

test("the recorded offers are answered", () => {
  for (const offer of offers) expect(handle(offer)).toBe("answered");
});

test("an offer cut anywhere is refused or still has all it needs", () => {
  for (const offer of offers) for (let length = 0; length < offer.length; length++) handle(offer.slice(0, length));
  // The fingerprint is what nobody can do without: Chromium's stands in the middle.
  const end = chromium.indexOf("\r\na=setup");
  for (let length = 0; length < end; length++) expect(handle(chromium.slice(0, length))).toBe("refused");
});

test("each line left out, doubled, or emptied of its value", () => {
  for (const offer of offers.slice(0, 4)) {
    const own = offer.split("\r\n");
    for (let i = 0; i < own.length; i++) {
      handle([...own.slice(0, i), ...own.slice(i + 1)].join("\r\n"));
      handle([...own.slice(0, i), own[i], ...own.slice(i)].join("\r\n"));
      handle([...own.slice(0, i), own[i].replace(/[:=].*/, "$1"), ...own.slice(i + 1)].join("\r\n"));
      handle([...own.slice(0, i), `${own[i]}${"9".repeat(5_000)}`, ...own.slice(i + 1)].join("\r\n"));
    }
  }
});

test("numbers at every edge", () => {
  const numbers = [
    "0",
    "1",
    "2",
    "3",
    "65535",
    "65536",
    "4294967296",
    "9".repeat(300),
    "1e9",
    "0x10",
    "NaN",
    "-1",
    " 1",
  ];
  for (const number of numbers) {
    handle(chromium.replace("sctp-port:5000", `sctp-port:${number}`));
    handle(chromium.replace("max-message-size:262144", `max-message-size:${number}`));
    handle(chromium.replace("m=application 9", `m=application ${number}`));
    handle(
      chromium.replace(
        "UDP/DTLS/SCTP webrtc-datachannel",
        `DTLS/SCTP ${number}\r\na=sctpmap:${number} webrtc-datachannel`,
      ),
    );
  }
});

test("64 KiB of the same thing is refused: lines, colons, commas, spaces, brackets, semicolons", () => {
  const fill = (unit: string) => unit.repeat(Math.floor((MAX_OFFER_CHARACTERS - chromium.length) / unit.length));
  const units = ["a=", "a=\n", "\n", "\r", "a:", ",", " ", "[", "]", ";", "m=", "a=mid:\n", "=", "\0", "\u2028"];
  const starts = [
    "",
    "a=fmtp:1 ",
    "a=imageattr:1 send [",
    "a=simulcast:send 1",
    "a=simulcast: ",
    "a=group:BUNDLE ",
    "m=",
  ];
  const attributes = ["a=rtpmap:1 ", "a=source-filter: ", "a=candidate:", "a=ice-options:", "a=mediaclk:", "a=ssrc:1 "];
  for (const unit of units) {
    for (const start of [...starts, ...attributes])
      handle(`${chromium}${start}${fill(unit)}`.slice(0, MAX_OFFER_CHARACTERS));
    expect(handle(fill(unit))).toBe("refused");
    expect(handle(chromium + unit.repeat(MAX_OFFER_CHARACTERS))).toBe("refused");
  }
});

test("as many lines as allowed, of each kind that is read, cost no more than a moment", () => {
  for (const line of lines) handle(chromium + `${line}\r\n`.repeat(1_900));
});

test("names that mean something to JavaScript pollute nothing", () => {
  const names = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "__defineGetter__"];
  for (const name of names) {
    handle(chromium.replace("a=mid:0", `a=mid:${name}`).replace("BUNDLE 0", `BUNDLE ${name}`));
    handle(`${chromium}a=${name}:polluted\r\n`);
    handle(`${chromium}a=fingerprint:${name} polluted\r\n`);
    handle(`${chromium}${name}=polluted\r\n`);
    handle(chromium.replace("a=ice-ufrag:5qfx", `a=ice-ufrag:${name.replaceAll("_", "")}`));
  }
  const plain: Record<string, unknown> = {};
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(plain.polluted).toBeUndefined();
});

test("any text at all is refused", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 500, unit: "binary" }), (text) => {
      expect(handle(text)).toBe("refused");
      expect(handle(`v=0\r\n${text}`)).toBe("refused");
    }),
    { numRuns: 10_000, seed: 1 },
  );
});

test("any order and any choice of real lines is answered or refused", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...lines), { maxLength: 60 }), (chosen) => {
      handle(["v=0", ...chosen].join("\r\n"));
    }),
    { numRuns: 10_000, seed: 2 },
  );
});

test("any value behind any attribute name is answered or refused", () => {
  const names = lines.flatMap((line) => /^a=[a-z-]+:/.exec(line)?.[0] ?? []);
  const value = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.string({ unit: "grapheme-ascii", maxLength: 300 }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...names), value, (name, text) => {
      handle(chromium.replace(new RegExp(`^${name}.*$`, "m"), () => `${name}${text}`));
      handle(`${chromium}${name}${text}\r\n`);
    }),
    { numRuns: 10_000, seed: 3 },
  );
});

test("10,000 offers leave memory as it was", () => {
  const flood = () => {
    for (let i = 0; i < 10_000; i++) handle(i % 2 === 0 ? offers[i % 4] : `${chromium}a=mid:${i}`);
  };
  flood();
  expect(growthOf(flood)).toBeLessThan(2_000_000);
});

fuzzTests(() => ({
  name: "sdp",
  recorded: [...offers, ...lines].map((text) => new TextEncoder().encode(text)),
  iterations: 150_000,
  run(input, random) {
    const text = new TextDecoder().decode(input);
    handle(text);
    // Inside an otherwise good offer, so that it is looked at.
    const own = chromium.split("\r\n");
    own.splice(1 + random.below(own.length), random.below(2), text);
    handle(own.join("\r\n"));
  },
}));
