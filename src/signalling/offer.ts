/**
 * Reading of SDP offers (RFC 8866, 8841, 8839, 8122) for one data-channel connection. An offer comes from anybody, so
 * everything is bounded before it is parsed, and whatever is wrong becomes one sentence for the sender.
 */
import { type MediaDescription, parse, type SessionDescription } from "sdp-transform";
import { fromHex } from "../wire/bytes.ts";

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
/** An INIT of SCTP in base64: some 50 characters, and kept as long as the session. */
const MAX_INIT_CHARACTERS = 512;

/** RFC 8841 §6: without the attribute it is 64K. */
const DEFAULT_MAX_MESSAGE_BYTES = 65_536;
const DEFAULT_SCTP_PORT = 5000;

/** The attributes that are read; all others are left out before parsing, so that a heap of them costs nothing. */
const READ_ATTRIBUTES = new Set([
  "ice-ufrag",
  "ice-pwd",
  "ice-lite",
  "fingerprint",
  "setup",
  "group",
  "mid",
  "bundle-only",
  "sctp-port",
  "sctpmap",
  "max-message-size",
  "sctp-init",
]);

const MEDIA_LINE = /^m=\w+ \d{1,5} [\w/]+ [!-~][ -~]*$/;
const TOKEN = /^[\w!#$%&'*+.^`{|}~-]+$/;
const UFRAG = /^[\w+/]{4,256}$/;
const PWD = /^[\w+/]{22,256}$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const PAYLOAD_TYPE = /^\d{1,3}$/;
const FORMAT_LINE = /^a=(?:rtpmap|fmtp):\d{1,3} [ -~]{1,256}$/;
const SHA256_HASH = /^[0-9a-f]{2}(?::[0-9a-f]{2}){31}$/i;

const BUNDLE_ONLY =
  "The offer's data channel section is bundle-only, and on the transport of no audio or video section.";
const NO_DATA_SECTION = "The offer has no usable data channel section (m=application … webrtc-datachannel).";

export function parseOffer(text: string): ParsedOffer {
  if (text.length > MAX_OFFER_CHARACTERS)
    return failure(`The offer is longer than ${MAX_OFFER_CHARACTERS} characters.`);
  if (!text.startsWith("v=0")) return failure("The offer is not SDP: it does not start with v=0.");
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.length > MAX_LINES) return failure(`The offer has more than ${MAX_LINES} lines.`);
  if (lines.some((line) => line.length > MAX_LINE_CHARACTERS)) {
    return failure(`The offer has a line of more than ${MAX_LINE_CHARACTERS} characters.`);
  }
  const mediaLines = lines.filter((line) => line.startsWith("m="));
  if (mediaLines.length > MAX_SECTIONS) return failure(`The offer has more than ${MAX_SECTIONS} media sections.`);
  if (!mediaLines.every((line) => MEDIA_LINE.test(line))) return failure("The offer has a malformed m= line.");

  const session = parse(lines.filter(isRead).join("\r\n"));
  const dataIndexes = session.media.flatMap((media, index) => (isData(media) && !isRejected(media) ? [index] : []));
  if (dataIndexes.length === 0) return failure(NO_DATA_SECTION);
  if (dataIndexes.length > 1) return failure("The offer has more than one data channel section.");
  return readOffer(session, dataIndexes[0], lines);
}

function readOffer(session: SessionDescription, dataIndex: number, lines: readonly string[]): ParsedOffer {
  const data = session.media[dataIndex];
  const carrier = carrierOf(session, dataIndex, lines);
  if (data.bundleOnly !== undefined && carrier === undefined) return failure(BUNDLE_ONLY);
  const sections = session.media.map(readSection);
  const mids = sections.flatMap((section) => section.mid ?? []);
  if (!mids.every(isMid)) return failure("The offer has a malformed a=mid.");
  if (new Set(mids).size !== mids.length) return failure("The offer has the same a=mid twice.");

  // RFC 8445 §6.1.1: two lite agents would both wait for a check.
  if (session.icelite !== undefined) return failure("The offer is from an ICE-lite agent, and so is the answer.");
  const ufrag = String(data.iceUfrag ?? session.iceUfrag ?? "");
  if (!isIceText(UFRAG, ufrag)) return failure("The offer has no valid a=ice-ufrag (4 to 256 ice-chars).");
  const pwd = String(data.icePwd ?? session.icePwd ?? "");
  if (!isIceText(PWD, pwd)) return failure("The offer has no valid a=ice-pwd (22 to 256 ice-chars).");

  const fingerprint = data.fingerprint ?? session.fingerprint;
  const hash = String(fingerprint?.hash ?? "");
  if (!SHA256_HASH.test(hash)) return failure("The offer has no valid a=fingerprint with sha-256.");

  // RFC 4145 §4: an offer without the attribute means active.
  const setup = String(data.setup ?? session.setup ?? "active");
  if (setup !== "actpass" && setup !== "active") {
    return failure("The offer's a=setup must be actpass or active: this side is always the passive one.");
  }

  const sctpPort = sctpPortOf(data);
  if (!(sctpPort >= 1 && sctpPort <= 65_535)) return failure("The offer's a=sctp-port is not 1 to 65535.");
  const maxMessageBytes = maxMessageBytesOf(data);
  if (!Number.isFinite(maxMessageBytes)) return failure("The offer's a=max-message-size is not a number of bytes.");

  const sctpInit = invalidValue(data, "sctp-init");
  return {
    ok: true,
    offer: {
      ufrag,
      pwd,
      iceOptions: iceOptionsOf(lines),
      fingerprint: fromHex(hash.replaceAll(":", "")),
      sctpPort,
      maxMessageBytes,
      // Only an offer of a shortcut: a malformed one is as good as none.
      sctpInit: isInit(sctpInit) ? sctpInit : undefined,
      sections,
      dataIndex,
      bundled: bundleOf(session, sections[dataIndex].mid) !== undefined,
      carrier,
    },
  };
}

/** Whether a line matters here. Fingerprints of other hashes do not: the parser keeps the last line of a section. */
function isRead(line: string): boolean {
  if (line.startsWith("m=")) return true;
  if (!line.startsWith("a=")) return false;
  const colon = line.indexOf(":");
  const name = colon < 0 ? line.slice(2) : line.slice(2, colon);
  if (name === "fingerprint") return /^a=fingerprint:sha-256 /i.test(line);
  return READ_ATTRIBUTES.has(name);
}

/**
 * RFC 8841 §4: `m=application PORT UDP/DTLS/SCTP webrtc-datachannel`, or over TCP, or as browsers wrote it before the
 * RFC: `m=application PORT DTLS/SCTP 5000` with `a=sctpmap:5000 webrtc-datachannel 1024`.
 */
function isData(media: MediaDescription): boolean {
  if (media.type !== "application") return false;
  switch (media.protocol) {
    case "UDP/DTLS/SCTP":
    case "TCP/DTLS/SCTP":
      return media.payloads === "webrtc-datachannel";
    case "DTLS/SCTP":
      return media.sctpmap?.app === "webrtc-datachannel" && media.sctpmap.sctpmapNumber === media.payloads;
    default:
      return false;
  }
}

/** RFC 3264 §5.1: port 0 turns a section down, except (RFC 9143 §6) with `a=bundle-only`. */
function isRejected(media: MediaDescription): boolean {
  return Number(media.port) === 0 && media.bundleOnly === undefined;
}

function readSection(media: MediaDescription): OfferedSection {
  return {
    media: String(media.type),
    protocol: String(media.protocol),
    formats: String(media.payloads),
    mid: media.mid === undefined ? undefined : String(media.mid),
  };
}

function sctpPortOf(data: MediaDescription): number {
  if (data.protocol === "DTLS/SCTP") return Number(data.payloads);
  if (data.sctpPort !== undefined) return Number(data.sctpPort);
  return invalidValue(data, "sctp-port") === undefined ? DEFAULT_SCTP_PORT : Number.NaN;
}

function maxMessageBytesOf(data: MediaDescription): number {
  if (data.maxMessageSize !== undefined) return Number(data.maxMessageSize);
  return invalidValue(data, "max-message-size") === undefined ? DEFAULT_MAX_MESSAGE_BYTES : Number.NaN;
}

/** The mids of the BUNDLE group that a section is in. */
function bundleOf(session: SessionDescription, mid: unknown): string[] | undefined {
  if (mid === undefined) return undefined;
  const groups = (session.groups ?? [])
    .filter(({ type }) => type === "BUNDLE")
    .map(({ mids }) => String(mids).split(" "));
  return groups.find((mids) => mids.includes(String(mid)));
}

/**
 * RFC 9143 §7.2: the first section of a group is the tagged one, whose transport all use. Chromium, with `bundlePolicy`
 * `max-bundle`, has made no other, and cannot do without it; what it offers does not tell that policy from the default.
 */
function carrierOf(session: SessionDescription, dataIndex: number, lines: readonly string[]): Carrier | undefined {
  const [tag] = bundleOf(session, session.media[dataIndex].mid) ?? [];
  const index = session.media.findIndex(({ mid }) => mid !== undefined && String(mid) === tag);
  if (index < 0 || index === dataIndex) return undefined;
  const { type, port, payloads } = session.media[index];
  if ((type !== "audio" && type !== "video") || Number(port) === 0) return undefined;
  const starts = lines.flatMap((line, at) => (line.startsWith("m=") ? [at] : []));
  const section = lines.slice(starts[index], starts[index + 1]);
  for (const format of String(payloads).split(" ")) {
    const formatLines = section.filter(
      (line) => line.startsWith(`a=rtpmap:${format} `) || line.startsWith(`a=fmtp:${format} `),
    );
    if (PAYLOAD_TYPE.test(format) && formatLines.every((line) => FORMAT_LINE.test(line)) && formatLines.length > 0) {
      return { index, format, formatLines };
    }
  }
  return undefined;
}

/** The tags of all `a=ice-options` lines; read here because the parser keeps only the first tag of each. */
function iceOptionsOf(lines: readonly string[]): string[] {
  const prefix = "a=ice-options:";
  const tags = lines.filter((line) => line.startsWith(prefix)).flatMap((line) => line.slice(prefix.length).split(" "));
  return [...new Set(tags.filter((tag) => tag !== ""))];
}

/** The value of an attribute the parser did not know, or whose value it did not like. */
function invalidValue(data: MediaDescription, name: string): string | undefined {
  for (const { value } of data.invalid ?? []) {
    const text = String(value);
    if (text.startsWith(`${name}:`)) return text.slice(name.length + 1);
  }
  return undefined;
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
