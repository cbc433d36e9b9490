/**
 * Reading of SDP offers (RFC 8866, 8841, 8839, 8122) for one data-channel connection. An offer comes from anybody, so
 * everything is bounded before it is parsed, and whatever is wrong becomes one sentence for the sender.
 */
import { fromHex } from "../wire/bytes.ts";
import { linesOf, readSdp, type Sdp, type SdpSection } from "./sdp.ts";

/** What an offer says of the peer. */
export interface Offer {
  /** The peer's ICE user fragment, 4–256 ice-chars. */
  readonly ufrag: string;
  /** The peer's ICE password, 22–256 ice-chars. */
  readonly pwd: string;
  /** The tags of `a=ice-options`, such as `trickle`. */
  readonly iceOptions: readonly string[];
  /** SHA-256 over the peer's certificate, 32 bytes (RFC 8122 §5). */
  readonly fingerprint: Uint8Array;
  /** The peer's SCTP port (RFC 8841 §5); 5000 where the offer does not say. */
  readonly sctpPort: number;
  /** Largest message the peer takes, in bytes; 0 for no limit (RFC 8841 §6); 65,536 where the offer does not say. */
  readonly maxMessageBytes: number;
  /** The peer's SCTP INIT chunk in base64, as it stands in `a=sctp-init`; not looked into. */
  readonly sctpInit: string | undefined;
  /** The `m=` sections in order; the answer needs one for each (RFC 3264 §6). */
  readonly sections: readonly OfferedSection[];
  /** Which of them is the data channel's. */
  readonly dataIndex: number;
  /** Whether the data channel's section is in a BUNDLE group. */
  readonly bundled: boolean;
  /** The media section on whose transport the data channel is; `undefined` where it has one of its own. */
  readonly carrier: Carrier | undefined;
}

/** A media section that has to be taken, since the data channel is on its transport: without a stream in either direction. */
export interface Carrier {
  /** Which of the sections it is. */
  readonly index: number;
  /** The format that is taken. */
  readonly format: string;
  /** The lines of the offer that say what the format is. */
  readonly formatLines: readonly string[];
}

/** One `m=` section, as far as the answer repeats it. */
export interface OfferedSection {
  readonly media: string;
  readonly protocol: string;
  readonly formats: string;
  readonly mid: string | undefined;
}

export type ParsedOffer =
  | { readonly ok: true; readonly offer: Offer }
  | { readonly ok: false /** One sentence. */; readonly error: string };

/** Largest offer that is read, in characters. Browsers' are about 500. */
export const MAX_OFFER_CHARACTERS = 65_536;
// A page with many cameras sends a few hundred lines.
const MAX_LINES = 2_000;
const MAX_LINE_CHARACTERS = 8_192;
const MAX_SECTIONS = 32;
const MAX_MID_CHARACTERS = 64;
/** Of a media section, as far as the first is looked for that can be taken; and lines about one of them: `rtpmap` and `fmtp`. */
const MAX_FORMATS = 64;
const MAX_FORMAT_LINES = 8;
/** An INIT of SCTP in base64: some 50 characters, and kept as long as the session. */
const MAX_INIT_CHARACTERS = 512;

/** RFC 8841 §6: without the attribute it is 64K. */
const DEFAULT_MAX_MESSAGE_BYTES = 65_536;
const DEFAULT_SCTP_PORT = 5000;

const PAYLOAD_TYPE = /^\d{1,3}$/;
const FORMAT_LINE = /^a=(?:rtpmap|fmtp):\d{1,3} [ -~]{1,256}$/;
const DIGITS = /^\d+$/;
const TOKEN = /^[\w!#$%&'*+.^`{|}~-]+$/;
const UFRAG = /^[\w+/]{4,256}$/;
const PWD = /^[\w+/]{22,256}$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const SHA256_HASH = /^[0-9a-f]{2}(?::[0-9a-f]{2}){31}$/i;

const BUNDLE_ONLY =
  "The offer's data channel section is bundle-only, and on the transport of no audio or video section.";
const NO_DATA_SECTION = "The offer has no usable data channel section (m=application … webrtc-datachannel).";

export function parseOffer(text: string): ParsedOffer {
  if (text.length > MAX_OFFER_CHARACTERS)
    return failure(`The offer is longer than ${MAX_OFFER_CHARACTERS} characters.`);
  if (!text.startsWith("v=0")) return failure("The offer is not SDP: it does not start with v=0.");
  const lines = linesOf(text, MAX_LINES + 1);
  if (lines.length > MAX_LINES) return failure(`The offer has more than ${MAX_LINES} lines.`);
  if (lines.some((line) => line.length > MAX_LINE_CHARACTERS)) {
    return failure(`The offer has a line of more than ${MAX_LINE_CHARACTERS} characters.`);
  }
  const sdp = readSdp(lines, MAX_SECTIONS);
  if (sdp === "too-many-sections") return failure(`The offer has more than ${MAX_SECTIONS} media sections.`);
  if (sdp === "malformed-section") return failure("The offer has a malformed m= line.");

  const dataIndexes = sdp.sections.flatMap((section, index) =>
    isData(section) && !isRejected(section) ? [index] : [],
  );
  if (dataIndexes.length === 0) return failure(NO_DATA_SECTION);
  if (dataIndexes.length > 1) return failure("The offer has more than one data channel section.");
  return readOffer(sdp, dataIndexes[0]);
}

function readOffer(sdp: Sdp, dataIndex: number): ParsedOffer {
  const data = sdp.sections[dataIndex];
  /** RFC 8866 §5.13: an attribute of the session stands for those of its sections that do not have it. */
  const tokenOf = (name: string) => firstWord(data.attributes.get(name) ?? sdp.attributes.get(name));
  const carrier = carrierOf(sdp, dataIndex);
  if (data.attributes.has("bundle-only") && carrier === undefined) return failure(BUNDLE_ONLY);
  const sections = sdp.sections.map(readSection);
  const mids = sections.flatMap((section) => section.mid ?? []);
  if (!mids.every(isMid)) return failure("The offer has a malformed a=mid.");
  if (new Set(mids).size !== mids.length) return failure("The offer has the same a=mid twice.");

  // RFC 8445 §6.1.1: two lite agents would both wait for a check.
  if (sdp.attributes.has("ice-lite")) return failure("The offer is from an ICE-lite agent, and so is the answer.");
  const ufrag = tokenOf("ice-ufrag") ?? "";
  if (!isIceText(UFRAG, ufrag)) return failure("The offer has no valid a=ice-ufrag (4 to 256 ice-chars).");
  const pwd = tokenOf("ice-pwd") ?? "";
  if (!isIceText(PWD, pwd)) return failure("The offer has no valid a=ice-pwd (22 to 256 ice-chars).");

  const hash = fingerprintOf(data.attributes.get("fingerprint") ?? sdp.attributes.get("fingerprint"));
  if (hash === undefined) return failure("The offer has no valid a=fingerprint with sha-256.");

  // RFC 4145 §4: an offer without the attribute means active.
  const setup = tokenOf("setup") ?? "active";
  if (setup !== "actpass" && setup !== "active") {
    return failure("The offer's a=setup must be actpass or active: this side is always the passive one.");
  }

  const sctpPort = sctpPortOf(data);
  if (!(sctpPort >= 1 && sctpPort <= 65_535)) return failure("The offer's a=sctp-port is not 1 to 65535.");
  const maxMessageBytes = maxMessageBytesOf(data);
  if (!Number.isFinite(maxMessageBytes)) return failure("The offer's a=max-message-size is not a number of bytes.");

  const sctpInit = data.attributes.get("sctp-init");
  return {
    ok: true,
    offer: {
      ufrag,
      pwd,
      iceOptions: sdp.iceOptions,
      fingerprint: hash,
      sctpPort,
      maxMessageBytes,
      // Only an offer of a shortcut: a malformed one is as good as none.
      sctpInit: isInit(sctpInit) ? sctpInit : undefined,
      sections,
      dataIndex,
      bundled: bundleOf(sdp.groups, sections[dataIndex].mid) !== undefined,
      carrier,
    },
  };
}

/**
 * RFC 8841 §4: `m=application PORT UDP/DTLS/SCTP webrtc-datachannel`, or over TCP, or as browsers wrote it before the
 * RFC: `m=application PORT DTLS/SCTP 5000` with `a=sctpmap:5000 webrtc-datachannel 1024`.
 */
function isData({ media, protocol, formats, attributes }: SdpSection): boolean {
  if (media !== "application") return false;
  switch (protocol) {
    case "UDP/DTLS/SCTP":
    case "TCP/DTLS/SCTP":
      return formats === "webrtc-datachannel";
    case "DTLS/SCTP": {
      const [number, application] = (attributes.get("sctpmap") ?? "").split(" ", 2);
      return number === formats && application === "webrtc-datachannel";
    }
    default:
      return false;
  }
}

/** RFC 3264 §5.1: port 0 turns a section down, except (RFC 9143 §6) with `a=bundle-only`. */
function isRejected({ port, attributes }: SdpSection): boolean {
  return port === 0 && !attributes.has("bundle-only");
}

function readSection({ media, protocol, formats, attributes }: SdpSection): OfferedSection {
  return { media, protocol, formats, mid: firstWord(attributes.get("mid")) };
}

function fingerprintOf(value: string | undefined): Uint8Array | undefined {
  const hash = value?.split(" ", 2)[1];
  return hash !== undefined && SHA256_HASH.test(hash) ? fromHex(hash.replaceAll(":", "")) : undefined;
}

function sctpPortOf({ protocol, formats, attributes }: SdpSection): number {
  if (protocol === "DTLS/SCTP") return Number(formats);
  return numberOf(attributes.get("sctp-port"), DEFAULT_SCTP_PORT);
}

function maxMessageBytesOf({ attributes }: SdpSection): number {
  return numberOf(attributes.get("max-message-size"), DEFAULT_MAX_MESSAGE_BYTES);
}

/** NaN for what is no number. */
function numberOf(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  return DIGITS.test(text) ? Number(text) : Number.NaN;
}

/** The mids of the BUNDLE group that a section is in, between spaces. */
function bundleOf(groups: readonly string[], mid: string | undefined): string | undefined {
  if (mid === undefined) return undefined;
  const group = groups.find((group) => group.startsWith("BUNDLE ") && `${group} `.includes(` ${mid} `));
  return group?.slice("BUNDLE".length);
}

/**
 * RFC 9143 §7.2: the first section of a group is the tagged one, whose transport all use. Chromium, with `bundlePolicy`
 * `max-bundle`, has made no other, and cannot do without it; what it offers does not tell that policy from the default.
 */
function carrierOf({ groups, sections }: Sdp, dataIndex: number): Carrier | undefined {
  const midOf = ({ attributes }: SdpSection) => firstWord(attributes.get("mid"));
  const tag = firstWord(bundleOf(groups, midOf(sections[dataIndex]))?.trimStart());
  const index = sections.findIndex((section) => midOf(section) !== undefined && midOf(section) === tag);
  if (index < 0 || index === dataIndex) return undefined;
  const { media, port, formats, formatLines } = sections[index];
  if ((media !== "audio" && media !== "video") || port === 0) return undefined;
  for (const format of formats.split(" ", MAX_FORMATS)) {
    const lines = formatLines.get(format) ?? [];
    if (!PAYLOAD_TYPE.test(format) || lines.length < 1 || lines.length > MAX_FORMAT_LINES) continue;
    if (lines.every((line) => FORMAT_LINE.test(line))) return { index, format, formatLines: lines };
  }
  return undefined;
}

/** What follows the first white space is no part of a value without any. */
function firstWord(value: string | undefined): string | undefined {
  return value?.split(/\s/, 1)[0];
}

function isInit(text: string | undefined): boolean {
  return text !== undefined && text.length <= MAX_INIT_CHARACTERS && BASE64.test(text);
}

function isMid(mid: string): boolean {
  return mid.length <= MAX_MID_CHARACTERS && TOKEN.test(mid);
}

/** RFC 8839 §5.4: ice-char is a letter, a digit, "+" or "/". */
function isIceText(pattern: RegExp, text: string): boolean {
  return pattern.test(text) && !text.includes("_");
}

function failure(error: string): ParsedOffer {
  return { ok: false, error };
}
