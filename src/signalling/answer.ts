/** Writing of SDP answers (RFC 8866, 8841, 8839): ICE-lite, DTLS passive, one data-channel section. */
import { isIpv6, type SocketAddress } from "../wire/address.ts";
import type { Carrier, Offer, OfferedSection } from "./offer.ts";

/** What this side says of itself. */
export interface AnswerParts {
  /** How this side calls the connection. Not part of the SDP. */
  readonly id?: string;
  /** What further offers of the connection have to name. Not part of the SDP. */
  readonly session?: string;
  /** Tells the answers of one session apart: the first has 1, which is the default. */
  readonly version?: number;
  /** The ufrag of the session's first answer, where that is another one. */
  readonly firstUfrag?: string;
  /** Our ICE user fragment. */
  readonly ufrag: string;
  /** Our ICE password. */
  readonly pwd: string;
  /** SHA-256 over our certificate, 32 bytes. */
  readonly fingerprint: Uint8Array;
  /** Where we are reached, the preferred first. */
  readonly candidates: readonly SocketAddress[];
  /** Largest message we take, in bytes. */
  readonly maxMessageBytes: number;
  /** Tags of the offer's `a=ice-options` that we take part in, beside `ice2`. Default none. */
  readonly iceOptions?: readonly string[];
  /** Our SCTP INIT chunk in base64, where the offer brought one and the SCTP handshake is to be left out. */
  readonly sctpInit?: string;
}

/** Our SCTP port; it stands for nothing but itself inside DTLS, and 5000 is what everybody uses. */
export const SCTP_PORT = 5000;

export function buildAnswer(offer: Offer, parts: AnswerParts): string {
  // RFC 3264 §8: in a further answer the o= line is that of the first, but for a version that is greater by one.
  const origin = `${sessionIdOf(parts.firstUfrag ?? parts.ufrag)} ${parts.version ?? 1}`;
  const lines = ["v=0", `o=- ${origin} IN IP4 0.0.0.0`, "s=-", "t=0 0"];
  const { sections, dataIndex, carrier } = offer;
  const taken = carrier === undefined ? [dataIndex] : [carrier.index, dataIndex];
  // RFC 9143 §7.3: of the offered group those that are not rejected, the tagged one first.
  if (offer.bundled) lines.push(`a=group:BUNDLE ${taken.map((index) => sections[index].mid).join(" ")}`);
  lines.push("a=ice-lite");
  for (const [index, section] of sections.entries()) {
    if (index === dataIndex) lines.push(...dataSection(section, parts));
    else if (index === carrier?.index) lines.push(...carrierSection(section, carrier, parts));
    else lines.push(...rejectedSection(section));
  }
  return `${lines.join("\r\n")}\r\n`;
}

/** The value of an `a=candidate` line (RFC 8839 §5.1) for the `index`th of these host candidates. */
export function candidateAttribute(candidates: readonly SocketAddress[], index: number): string {
  const { address, port } = candidates[index];
  // RFC 8445 §5.1.1.3: candidates of one type, base address and protocol share a foundation.
  const addresses = [...new Set(candidates.map((candidate) => candidate.address))];
  const foundation = addresses.indexOf(address) + 1;
  return `candidate:${foundation} 1 udp ${priorityOf(index)} ${address} ${port} typ host`;
}

function dataSection(section: OfferedSection, parts: AnswerParts): string[] {
  const old = section.protocol === "DTLS/SCTP";
  const lines = transportLines(section, old ? String(SCTP_PORT) : section.formats, parts);
  lines.push(
    old ? `a=sctpmap:${SCTP_PORT} webrtc-datachannel 1024` : `a=sctp-port:${SCTP_PORT}`,
    `a=max-message-size:${parts.maxMessageBytes}`,
  );
  if (parts.sctpInit !== undefined) lines.push(`a=sctp-init:${parts.sctpInit}`);
  lines.push(...candidateLines(parts));
  return lines;
}

/** A media section for its transport only. */
function carrierSection(section: OfferedSection, { format, formatLines }: Carrier, parts: AnswerParts): string[] {
  const lines = transportLines(section, format, parts);
  lines.push(...formatLines, "a=rtcp-mux", "a=inactive", ...candidateLines(parts));
  return lines;
}

/** Where and how we are reached. The beginning of a section. */
function transportLines(section: OfferedSection, formats: string, parts: AnswerParts): string[] {
  const [first] = parts.candidates;
  const lines = [
    `m=${section.media} ${first?.port ?? 9} ${section.protocol} ${formats}`,
    first === undefined ? "c=IN IP4 0.0.0.0" : `c=IN ${isIpv6(first.address) ? "IP6" : "IP4"} ${first.address}`,
  ];
  if (section.mid !== undefined) lines.push(`a=mid:${section.mid}`);
  lines.push(
    `a=ice-ufrag:${parts.ufrag}`,
    `a=ice-pwd:${parts.pwd}`,
    // RFC 8445 §10: "An agent compliant to this specification MUST inform the peer about the compliance".
    `a=ice-options:${["ice2", ...(parts.iceOptions ?? [])].join(" ")}`,
    `a=fingerprint:sha-256 ${hashText(parts.fingerprint)}`,
    "a=setup:passive",
  );
  return lines;
}

function candidateLines({ candidates }: AnswerParts): string[] {
  return [...candidates.map((_, index) => `a=${candidateAttribute(candidates, index)}`), "a=end-of-candidates"];
}

/** RFC 3264 §6: a stream is rejected by port 0 in the answer, and its section keeps its place. */
function rejectedSection(section: OfferedSection): string[] {
  const lines = [`m=${section.media} 0 ${section.protocol} ${section.formats}`, "c=IN IP4 0.0.0.0"];
  if (section.mid !== undefined) lines.push(`a=mid:${section.mid}`);
  lines.push("a=inactive");
  return lines;
}

/** RFC 8445 §5.1.2.1: 2^24 × type (126, host) + 2^8 × local preference + 256 − component (1). */
function priorityOf(index: number): number {
  return 126 * 0x1000000 + (0xffff - index) * 0x100 + 255;
}

/** RFC 8122 §5: pairs of upper-case hexadecimal digits. */
function hashText(hash: Uint8Array): string {
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(":");
}

/** RFC 8866 §5.2 wants a number that differs from answer to answer: that of the (random) ufrag will do. */
function sessionIdOf(ufrag: string): string {
  let id = 0n;
  for (const character of ufrag) id = (id * 256n + BigInt(character.charCodeAt(0))) & 0x3fff_ffff_ffff_ffffn;
  return id.toString();
}
