import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { MAX_OFFER_CHARACTERS, type Offer, parseOffer } from "../../../src/signalling/offer.ts";
import { toHex } from "../../../src/wire/bytes.ts";
import { offerFixture } from "./offers.ts";

const chromium = offerFixture("chromium");

function offerOf(text: string): Offer {
  const parsed = parseOffer(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.offer;
}

function errorOf(text: string): string {
  const parsed = parseOffer(text);
  return parsed.ok ? "no error" : parsed.error;
}

/** The Chromium offer with one line replaced, or left out. */
function withLine(start: string, line?: string): string {
  const lines = chromium.split("\r\n");
  const at = lines.findIndex((candidate) => candidate.startsWith(start));
  if (at < 0) throw new Error(`no line ${start}`);
  lines.splice(at, 1, ...(line === undefined ? [] : [line]));
  return lines.join("\r\n");
}

test("Chromium's offer is read", () => {
  const { fingerprint, ...offer } = offerOf(chromium);
  expect(toHex(fingerprint)).toBe("55833ccfe77b2e811ed9f59ce404ea207dee84096260d0f63f0405a26c959050");
  expect(offer).toEqual({
    ufrag: "5qfx",
    pwd: "TKB/xk/7Ul9fAR3QIdNRNpVM",
    iceOptions: ["trickle"],
    sctpPort: 5000,
    maxMessageBytes: 262_144,
    sctpInit: undefined,
    sections: [{ media: "application", protocol: "UDP/DTLS/SCTP", formats: "webrtc-datachannel", mid: "0" }],
    dataIndex: 0,
    bundled: true,
  });
});

test("Firefox's offer, with its fingerprint at session level, is read", () => {
  const offer = offerOf(offerFixture("firefox"));
  expect(toHex(offer.fingerprint)).toBe("be31505a6bc7ba279bf7337692359ce99a3ba1cb28b46aed33f315c7aa24d20d");
  expect(offer).toMatchObject({ ufrag: "7d6c0264", pwd: "8fb55b6a294ddb7f9900b4e8d38adc63" });
  expect(offer).toMatchObject({ maxMessageBytes: 1_073_741_823, bundled: true, iceOptions: ["trickle"] });
});

test("an offered SCTP INIT and all ICE options are kept", () => {
  expect(offerOf(offerFixture("chromium-snap-on")).sctpInit).toBe("AQAAHuYWn/oAUAAA/////4AnYz/AAAAEgAgABoLA");
  expect(offerOf(offerFixture("chromium-sped")).iceOptions).toEqual(["trickle", "sped", "googspedv1"]);
});

test("line ends may be LF or CR as well", () => {
  expect(offerOf(chromium.replaceAll("\r\n", "\n"))).toEqual(offerOf(chromium));
  expect(offerOf(chromium.replaceAll("\r\n", "\r"))).toEqual(offerOf(chromium));
});

test("text that looks like a number stays text", () => {
  expect(offerOf(withLine("a=ice-ufrag", "a=ice-ufrag:12345678")).ufrag).toBe("12345678");
  expect(offerOf(withLine("a=ice-ufrag", "a=ice-ufrag:1e+30")).ufrag).toBe("1e+30");
  expect(offerOf(withLine("a=ice-pwd", `a=ice-pwd:${"9".repeat(22)}`)).pwd).toBe("9".repeat(22));
  expect(offerOf(withLine("a=ice-ufrag", "a=ice-ufrag:Infinity")).ufrag).toBe("Infinity");
});

test("ICE credentials have the lengths and characters of RFC 8839", () => {
  for (const good of ["abcd", "+/+/", "a".repeat(256)]) {
    expect(offerOf(withLine("a=ice-ufrag", `a=ice-ufrag:${good}`)).ufrag).toBe(good);
  }
  for (const bad of ["", "abc", "a".repeat(257), "ab_cd", "ab:cd", "ab cd", "äöüß", "ab\0cd"]) {
    expect(errorOf(withLine("a=ice-ufrag", `a=ice-ufrag:${bad}`)), bad).toMatch(/ice-ufrag/);
  }
  for (const bad of ["", "a".repeat(21), "a".repeat(257), `_${"a".repeat(22)}`]) {
    expect(errorOf(withLine("a=ice-pwd", `a=ice-pwd:${bad}`)), bad).toMatch(/ice-pwd/);
  }
  expect(errorOf(withLine("a=ice-ufrag"))).toMatch(/ice-ufrag/);
  expect(errorOf(withLine("a=ice-pwd"))).toMatch(/ice-pwd/);
});

test("the fingerprint must be a whole SHA-256; others beside it are passed over", () => {
  const sha1 = "a=fingerprint:sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33";
  const line = chromium.split("\r\n").find((candidate) => candidate.startsWith("a=fingerprint"))!;
  for (const lines of [`${sha1}\r\n${line}`, `${line}\r\n${sha1}`, line.toLowerCase(), line.replace("sha", "SHA")]) {
    expect(offerOf(withLine("a=fingerprint", lines)).fingerprint).toEqual(offerOf(chromium).fingerprint);
  }
  for (const bad of [
    undefined,
    sha1,
    line.slice(0, -3),
    `${line}:00`,
    line.replaceAll(":", ""),
    line.replace(":0", ":0G"),
  ]) {
    expect(errorOf(withLine("a=fingerprint", bad)), bad).toMatch(/sha-256/);
  }
});

test("the offerer must be able to be the active side", () => {
  expect(offerOf(withLine("a=setup", "a=setup:active")).ufrag).toBe("5qfx");
  expect(offerOf(withLine("a=setup")).ufrag).toBe("5qfx");
  for (const bad of ["passive", "holdconn", "", "actpassive"]) {
    expect(errorOf(withLine("a=setup", `a=setup:${bad}`)), bad).toMatch(/a=setup/);
  }
});

test("SCTP port and message size are read, have defaults, and are refused when they are no such numbers", () => {
  expect(offerOf(withLine("a=sctp-port", "a=sctp-port:65535")).sctpPort).toBe(65_535);
  expect(offerOf(withLine("a=sctp-port")).sctpPort).toBe(5000);
  for (const bad of ["0", "65536", "", "-1", "5000x", "9".repeat(400)]) {
    expect(errorOf(withLine("a=sctp-port", `a=sctp-port:${bad}`)), bad).toMatch(/sctp-port/);
  }
  expect(offerOf(withLine("a=max-message-size", "a=max-message-size:0")).maxMessageBytes).toBe(0);
  expect(offerOf(withLine("a=max-message-size")).maxMessageBytes).toBe(65_536);
  for (const bad of ["", "-1", "1.5", "9".repeat(400)]) {
    expect(errorOf(withLine("a=max-message-size", `a=max-message-size:${bad}`)), bad).toMatch(/max-message-size/);
  }
});

test("an SCTP INIT that is not base64 counts as not offered", () => {
  for (const init of ["AQ$$$$", "A".repeat(516)]) {
    const parsed = offerOf(chromium.replace("a=sctp-port", `a=sctp-init:${init}\r\na=sctp-port`));
    expect(parsed.sctpInit).toBeUndefined();
  }
});

test("an offer beside audio and video is taken, with all sections in order", () => {
  const offer = offerOf(offerFixture("chromium-with-media"));
  expect(offer.sections.map(({ media, mid }) => [media, mid])).toEqual([
    ["audio", "0"],
    ["video", "1"],
    ["application", "2"],
  ]);
  expect(offer).toMatchObject({ dataIndex: 2, bundled: true });
});

test("media only, or nothing at all, is refused", () => {
  const media = offerFixture("chromium-with-media");
  expect(errorOf(media.slice(0, media.indexOf("m=application")))).toMatch(/no usable data channel section/);
  expect(errorOf(chromium.slice(0, chromium.indexOf("m=")))).toMatch(/no usable data channel section/);
  expect(errorOf(withLine("m=", "m=application 9 UDP/DTLS/SCTP webrtc-other"))).toMatch(/no usable/);
  expect(errorOf(withLine("m=", "m=application 9 RTP/AVP webrtc-datachannel"))).toMatch(/no usable/);
});

test("a data section with port 0, rejected or on the transport of nothing, is not usable", () => {
  const rejected = "m=application 0 UDP/DTLS/SCTP webrtc-datachannel";
  expect(errorOf(withLine("m=", rejected))).toMatch(/no usable/);
  expect(errorOf(withLine("m=", rejected.replace(" 0 ", " 00 ")))).toMatch(/no usable/);
  expect(errorOf(withLine("m=", `${rejected}\r\na=bundle-only`))).toMatch(/bundle-only/);
});

describe("a data section in the BUNDLE group of media that come first", () => {
  const media = offerFixture("chromium-with-media");
  const carrierOf = (text: string) => {
    const parsed = parseOffer(text);
    return parsed.ok ? parsed.offer.carrier : parsed.error;
  };

  test("is on the transport of the first of the group, whose first format is taken", () => {
    const opus = ["a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"];
    expect(carrierOf(media)).toEqual({ index: 0, format: "111", formatLines: opus });
    const swapped = media.replace("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 1 0 2");
    expect(carrierOf(swapped)).toMatchObject({ index: 1, format: "96" });
    const bundleOnly = media.replace(/m=application 9 (.*)/, "m=application 0 $1\r\na=bundle-only");
    expect(carrierOf(bundleOnly)).toMatchObject({ index: 0 });
  });

  test("has a transport of its own where it comes first, where there is no group, and where media come in another one", () => {
    for (const group of ["a=group:BUNDLE 2 0 1\r\n", "a=group:BUNDLE 0 1\r\n", "a=group:LS 0 1 2\r\n", ""]) {
      expect(carrierOf(media.replace("a=group:BUNDLE 0 1 2\r\n", group))).toBeUndefined();
    }
  });

  test("has a transport of its own where the first of the group is rejected, is missing, or has no format that can be repeated", () => {
    expect(carrierOf(media.replace("m=audio 9", "m=audio 0"))).toBeUndefined();
    expect(carrierOf(media.replace("BUNDLE 0 1 2", "BUNDLE 7 2"))).toBeUndefined();
    expect(carrierOf(media.replace(/a=rtpmap:/g, "a=x:").replace(/a=fmtp:/g, "a=x:"))).toBeUndefined();
    const odd = media.replace(/a=rtpmap:(\d+) .*/g, "a=rtpmap:$1 caf\u00e9/8000");
    expect(carrierOf(odd)).toBeUndefined();
  });
});

test("two data sections are refused", () => {
  const section = chromium.slice(chromium.indexOf("m=")).replace("a=mid:0", "a=mid:1");
  expect(errorOf(chromium + section)).toMatch(/more than one/);
});

test("the form browsers used before RFC 8841 is read", () => {
  const old = withLine("m=", "m=application 9 DTLS/SCTP 5001")
    .replace("a=sctp-port:5000", "a=sctpmap:5001 webrtc-datachannel 1024")
    .replace(/a=max-message-size.*\r\n/, "");
  expect(offerOf(old)).toMatchObject({ sctpPort: 5001, maxMessageBytes: 65_536 });
  expect(errorOf(old.replace("sctpmap:5001", "sctpmap:5000"))).toMatch(/no usable/);
});

test("a mid that is missing, strange, too long or there twice", () => {
  expect(offerOf(withLine("a=mid"))).toMatchObject({ bundled: false });
  for (const bad of ["", "a:b", 'a"b', "x".repeat(65), "ä"]) {
    expect(errorOf(withLine("a=mid", `a=mid:${bad}`)), bad).toMatch(/a=mid/);
  }
  expect(errorOf(offerFixture("chromium-with-media").replace("a=mid:1", "a=mid:2"))).toMatch(/a=mid twice/);
});

test("an ICE-lite offerer is refused, because both sides would wait", () => {
  expect(errorOf(withLine("t=", "t=0 0\r\na=ice-lite"))).toMatch(/ICE-lite/);
});

test("a malformed m= line is refused", () => {
  for (const bad of ["m=", "m=application", "m=application x UDP/DTLS/SCTP webrtc-datachannel", "m=a 1 b c\u0007"]) {
    expect(errorOf(withLine("m=", bad)), bad).toMatch(/malformed m= line/);
  }
});

test("size, lines, line length and sections are bounded, each with its sentence", () => {
  expect(errorOf(chromium + "\r\n".repeat(MAX_OFFER_CHARACTERS))).toMatch(/longer than 65536 characters/);
  expect(errorOf(chromium + "a=\r\n".repeat(2_000))).toMatch(/more than 2000 lines/);
  expect(errorOf(`${chromium}a=${"x".repeat(8_191)}`)).toMatch(/more than 8192 characters/);
  expect(errorOf(chromium + "m=audio 9 RTP/AVP 0\r\n".repeat(32))).toMatch(/more than 32 media sections/);
  expect(errorOf("")).toMatch(/not SDP/);
  expect(errorOf("hello")).toMatch(/not SDP/);
});

test("a line that is there 1,900 times is read as if it were there once", () => {
  const lines = chromium.split("\r\n");
  for (const line of lines.filter((candidate) => candidate.startsWith("a="))) {
    const at = lines.indexOf(line);
    const repeated = lines.toSpliced(at, 1, ...new Array<string>(1_900).fill(line)).join("\r\n");
    // Unlike the sizes that Chromium sends, 1,900 fingerprints are more than an offer may have.
    expect(parseOffer(repeated), line).toEqual(
      repeated.length > MAX_OFFER_CHARACTERS
        ? { ok: false, error: `The offer is longer than ${MAX_OFFER_CHARACTERS} characters.` }
        : parseOffer(chromium),
    );
  }
});

test("of an attribute that is there twice in a section, the last counts; a section's goes before the session's", () => {
  expect(offerOf(withLine("a=ice-ufrag", "a=ice-ufrag:first\r\na=ice-ufrag:last")).ufrag).toBe("last");
  expect(offerOf(withLine("t=", "t=0 0\r\na=ice-ufrag:session")).ufrag).toBe("5qfx");
  const atSession = chromium.replace(/a=ice-ufrag.*\r\n/, "").replace("t=0 0", "t=0 0\r\na=ice-ufrag:session");
  expect(offerOf(atSession).ufrag).toBe("session");
});

test("the group of a section is a whole word of a BUNDLE group of the session", () => {
  for (const group of ["BUNDLE 1 0 2", "BUNDLE 0", "BUNDLE  0 "]) {
    expect(offerOf(withLine("a=group", `a=group:LS 0\r\na=group:${group}`)).bundled, group).toBe(true);
  }
  for (const group of ["BUNDLE 00 10", "LS 0", "BUNDLE", "BUNDLES 0", ""]) {
    expect(offerOf(withLine("a=group", `a=group:${group}`)).bundled, group).toBe(false);
  }
});

test("of ICE options no more than 64 are read", () => {
  const tags = Array.from({ length: 100 }, (_, i) => `tag${i}`);
  expect(offerOf(withLine("a=ice-options", `a=ice-options:${tags.join(" ")}`)).iceOptions).toEqual(tags.slice(0, 64));
  const lines = tags.map((tag) => `a=ice-options:${tag}`).join("\r\n");
  expect(offerOf(withLine("a=ice-options", lines)).iceOptions).toEqual(tags.slice(0, 64));
});

test("every error is one sentence", () => {
  const source = readFileSync(new URL("../../../src/signalling/offer.ts", import.meta.url), "utf8");
  const sentences = [...source.matchAll(/failure\((?:"|`)(.*?)(?:"|`)\)/g)].map((match) => match[1]);
  expect(sentences.length).toBeGreaterThan(12);
  for (const sentence of sentences) expect(sentence).toMatch(/^The offer.*\.$/);
});
