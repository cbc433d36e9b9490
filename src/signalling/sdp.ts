/**
 * SDP (RFC 8866) as far as an offer needs it. An offer may be sixty thousand characters of anything: it is read in one pass, and no
 * line takes more work than its length.
 */

/** The attributes that are read, by name; of one that is there twice, the last. Those without a value have an empty one. */
export type SdpAttributes = ReadonlyMap<string, string>;

export interface Sdp {
  /** Those of the session. */
  readonly attributes: SdpAttributes;
  /** The values of the session's `a=group` lines. */
  readonly groups: readonly string[];
  /** The tags of all `a=ice-options` lines, the session's and the sections'. */
  readonly iceOptions: readonly string[];
  readonly sections: readonly SdpSection[];
}

/** `m=MEDIA PORT PROTOCOL FORMATS`, and what follows. */
export interface SdpSection {
  readonly media: string;
  readonly port: number;
  readonly protocol: string;
  readonly formats: string;
  readonly attributes: SdpAttributes;
  /** Lines that say what a format is, `a=rtpmap` and `a=fmtp`, by format. */
  readonly formatLines: ReadonlyMap<string, readonly string[]>;
}

const SINGLE_ATTRIBUTES: ReadonlySet<string> = new Set([
  "ice-ufrag",
  "ice-pwd",
  "ice-lite",
  "fingerprint",
  "setup",
  "mid",
  "bundle-only",
  "sctp-port",
  "sctpmap",
  "max-message-size",
  "sctp-init",
]);

const MEDIA_LINE = /^m=(\w+) (\d{1,5}) ([\w/]+) ([!-~][ -~]*)$/;
const SHA256 = /^sha-256 /i;

/** RFC 8839 §5.6 registers a few tags, browsers add a few of their own. */
const MAX_ICE_OPTIONS = 64;

/** RFC 8866 §5: lines end in CR LF, and parsers should take LF alone as well. Here CR alone does, too, where there is no LF at all. */
export function linesOf(text: string, most: number): string[] {
  if (!text.includes("\n")) return text.split("\r", most);
  return text.split("\n", most).map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
}

export function readSdp(
  lines: readonly string[],
  maxSections: number,
): Sdp | "too-many-sections" | "malformed-section" {
  const session = new Map<string, string>();
  const groups: string[] = [];
  const iceOptions = new Set<string>();
  const sections: SdpSection[] = [];
  let attributes = session;
  let formatLines = new Map<string, string[]>();
  for (const line of lines) {
    if (line.startsWith("m=")) {
      if (sections.length === maxSections) return "too-many-sections";
      const match = MEDIA_LINE.exec(line);
      if (match === null) return "malformed-section";
      const [, media, port, protocol, formats] = match;
      attributes = new Map();
      formatLines = new Map();
      sections.push({ media, port: Number(port), protocol, formats, attributes, formatLines });
    } else if (line.startsWith("a=")) {
      const colon = line.indexOf(":");
      const name = colon < 0 ? line.slice(2) : line.slice(2, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1);
      // Fingerprints of other hashes may stand beside the one that counts.
      if (SINGLE_ATTRIBUTES.has(name) && (name !== "fingerprint" || SHA256.test(value))) attributes.set(name, value);
      else if (name === "group" && attributes === session) groups.push(value);
      else if (name === "rtpmap" || name === "fmtp") addFormatLine(formatLines, value, line);
      else if (name === "ice-options") addTags(iceOptions, value);
    }
  }
  return { attributes: session, groups, iceOptions: [...iceOptions], sections };
}

function addTags(tags: Set<string>, value: string): void {
  if (tags.size >= MAX_ICE_OPTIONS) return;
  for (const tag of value.split(" ", MAX_ICE_OPTIONS)) if (tag !== "" && tags.size < MAX_ICE_OPTIONS) tags.add(tag);
}

function addFormatLine(formatLines: Map<string, string[]>, value: string, line: string): void {
  const format = value.slice(0, value.indexOf(" "));
  const lines = formatLines.get(format);
  if (lines === undefined) formatLines.set(format, [line]);
  else lines.push(line);
}
