/** Clauses of docs/dtls-conformance.md that no other test is about. */
import { describe, expect, it } from "vitest";
import { encodeKeyShares, encodeNumbers, parseKeyShares, parseNumbers } from "../../../src/dtls/extensions.ts";
import { encodeWhole } from "../../../src/dtls/reassembly.ts";
import type { DtlsVersion } from "../../../src/dtls/machine.ts";
import {
  CERTIFICATE_REQUEST,
  encodeCertificateRequest12,
  parseClientHello,
  parseServerHello,
} from "../../../src/dtls/messages.ts";
import { RecordLayer } from "../../../src/dtls/record.ts";
import { PEER_SCHEMES } from "../../../src/dtls/signature-schemes.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { DropCounters } from "../../../src/wire/drops.ts";
import { Side } from "./machine-side.ts";
import { clientHello, helloExtensions, record, splitRecords } from "./records.ts";
import { overheard, Rogue, type Role } from "./rogue.ts";
import { exchange, Party } from "./support.ts";

const UNEXPECTED_MESSAGE = 10;
const ILLEGAL_PARAMETER = 47;
const ALERT = 21;
const HANDSHAKE = 22;
const APPLICATION_DATA = 23;
const BOTH: readonly DtlsVersion[] = ["1.3", "1.2"];
const OTHER: Readonly<Record<Role, Role>> = { client: "server", server: "client" };

/** A hello for DTLS 1.3 that names no key of a group, so that the answer is short. */
const hello13 = (sessionId: Uint8Array) =>
  clientHello({
    sessionId,
    cipherSuites: [0x1301, 0xc02b],
    extensions: helloExtensions({ 43: encodeNumbers([0xfefc, 0xfefd], 1), 51: encodeKeyShares([]) }),
  });

function serverHello(datagram: Uint8Array) {
  return parseServerHello(splitRecords(datagram)[0].bytes.subarray(25))!;
}

describe("our ClientHello", () => {
  const client = new Party({ role: "client", versions: BOTH, mtuBytes: 2048 });
  client.connection.start(0);
  const [{ bytes }] = splitRecords(client.take()[0]);
  const hello = parseClientHello(bytes.subarray(25))!;

  it("has version 1.2, no session, no cookie and null compression, whatever versions it offers (RFC 9147 §5.3)", () => {
    expect(hello.version).toBe(0xfefd);
    expect(hello.sessionId).toHaveLength(0);
    expect(hello.cookie).toHaveLength(0);
    expect([...hello.compressionMethods]).toEqual([0]);
    expect(hello.extensions.has(44)).toBe(false);
    expect(parseNumbers(hello.extensions.get(43)!, 1)).toEqual([0xfefc, 0xfefd]);
  });

  it("has keys for groups that it names, in their order, and no group twice (RFC 8446 §4.2.8)", () => {
    const groups = parseNumbers(hello.extensions.get(10)!)!;
    const shared = parseKeyShares(hello.extensions.get(51)!)!.map(({ group }) => group);
    expect(shared).not.toEqual([]);
    expect(groups.filter((group) => shared.includes(group))).toEqual(shared);
    expect(new Set(groups).size).toBe(groups.length);
  });

  it("offers suites with forward secrecy and AEAD only, and no SHA-1 or MD5 (RFC 8827 §6.5, RFC 8446 §4.2.3)", () => {
    expect(hello.cipherSuites).toEqual([0x1301, 0xc02b, 0xc02f]);
    expect(parseNumbers(hello.extensions.get(13)!)).toEqual([...PEER_SCHEMES]);
    for (const scheme of PEER_SCHEMES) expect(scheme >>> 8, scheme.toString(16)).toBeGreaterThan(3);
  });
});

describe("a server", () => {
  it("does not echo the session of a hello, in either version (RFC 9147 §5, §5.4)", () => {
    for (const versions of [BOTH, ["1.2"] as const]) {
      const server = new Party({ role: "server", versions });
      server.connection.handleDatagram(0, hello13(Uint8Array.of(1, 2, 3)));
      expect(serverHello(server.sent[0]).sessionId).toHaveLength(0);
    }
  });

  it("takes a hello in a record of any minor version, and marks its own with 1.2 (RFC 9147 §4)", () => {
    for (const minor of [0xff, 0xfd, 0xfc, 0x00]) {
      const server = new Party({ role: "server", versions: BOTH });
      const hello = clientHello();
      hello[2] = minor;
      server.connection.handleDatagram(0, hello);
      for (const { bytes } of splitRecords(server.sent[0])) expect([...bytes.subarray(1, 3)]).toEqual([0xfe, 0xfd]);
    }
  });

  it("asks for the same suite in a retry and in the ServerHello after it (RFC 8446 §4.1.4)", () => {
    const client = new Party({ role: "client", versions: ["1.3"], groups: [0x001d, 0x0017] });
    const server = new Party({ role: "server", versions: ["1.3"], groups: [0x0017] });
    client.connection.start(0);
    server.connection.handleDatagram(0, client.take()[0]);
    const [retry] = server.take();
    client.connection.handleDatagram(0, retry);
    server.connection.handleDatagram(0, client.take()[0]);
    const answer = serverHello(server.sent[0]);
    expect(answer.cipherSuite).toBe(serverHello(retry).cipherSuite);
    expect(answer.extensions.get(43)).toEqual(serverHello(retry).extensions.get(43));
  });
});

/** What an authentic peer may say only in its place, after a handshake of DTLS 1.3. */
const OUT_OF_PLACE: readonly { what: string; type: number; body: Uint8Array; alert: number; victims: Role[] }[] = [
  {
    what: "RequestConnectionId",
    type: 9,
    body: Uint8Array.of(1),
    alert: UNEXPECTED_MESSAGE,
    victims: ["client", "server"],
  },
  {
    what: "NewConnectionId",
    type: 10,
    body: Uint8Array.of(0, 0, 0),
    alert: UNEXPECTED_MESSAGE,
    victims: ["client", "server"],
  },
  {
    what: "EndOfEarlyData",
    type: 5,
    body: new Uint8Array(0),
    alert: UNEXPECTED_MESSAGE,
    victims: ["client", "server"],
  },
  { what: "a CertificateRequest", type: 13, body: new Uint8Array(3), alert: UNEXPECTED_MESSAGE, victims: ["client"] },
  {
    what: "a ClientHello",
    type: 1,
    body: new Uint8Array(60),
    alert: UNEXPECTED_MESSAGE,
    victims: ["client", "server"],
  },
  {
    what: "a KeyUpdate that asks for 2",
    type: 24,
    body: Uint8Array.of(2),
    alert: ILLEGAL_PARAMETER,
    victims: ["client", "server"],
  },
];

describe("after a handshake of DTLS 1.3", () => {
  it.each(OUT_OF_PLACE)("$what ends the connection with alert $alert", ({ type, body, alert, victims }) => {
    for (const victim of victims) {
      const pair = overheard("1.3", victim, true);
      const content = encodeWhole({ type, sequence: victim === "client" ? 6 : 4, epoch: 3, body });
      pair[victim].connection.handleDatagram(1, new Rogue("1.3", OTHER[victim], pair, 3).record(HANDSHAKE, content));
      expect(pair[victim].closedWith, victim).toEqual({ cause: "alert", alert });
    }
  });

  it("an alert of any level and number is the end, but for user_canceled (RFC 8446 §6)", () => {
    for (const [level, description] of [
      [1, 80],
      [2, 80],
      [7, 80],
      [1, 200],
    ]) {
      const pair = overheard("1.3", "server", true);
      const rogue = new Rogue("1.3", "client", pair, 3);
      pair.server.connection.handleDatagram(1, rogue.record(ALERT, Uint8Array.of(level, description)));
      expect(pair.server.closedWith).toEqual({ cause: "peer-alert", alert: description });
    }
    const pair = overheard("1.3", "server", true);
    const rogue = new Rogue("1.3", "client", pair, 3);
    pair.server.connection.handleDatagram(1, rogue.record(ALERT, Uint8Array.of(1, 90)));
    expect(pair.server.connection.state).toBe("connected");
  });
});

it.each<DtlsVersion>(["1.2", "1.3"])(
  "what comes behind a close_notify of DTLS %s is ignored (RFC 8446 §6.1)",
  (version) => {
    const pair = overheard(version, "server", true);
    const rogue = new Rogue(version, "client", pair, version === "1.2" ? 1 : 3);
    for (const [type, content] of [
      [ALERT, Uint8Array.of(1, 0)],
      [APPLICATION_DATA, Uint8Array.of(65)],
    ] as const) {
      pair.server.connection.handleDatagram(1, rogue.record(type, content));
    }
    expect(pair.server.closedWith).toEqual({ cause: "peer" });
    expect(pair.server.received).toEqual([]);
  },
);

it("a KeyUpdate before the Finished ends the handshake with unexpected_message (RFC 8446 §4.6.3)", () => {
  for (const victim of ["client", "server"] as const) {
    const pair = overheard("1.3", victim, false);
    const sequence = victim === "client" ? 1 : 1;
    const content = encodeWhole({ type: 24, sequence, epoch: 2, body: Uint8Array.of(0) });
    pair[victim].connection.handleDatagram(1, new Rogue("1.3", OTHER[victim], pair, 2).record(HANDSHAKE, content));
    expect(pair[victim].closedWith, victim).toEqual({ cause: "alert", alert: UNEXPECTED_MESSAGE });
  }
});

it("a key under which 2^36 records failed to open ends the connection (RFC 9147 §4.5.3)", () => {
  let limits = 0;
  const events = { content: () => {}, unreadable: () => {}, refused: () => {}, forgeryLimit: () => limits++ };
  const layer = new RecordLayer(new Datapath({ keySlots: 4 }), 1200, new DropCounters(), events, {
    transmit: () => {},
  });
  layer.epochs.installRead13(3, new Uint8Array(32));
  const forged = new Uint8Array(40).fill(7);
  forged[0] = 0x2f;
  forged[3] = 0;
  forged[4] = 35;
  layer.read(0, forged);
  expect(limits).toBe(0);
  layer.epochs.findRead("1.3", 3, 3)!.forgeries = 2 ** 36 - 1;
  layer.read(0, forged);
  expect(limits).toBe(1);
  layer.close();
});

it("alerts of ours are fatal, and a close_notify is a warning (RFC 8446 §6)", () => {
  const refused = new Party({ role: "server", versions: BOTH });
  refused.connection.handleDatagram(0, clientHello({ cipherSuites: [0xc02c] }));
  expect([...refused.sent[0].subarray(13)]).toEqual([2, 40]);
  const client = new Party({ role: "client" });
  const server = new Party({ role: "server" });
  client.connection.start(0);
  server.connection.handleDatagram(0, client.take()[0]);
  server.take();
  server.connection.close(0);
  expect(server.sent.map((datagram) => [...datagram.subarray(13)])).toEqual([[1, 0]]);
  exchange(client, server);
});

it("an ACK, an alert and a ChangeCipherSpec in the clear are never acknowledged (RFC 9147 §7.1)", () => {
  const pair = overheard("1.3", "server", false);
  for (const type of [20, 21, 26]) pair.server.connection.handleDatagram(1, record(type, Uint8Array.of(1), 50));
  for (let at = 10; at < 150; at += 10) pair.server.connection.handleTimeout(at);
  expect(pair.server.sent).toEqual([]);
});

it("a client none of whose keys fits what a server asks for shows an empty certificate (RFC 5246 §7.4.6)", () => {
  const client = new Side("client", "1.2");
  const server = new Side("server", "1.2");
  client.machine.start?.();
  server.take(client.out.splice(0));
  const request = encodeCertificateRequest12([0x0804]);
  const flight = server.out.splice(0);
  client.take(
    flight.map((message) => (message.type === CERTIFICATE_REQUEST ? { ...message, body: request } : message)),
  );
  expect(client.failure).toBeUndefined();
  // Certificate, ClientKeyExchange and Finished, without a CertificateVerify.
  expect(client.out.map(({ type }) => type)).toEqual([11, 16, 20]);
  expect([...client.out[0].body]).toEqual([0, 0, 0]);
});
