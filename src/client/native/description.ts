/**
 * Signalling as the offerer does it: the offer of a native client, and the reading of an ICE-lite server's answer. SDP as in
 * RFC 8866, 8841 and 8839.
 */
import type { ServerDescription } from "../../core/client-connection.ts";
import type { IceCredentials } from "../../ice/credentials.ts";
import { parseSignalledInit } from "../../sctp/snap.ts";
import { addressBytes, type SocketAddress } from "../../wire/address.ts";
import { fromBase64, fromHex, toBase64 } from "../../wire/bytes.ts";
import { ownText } from "../../wire/own-text.ts";
import { MAX_ANSWER_CHARACTERS } from "../body.ts";

/** What our offer says of us. */
export interface OfferParts {
  readonly credentials: IceCredentials;
  /** SHA-256 over our certificate, 32 bytes. */
  readonly fingerprint: Uint8Array;
  /** Largest message we take, in bytes. */
  readonly maxMessageBytes: number;
  /** Our SCTP INIT chunk: a server that answers with its own spares both the SCTP handshake. */
  readonly sctpInit?: Uint8Array;
}

const SCTP_PORT = 5000;
/** RFC 8841 §6: without the attribute it is 64K. */
const DEFAULT_MAX_MESSAGE_BYTES = 65_536;
/** A name, no document. */
const MAX_ID_CHARACTERS = 64;

/** An offer as a browser's: one data channel section, no candidates (an ICE-lite server needs none). */
export function writeOffer(parts: OfferParts, sessionId: string): string {
  const { credentials, fingerprint, maxMessageBytes, sctpInit } = parts;
  const hash = Array.from(fingerprint, (byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(":");
  const lines = [
    "v=0",
    `o=- ${sessionId} 2 IN IP4 127.0.0.1`,
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${credentials.ufrag}`,
    `a=ice-pwd:${credentials.pwd}`,
    "a=ice-options:ice2",
    `a=fingerprint:sha-256 ${hash}`,
    "a=setup:actpass",
    "a=mid:0",
    `a=sctp-port:${SCTP_PORT}`,
    `a=max-message-size:${maxMessageBytes}`,
  ];
  if (sctpInit !== undefined) lines.push(`a=sctp-init:${toBase64(sctpInit)}`);
  return `${lines.join("\r\n")}\r\n`;
}

/**
 * Reads the body of a signalling response, `{"answer":{"type":"answer","sdp":"…"},"candidate":{…},"id":"…"}`.
 *
 * @returns one sentence where it is no answer that can be used
 */
export function readAnswer(body: string): ServerDescription | string {
  if (body.length > MAX_ANSWER_CHARACTERS) return `The answer has more than ${MAX_ANSWER_CHARACTERS} characters.`;
  let json: { answer?: { sdp?: unknown }; candidate?: { candidate?: unknown }; id?: unknown };
  try {
    json = JSON.parse(body);
  } catch {
    return "The answer is not JSON.";
  }
  const sdp = json?.answer?.sdp;
  if (typeof sdp !== "string") return 'The answer has no {"answer":{"sdp":"…"}}.';
  const attributes = readAttributes(sdp);
  const first = (name: string) => attributes.find((line) => line.startsWith(`${name}:`))?.slice(name.length + 1);

  const ufrag = first("ice-ufrag");
  const pwd = first("ice-pwd");
  if (ufrag === undefined || pwd === undefined) return "The answer has no a=ice-ufrag and a=ice-pwd.";
  const fingerprint = readFingerprint(attributes);
  if (fingerprint === undefined) return "The answer has no valid a=fingerprint with sha-256.";
  const setup = first("setup");
  // RFC 8842 §5.3: to our actpass an answer says which of the two the server is.
  if (setup !== undefined && setup !== "passive" && setup !== "active") {
    return "The answer's a=setup must be passive or active.";
  }
  const sctpPort = Number(first("sctp-port") ?? SCTP_PORT);
  if (!(Number.isInteger(sctpPort) && sctpPort >= 1 && sctpPort <= 65_535))
    return "The answer's a=sctp-port is not 1 to 65535.";
  const maxMessageBytes = Number(first("max-message-size") ?? DEFAULT_MAX_MESSAGE_BYTES);
  if (!(Number.isInteger(maxMessageBytes) && maxMessageBytes >= 0))
    return "The answer's a=max-message-size is no number of bytes.";

  const trickled = json.candidate?.candidate;
  const candidates = readCandidates(typeof trickled === "string" ? [...attributes, trickled] : attributes);
  if (candidates.length === 0) return "The answer has no UDP candidate with an IP address.";
  // It lives as long as the connection, and must not keep the whole answer.
  const credentials = { ufrag: ownText(ufrag), pwd: ownText(pwd) };
  const id = typeof json.id === "string" && json.id.length <= MAX_ID_CHARACTERS && { id: ownText(json.id) };
  const role = setup === "active" && ({ dtlsRole: "server" } as const);
  const description = { ...id, ...credentials, ...role, fingerprint, sctpPort, maxMessageBytes, candidates };
  const signalledInit = first("sctp-init");
  if (signalledInit === undefined) return description;
  // The server will begin without a handshake: one that cannot be read is not to be passed over.
  const sctpInit = fromBase64(signalledInit.trim());
  if (sctpInit === undefined || parseSignalledInit(sctpInit) === undefined) {
    return "The answer's a=sctp-init is no INIT chunk in base64.";
  }
  return { ...description, sctpInit };
}

/** The attributes of the session and of the data channel's section, without `a=`; the section's first. */
function readAttributes(sdp: string): string[] {
  const session: string[] = [];
  const section: string[] = [];
  let current: string[] | undefined = session;
  for (const line of sdp.split(/\r\n|\r|\n/)) {
    if (line.startsWith("m=")) current = line.startsWith("m=application ") ? section : undefined;
    else if (line.startsWith("a=")) current?.push(line.slice(2));
  }
  return [...section, ...session];
}

function readFingerprint(attributes: readonly string[]): Uint8Array | undefined {
  for (const line of attributes) {
    const hash = /^fingerprint:sha-256 ([0-9a-f]{2}(?::[0-9a-f]{2}){31})\s*$/i.exec(line)?.[1];
    if (hash !== undefined) return fromHex(hash.replaceAll(":", ""));
  }
  return undefined;
}

/**
 * RFC 8839 §5.1: `candidate:FOUNDATION COMPONENT TRANSPORT PRIORITY ADDRESS PORT typ …`. Each address once, by priority.
 * Names instead of addresses are left out, as browsers do.
 */
function readCandidates(lines: readonly string[]): SocketAddress[] {
  const found = new Map<string, SocketAddress & { priority: number }>();
  for (const line of lines) {
    const match = /^(?:a=)?candidate:\S+ 1 udp (\d{1,10}) (\S+) (\d{1,5}) typ /i.exec(line);
    if (match === null) continue;
    const [, priority, address, port] = match;
    if (addressBytes(address) === undefined || Number(port) < 1 || Number(port) > 65_535) continue;
    const key = `${address} ${port}`;
    if (!found.has(key)) found.set(key, { address, port: Number(port), priority: Number(priority) });
  }
  return [...found.values()]
    .sort((a, b) => b.priority - a.priority)
    .map(({ address, port }) => ({ address: ownText(address), port }));
}
