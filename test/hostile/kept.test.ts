/** What sessions and connections keep of the largest offers: nothing of their text. */
import { expect, test } from "vitest";
import { readAnswer } from "../../src/client/native/description.ts";
import { randomBytes } from "../../src/crypto/platform.ts";
import { DtlsConnection, type DtlsVersion } from "../../src/dtls/connection.ts";
import { remoteDescription } from "../../src/core/session.ts";
import type { EndpointLimits } from "../../src/limits.ts";
import { MAX_OFFER_CHARACTERS, parseOffer } from "../../src/signalling/offer.ts";
import { Datapath } from "../../src/wasm/datapath.ts";
import { pageCertificate, ScriptedPage, ScriptedServer } from "../unit/core/support/scripted-page.ts";
import { record } from "../unit/dtls/records.ts";
import { usedBytes } from "./support/memory.ts";

const SESSIONS = 300;
const CONNECTIONS = 40;
const ROUNDS = 5;
const MAX_SESSION_BYTES = 1_024;
const MAX_CONNECTION_BYTES = 12 * 1_024;
const MAX_HANDSHAKE_BYTES = 14 * 1_024;
/** With everything that anybody may send before the handshake is complete. */
const MAX_STUFFED_BYTES = 40 * 1_024;

const INIT = "AQAAMgAAAAEAEAAABAAEAAAAAAHAAAAEgAgABoLAAAA=";
const hash = Array.from(pageCertificate.fingerprintBytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");

/** Attributes that fill an offer to its limit. */
const PADDINGS: readonly (readonly [string, (bytes: number) => string[]])[] = [
  ["wide attributes", (bytes) => fill(bytes, (length) => `a=group:${"a".repeat(length)}`, 8_000)],
  [
    "wide attributes, one with an emoji",
    (bytes) => ["a=group:😀", ...fill(bytes - 16, (length) => `a=group:${"a".repeat(length)}`, 8_000)],
  ],
  ["many attributes", (bytes) => fill(bytes, (length) => `a=group:${"b".repeat(length)}`, 250)],
  [
    "many attributes, one with an emoji",
    (bytes) => ["a=group:😀", ...fill(bytes - 16, (length) => `a=group:${"b".repeat(length)}`, 250)],
  ],
];

function fill(bytes: number, line: (length: number) => string, width: number): string[] {
  const each = line(width).length + 2;
  return Array.from({ length: Math.floor(bytes / each) }, () => line(width));
}

/** An offer of at most 65,536 bytes, near that. */
function largestOffer(padding: (bytes: number) => string[], ufrag: string): string {
  const lines = [
    "v=0",
    "o=- 1 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${"p".repeat(24)}`,
    `a=fingerprint:sha-256 ${hash}`,
    "a=setup:actpass",
    "a=mid:0",
    `a=sctp-init:${INIT}`,
  ];
  const used = lines.reduce((sum, line) => sum + line.length + 2, 0);
  const offer = [...lines, ...padding(MAX_OFFER_CHARACTERS - used - 64)].slice(0, 2_000).join("\r\n");
  expect(offer.length).toBeLessThanOrEqual(MAX_OFFER_CHARACTERS);
  return `${offer}\r\n`;
}

function remoteOf(offer: string) {
  const parsed = parseOffer(offer);
  if (!parsed.ok) throw new Error(parsed.error);
  return remoteDescription(parsed.offer);
}

/** The engine itself keeps the last text that a regular expression was matched with. */
function weigh(): number {
  /a/.exec("a");
  return usedBytes();
}

/** None is freed while another one is weighed. */
const servers: ScriptedServer[] = [];

function newServer(seed: string, limits: Partial<EndpointLimits>): ScriptedServer {
  const server = new ScriptedServer(seed, limits);
  servers.push(server);
  return server;
}

/**
 * What each of `count` results keeps, bytes. They are made in several rounds, of which the one counts that took least: what the engine
 * compiles meanwhile is kept once, not by each.
 */
function keptBy(count: number, make: (index: number) => unknown): number {
  const kept: unknown[] = [];
  const perRound = count / ROUNDS;
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = weigh();
    for (let i = 0; i < perRound; i++) kept.push(make(kept.length));
    least = Math.min(least, (weigh() - before) / perRound);
  }
  expect(kept).toHaveLength(count);
  return least;
}

test.each(PADDINGS)("a pending session keeps at most 1 KB of an offer of 64 KB with %s", (_, padding) => {
  const server = newServer("kept sessions", { maxPendingSessions: SESSIONS });
  // The server holds the sessions: what is kept here is nothing.
  const bytes = keptBy(SESSIONS, (i) => {
    const remote = remoteOf(largestOffer(padding, `${"u".repeat(32)}${i}`));
    return server.endpoint.createSession(0, remote) !== undefined;
  });
  expect(server.endpoint.pendingSessionCount).toBe(SESSIONS);
  expect(bytes).toBeLessThanOrEqual(MAX_SESSION_BYTES);
});

test.each(PADDINGS)("an open connection takes at most 12 KB, whose offer had 64 KB with %s", (_, padding) => {
  const server = newServer("kept connections", {
    maxConnections: CONNECTIONS,
    maxHandshakes: 1_024,
  });
  const bytes = keptBy(CONNECTIONS, (i) => {
    const page = new ScriptedPage(server, false, remoteOf(largestOffer(padding, `${"u".repeat(32)}${i}`)));
    page.open({ address: `192.0.2.${i}`, port: 1_000 });
    // It hears no more of the page, whose keys make room for the next one's.
    page.dtls.close(0);
    server.sent.length = 0;
    server.received.length = 0;
    return undefined;
  });
  expect([...server.endpoint.connections()].every(({ state }) => state === "open")).toBe(true);
  expect(bytes).toBeLessThanOrEqual(MAX_CONNECTION_BYTES);
});

test("a client keeps at most 1 KB of an answer of 64 KB", () => {
  const bytes = keptBy(SESSIONS, (i) => {
    const lines = [
      "v=0",
      "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
      `a=ice-ufrag:${"u".repeat(32)}${i}`,
      `a=ice-pwd:${"p".repeat(24)}`,
      `a=fingerprint:sha-256 ${hash}`,
      "a=candidate:1 1 udp 1 2001:0db8:0000:0000:0000:0000:0000:0001 9 typ host",
      `a=x:${"x".repeat(60_000)}`,
    ];
    const answer = readAnswer(JSON.stringify({ answer: { sdp: lines.join("\r\n") } }));
    expect(answer).toBeTypeOf("object");
    return answer;
  });
  expect(bytes).toBeLessThanOrEqual(MAX_SESSION_BYTES);
});

const datapath = new Datapath({ keySlots: 8 });

/** The first datagrams of a client. */
function firstFlight(version: DtlsVersion): Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  const client = new DtlsConnection(
    {
      role: "client",
      certificate: pageCertificate,
      datapath,
      random: randomBytes,
      versions: [version],
      verifyPeerCertificate: () => true,
    },
    { transmit: (datagram) => datagrams.push(datagram.slice()), applicationData() {}, connected() {}, closed() {} },
  );
  client.start(0);
  const flight = datagrams.splice(0);
  client.close(0);
  return flight;
}

/** Handshake fragments of one byte that leave a hole after each, of messages that never become whole. */
function scatteredFragments(): Uint8Array[] {
  return Array.from({ length: 40 }, (_, i) => {
    const content = new Uint8Array(13 * 80);
    const view = new DataView(content.buffer);
    for (let k = 0; k < 80; k++) {
      view.setUint32(13 * k, (11 << 24) | 8_000);
      view.setUint16(13 * k + 4, 2 + (i % 6));
      view.setUint16(13 * k + 7, 2 * (80 * Math.floor(i / 6) + k));
      view.setUint8(13 * k + 11, 1);
    }
    return record(22, content, i + 10);
  });
}

/** Records whose keys are not there yet, of both versions: small ones, then large ones. */
function earlyRecords(): Uint8Array[] {
  return Array.from({ length: 100 }, (_, i) => record(22, new Uint8Array(i < 60 ? 100 : 1_100), i, 1));
}

const STUFFING = [...scatteredFragments(), ...earlyRecords()];

test.each([
  ["1.3", "says no more", MAX_HANDSHAKE_BYTES, []],
  ["1.2", "says no more", MAX_HANDSHAKE_BYTES, []],
  ["1.3", "then sends all that is kept for later", MAX_STUFFED_BYTES, STUFFING],
  ["1.2", "then sends all that is kept for later", MAX_STUFFED_BYTES, STUFFING],
] as const)(
  "a client of DTLS %s that has said hello and %s takes no more than %i bytes, and is counted with as much",
  (version, _, most, more) => {
    const server = newServer("half open", {
      maxConnections: CONNECTIONS,
      maxHandshakes: 1_024,
    });
    let counted = 0;
    const bytes = keptBy(CONNECTIONS, (i) => {
      const at = { address: `192.0.2.${i}`, port: 1_000 };
      const page = new ScriptedPage(server);
      page.check(at, true);
      for (const datagram of [...firstFlight(version), ...more]) server.endpoint.handleDatagram(0, at, datagram);
      server.endpoint.flush(0);
      server.sent.length = 0;
      expect(page.connection.state).toBe("handshaking");
      counted = page.connection.memory.bytes;
      return undefined;
    });
    expect(server.endpoint.handshakeCount).toBe(CONNECTIONS);
    expect(bytes).toBeLessThanOrEqual(most);
    expect(counted).toBeGreaterThan(0.7 * bytes);
  },
);
