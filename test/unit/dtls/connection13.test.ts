import { describe, expect, it } from "vitest";
import { Certificate } from "../../../src/dtls/certificate.ts";
import type { DtlsOptions, DtlsVersion } from "../../../src/dtls/connection.ts";
import { encodeKeyShares, encodeNumbers } from "../../../src/dtls/extensions.ts";
import type { ClientHello } from "../../../src/dtls/messages.ts";
import { parseAck } from "../../../src/dtls/ack.ts";
import { encodeWhole } from "../../../src/dtls/reassembly.ts";
import { RecordLayer } from "../../../src/dtls/record.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { concatBytes, fromHex, toHex } from "../../../src/wire/bytes.ts";
import { DropCounters } from "../../../src/wire/drops.ts";
import { overheard, Rogue } from "./rogue.ts";
import { clientHello, helloExtensions, record, splitRecords } from "./records.ts";
import {
  bytes,
  CLIENT_CERTIFICATE,
  connectedPair,
  exchange,
  NOT_BEFORE,
  Party,
  SERVER_CERTIFICATE,
} from "./support.ts";

const BOTH: readonly DtlsVersion[] = ["1.3", "1.2"];
const ONLY_13: readonly DtlsVersion[] = ["1.3"];
const X25519MLKEM768 = 0x11ec;
const X25519 = 0x001d;
const SECP256R1 = 0x0017;

function pair13(client: Partial<DtlsOptions> = {}, server: Partial<DtlsOptions> = {}) {
  return connectedPair({ versions: BOTH, ...client }, { versions: BOTH, ...server });
}

describe("a DTLS 1.3 handshake", () => {
  it("connects both sides, which then know the same things", () => {
    const { client, server } = pair13();
    for (const { connection, connectedTimes, closedWith } of [client, server]) {
      expect(connection.state).toBe("connected");
      expect(connection.version).toBe("1.3");
      expect(connection.cipherSuite).toBe(0x1301);
      expect(connection.group).toBe(X25519MLKEM768);
      expect(connection.maxPlaintextBytes).toBe(1200 - 22);
      expect(connectedTimes).toBe(1);
      expect(closedWith).toBeUndefined();
    }
    expect(client.connection.peerCertificate).toEqual(SERVER_CERTIFICATE.der);
    expect(server.connection.peerCertificate).toEqual(CLIENT_CERTIFICATE.der);
  });

  it("exchanges data with 20 bytes of overhead: alone in its datagram, a record needs no length", () => {
    const { client, server } = pair13();
    client.connection.send(0, bytes("ping"));
    expect(client.sent[0]).toHaveLength(4 + 20);
    expect(client.sent[0][0]).toBe(0b00101011);
    server.connection.send(0, bytes("pong"));
    client.connection.send(0, new Uint8Array(0));
    server.connection.send(0, new Uint8Array(server.connection.maxPlaintextBytes).fill(0));
    exchange(client, server);
    expect(server.received).toEqual(["ping", ""]);
    expect(client.received).toEqual(["pong", "\0".repeat(1178)]);
  });

  it.each([X25519MLKEM768, X25519, SECP256R1])("agrees on group %i where it is the only one", (group) => {
    const { client, server } = pair13({ groups: [group] });
    expect(client.connection.state).toBe("connected");
    expect(server.connection.group).toBe(group);
  });

  it("asks for a key of a group that the client named without one (HelloRetryRequest)", () => {
    for (const group of [SECP256R1, X25519MLKEM768]) {
      const rest = [SECP256R1, X25519, X25519MLKEM768].filter((other) => other !== group);
      const first = rest.includes(X25519MLKEM768) ? X25519 : SECP256R1;
      const { client, server } = pair13({ groups: [first, group] }, { groups: [group] });
      expect(client.connection.state, `group ${group}`).toBe("connected");
      expect(server.connection.group).toBe(group);
    }
  });

  it("asks for a cookie where that is wanted", () => {
    const helloVerify = { secret: new Uint8Array(32).fill(1), peer: Uint8Array.of(127, 0, 0, 1, 4, 5) };
    const { client, server } = pair13({}, { helloVerify });
    expect(client.connection.state).toBe("connected");
    expect(server.connection.version).toBe("1.3");
    const both = pair13({ groups: [X25519, SECP256R1] }, { helloVerify, groups: [SECP256R1] });
    expect(both.client.connection.state).toBe("connected");
  });

  it("answers nothing to a second hello with another cookie, and takes the true one", () => {
    const helloVerify = { secret: new Uint8Array(32).fill(1), peer: Uint8Array.of(127, 0, 0, 1, 4, 5) };
    const server = new Party({ role: "server", versions: ONLY_13, helloVerify });
    const client = new Party({ role: "client", versions: ONLY_13, groups: [X25519] });
    client.connection.start(0);
    server.connection.handleDatagram(0, client.take()[0]);
    client.connection.handleDatagram(0, server.take()[0]);
    const [hello] = client.take();
    const cookieAt = Buffer.from(hello).indexOf(Buffer.from("002c00440042", "hex")) + 6;
    const forged = Uint8Array.from(hello);
    forged[cookieAt] ^= 1;
    server.connection.handleDatagram(0, forged);
    expect(server.sent).toHaveLength(0);
    server.connection.handleDatagram(0, hello);
    expect(server.sent.length).toBeGreaterThan(0);
  });

  it("refuses a second hello that is another client's with illegal_parameter", () => {
    const server = new Party({ role: "server", versions: ONLY_13, groups: [SECP256R1] });
    const client = new Party({ role: "client", versions: ONLY_13, groups: [X25519, SECP256R1] });
    client.connection.start(0);
    server.connection.handleDatagram(0, client.take()[0]);
    client.connection.handleDatagram(0, server.take()[0]);
    const [hello] = client.take();
    hello[27] ^= 1; // the random
    server.connection.handleDatagram(0, hello);
    expect(server.closedWith).toEqual({ cause: "alert", alert: 47 });
  });

  it("sends a small answer to a hello that has to be repeated", () => {
    const server = new Party({ role: "server", versions: BOTH, groups: [SECP256R1] });
    const client = new Party({ role: "client", versions: BOTH, groups: [X25519, SECP256R1] });
    client.connection.start(0);
    const hello = client.take();
    for (const datagram of hello) server.connection.handleDatagram(0, datagram);
    expect(server.sent).toHaveLength(1);
    expect(server.sent[0].length).toBeLessThan(100);
    expect(server.connection.nextDeadline).toBe(30_000); // no retransmission timer: the client asks again
    for (const datagram of hello) server.connection.handleDatagram(100, datagram);
    expect(server.take()).toHaveLength(2);
  });

  it("puts the ServerHello with a hybrid key and the rest of the flight into two datagrams of at most 1,200 bytes", () => {
    const server = new Party({ role: "server", versions: BOTH });
    const client = new Party({ role: "client", versions: BOTH });
    client.connection.start(0);
    expect(client.sent.map(({ length }) => length).every((length) => length <= 1200)).toBe(true);
    for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
    expect(server.sent).toHaveLength(2);
    expect(Math.max(...server.sent.map(({ length }) => length))).toBeLessThanOrEqual(1200);
  });

  it("lets the server send data with its first flight, which the client has once it is connected", () => {
    const server = new Party({ role: "server", versions: BOTH });
    const client = new Party({ role: "client", versions: BOTH });
    server.onWritable = () => server.connection.send(0, bytes("half a round trip early"));
    client.onConnected = () => client.connection.send(0, bytes("with my Finished"));
    client.connection.start(0);
    for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
    expect(server.connection.state).toBe("handshaking");
    expect(server.sent).toHaveLength(2);
    for (const datagram of server.take()) client.connection.handleDatagram(0, datagram);
    expect(client.received).toEqual(["half a round trip early"]);
    expect(client.sent).toHaveLength(1);
    server.onConnected = () => server.connection.send(0, bytes("with the ACK"));
    for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
    expect(server.received).toEqual(["with my Finished"]);
    expect(server.sent).toHaveLength(1);
    for (const datagram of server.take()) client.connection.handleDatagram(0, datagram);
    expect(client.received).toEqual(["half a round trip early", "with the ACK"]);
    expect(client.connection.nextDeadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("delivers nothing of a client that is not verified yet", () => {
    const server = new Party({ role: "server", versions: BOTH, verifyPeerCertificate: () => false });
    const client = new Party({ role: "client", versions: BOTH });
    client.onConnected = () => client.connection.send(0, bytes("let me in"));
    client.connection.start(0);
    exchange(client, server);
    expect(server.received).toEqual([]);
    expect(server.closedWith).toEqual({ cause: "alert", alert: 42 });
    expect(client.closedWith).toEqual({ cause: "peer-alert", alert: 42 });
  });

  it("keeps data that overtakes the client's Finished", () => {
    const server = new Party({ role: "server", versions: BOTH });
    const client = new Party({ role: "client", versions: BOTH });
    client.connection.start(0);
    for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
    for (const datagram of server.take()) client.connection.handleDatagram(0, datagram);
    client.connection.send(0, bytes("early"));
    for (const datagram of client.take().reverse()) server.connection.handleDatagram(0, datagram);
    expect(server.received).toEqual(["early"]);
  });

  it("asks for no client certificate where none is required", () => {
    const { server } = pair13({}, { requireClientCertificate: false });
    expect(server.connection.state).toBe("connected");
    expect(server.connection.peerCertificate).toBeUndefined();
  });

  it("derives the same keying material on both sides, and logs every secret", () => {
    const { client, server } = pair13();
    const material = client.connection.exportKeyingMaterial("EXPORTER-test", 40, bytes("context"));
    expect(server.connection.exportKeyingMaterial("EXPORTER-test", 40, bytes("context"))).toEqual(material);
    expect(client.connection.exportKeyingMaterial("EXPORTER-test", 40)).not.toEqual(material);
    expect([...client.keyLog].sort()).toEqual([...server.keyLog].sort());
    expect(client.keyLog.map((line) => line.split(" ")[0]).sort()).toEqual([
      "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
      "CLIENT_TRAFFIC_SECRET_0",
      "EXPORTER_SECRET",
      "SERVER_HANDSHAKE_TRAFFIC_SECRET",
      "SERVER_TRAFFIC_SECRET_0",
    ]);
  });

  it("ends with an alert inside writable and connected too", () => {
    for (const event of ["onWritable", "onConnected"] as const) {
      const server = new Party({ role: "server", versions: BOTH });
      const client = new Party({ role: "client", versions: BOTH });
      server[event] = () => server.connection.close(0);
      client.connection.start(0);
      exchange(client, server);
      expect(server.closedWith).toEqual({ cause: "local" });
      expect(client.closedWith).toEqual({ cause: "peer" });
    }
  });
});

describe("the version", () => {
  it("is the best that both have", () => {
    const cases: [readonly DtlsVersion[], readonly DtlsVersion[], DtlsVersion | undefined][] = [
      [BOTH, BOTH, "1.3"],
      [BOTH, ["1.2"], "1.2"],
      [["1.2"], BOTH, "1.2"],
      [ONLY_13, BOTH, "1.3"],
      [BOTH, ONLY_13, "1.3"],
      [ONLY_13, ["1.2"], undefined],
      [["1.2"], ONLY_13, undefined],
    ];
    for (const [clientVersions, serverVersions, expected] of cases) {
      const { client, server } = connectedPair({ versions: clientVersions }, { versions: serverVersions });
      const what = `${clientVersions} with ${serverVersions}`;
      expect(client.connection.state === "connected" ? client.connection.version : undefined, what).toBe(expected);
      expect(server.connection.state === "connected" ? server.connection.version : undefined, what).toBe(expected);
      if (expected === undefined) expect(server.closedWith).toEqual({ cause: "alert", alert: 70 });
    }
  });

  it("cannot be talked down: the server's random says that it has 1.3 (RFC 8446 §4.1.3)", () => {
    const server = new Party({ role: "server", versions: BOTH });
    const client = new Party({ role: "client", versions: BOTH, groups: [X25519] });
    client.connection.start(0);
    const hello = client.take()[0];
    // Somebody renames supported_versions on the way.
    const at = Buffer.from(hello).indexOf(Buffer.from("002b0005", "hex"));
    hello[at] = 0xfa;
    server.connection.handleDatagram(0, hello);
    const flight = server.take()[0];
    expect(toHex(splitRecords(flight)[0].bytes.slice(27, 59)).endsWith("444f574e47524401")).toBe(true);
    client.connection.handleDatagram(0, flight);
    expect(client.closedWith).toEqual({ cause: "alert", alert: 47 });
  });

  it("leaves no such mark where the server has only 1.2, which browsers would refuse", () => {
    const server = new Party({ role: "server", random: (length) => new Uint8Array(length).fill(7) });
    server.connection.handleDatagram(0, clientHello());
    expect(splitRecords(server.sent[0])[0].bytes.slice(27, 59)).toEqual(new Uint8Array(32).fill(7));
  });

  it("is not taken from a client that says it fell back (RFC 7507)", () => {
    const server = new Party({ role: "server", versions: BOTH });
    const fallenBack = clientHello({ cipherSuites: [0xc02b, 0x5600] });
    server.connection.handleDatagram(0, fallenBack);
    expect(server.closedWith).toEqual({ cause: "alert", alert: 86 });
    const old = new Party({ role: "server" });
    old.connection.handleDatagram(0, clientHello({ cipherSuites: [0xc02b, 0x5600] }));
    expect(old.closedWith).toBeUndefined();
  });
});

describe("a DTLS 1.3 server refuses", () => {
  const share = { group: X25519, publicKey: new Uint8Array(32).fill(9) };
  const hello13 = (
    changes: Partial<ClientHello>,
    extensions: Record<number, Uint8Array> = {},
    without: number[] = [],
  ) =>
    clientHello(
      {
        cipherSuites: [0x1301, 0xc02b],
        ...changes,
        extensions: helloExtensions({
          43: encodeNumbers([0xfefc, 0xfefd], 1),
          51: encodeKeyShares([share]),
          ...extensions,
        }),
      },
      without,
    );

  it("nothing that is as it should be", () => {
    const server = new Party({ role: "server", versions: BOTH });
    server.connection.handleDatagram(0, hello13({}));
    expect(server.closedWith).toBeUndefined();
    expect(server.connection.version).toBe("1.3");
  });

  it.each<[string, number, Uint8Array]>([
    ["other cipher suites", 40, hello13({ cipherSuites: [0x1302, 0xc02b] })],
    ["a legacy cookie", 47, hello13({ cookie: Uint8Array.of(1) })],
    ["another compression beside null", 47, hello13({ compressionMethods: Uint8Array.of(0, 1) })],
    ["no signature schemes", 109, hello13({}, {}, [0x000d])],
    ["no groups", 109, hello13({}, {}, [0x000a])],
    ["no key shares", 109, hello13({}, {}, [0x0033])],
    ["no scheme of ours", 40, hello13({}, { 13: encodeNumbers([0x0804]) })],
    ["no group of ours", 40, hello13({}, { 10: encodeNumbers([0x0019]) })],
    ["a key that is none", 47, hello13({}, { 51: encodeKeyShares([{ ...share, publicKey: new Uint8Array(32) }]) })],
    ["a key of the wrong length", 47, hello13({}, { 51: encodeKeyShares([{ ...share, publicKey: bytes("x") }]) })],
    [
      "a hybrid key that is not reduced",
      47,
      hello13(
        {},
        {
          10: encodeNumbers([X25519MLKEM768]),
          51: encodeKeyShares([{ group: X25519MLKEM768, publicKey: new Uint8Array(1216).fill(0xff) }]),
        },
      ),
    ],
  ])("%s with the right alert", (_what, alert, hello) => {
    const server = new Party({ role: "server", versions: BOTH, mtuBytes: 2048 });
    server.connection.handleDatagram(0, hello);
    expect(server.closedWith).toEqual({ cause: "alert", alert });
  });

  it("what is malformed with decode_error (RFC 8446 §6.2)", () => {
    const malformed: Record<number, Uint8Array>[] = [
      { 51: Uint8Array.of(0, 9, 0) },
      { 10: Uint8Array.of(0, 1, 0) },
      { 13: Uint8Array.of(9) },
    ];
    for (const extensions of malformed) {
      const server = new Party({ role: "server", versions: BOTH });
      server.connection.handleDatagram(0, hello13({}, extensions));
      expect(server.closedWith).toEqual({ cause: "alert", alert: 50 });
    }
  });

  it("a client without certificate with certificate_required, one with somebody else's with decrypt_error", () => {
    const own = Certificate.generate({ notBefore: NOT_BEFORE });
    const stolen = { der: CLIENT_CERTIFICATE.der, sign: (data: Uint8Array) => own.sign(data) } as Certificate;
    expect(pair13({ certificate: stolen }).server.closedWith).toEqual({ cause: "alert", alert: 51 });
    const none = { der: new Uint8Array(0), sign: (data: Uint8Array) => own.sign(data) } as Certificate;
    expect(pair13({ certificate: none }).server.closedWith).toEqual({ cause: "alert", alert: 116 });
  });
});

describe("a DTLS 1.3 client refuses", () => {
  it("a server with another fingerprint, or that only shows somebody else's certificate", () => {
    const { client, server } = pair13({ verifyPeerCertificate: () => false });
    expect(client.closedWith).toEqual({ cause: "alert", alert: 42 });
    expect(server.closedWith).toEqual({ cause: "peer-alert", alert: 42 });
    expect(client.connectedTimes + server.connectedTimes).toBe(0);
    const own = Certificate.generate({ notBefore: NOT_BEFORE });
    const stolen = { der: SERVER_CERTIFICATE.der, sign: (data: Uint8Array) => own.sign(data) } as Certificate;
    expect(pair13({}, { certificate: stolen }).client.closedWith).toEqual({ cause: "alert", alert: 51 });
  });

  it("does not hang on an unreadable flight: an empty acknowledgement asks for the ServerHello again", () => {
    const server = new Party({ role: "server", versions: BOTH });
    const client = new Party({ role: "client", versions: BOTH });
    client.connection.start(0);
    for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
    const [, rest] = server.take(); // without the ServerHello
    client.connection.handleDatagram(10, rest);
    expect(client.connection.nextDeadline).toBe(60);
    client.connection.handleTimeout(60);
    const [ack] = client.take();
    expect(ack).toEqual(record(26, Uint8Array.of(0, 0), splitRecords(ack)[0].sequence));
    server.connection.handleDatagram(70, ack);
    expect(server.sent).toHaveLength(2);
    exchange(client, server, 70);
    expect(client.connection.state).toBe("connected");
  });
});

/** The record numbers that a server acknowledges in what it has sent, which is taken away. */
function acknowledged(party: Party): string[] {
  const numbers: string[] = [];
  const secret = fromHex(party.keyLog.find((line) => line.startsWith("SERVER_TRAFFIC_SECRET_0"))!.split(" ")[2]);
  const events = {
    content: (_now: number, _epoch: number, type: number, offset: number, length: number) => {
      if (type !== 26) return;
      const content = party.datapath.memory.slice(offset, offset + length);
      numbers.push(...(parseAck(content) ?? []).map(({ epoch, sequence }) => `${epoch}.${sequence}`));
    },
    unreadable: () => {},
    refused: () => {},
    forgeryLimit: () => {},
  };
  const reader = new RecordLayer(party.datapath, 1200, new DropCounters(), events, { transmit: () => {} });
  reader.epochs.installRead13(3, secret);
  for (const datagram of party.take()) reader.read(0, datagram);
  reader.close();
  return numbers;
}

describe("acknowledgements", () => {
  /** Client and server where the client has sent its last flight in several datagrams, none of which has arrived. */
  const beforeLastFlight = (mtuBytes = 200) => {
    const server = new Party({ role: "server", versions: BOTH, groups: [X25519] });
    const client = new Party({ role: "client", versions: BOTH, groups: [X25519], mtuBytes });
    client.connection.start(0);
    for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
    for (const datagram of server.take()) client.connection.handleDatagram(0, datagram);
    return { client, server, flight: client.take() };
  };

  it("make the client repeat only what is missing", () => {
    const { client, server, flight } = beforeLastFlight();
    expect(flight.length).toBeGreaterThan(2);
    for (const datagram of flight.slice(1)) server.connection.handleDatagram(10, datagram);
    expect(server.connection.state).toBe("handshaking");
    expect(server.connection.nextDeadline).toBe(60); // a quarter of the timeout after the first record
    server.connection.handleTimeout(60);
    const [ack] = server.take();
    client.connection.handleDatagram(70, ack);
    const repeated = client.take();
    expect(repeated).toHaveLength(1);
    server.connection.handleDatagram(80, repeated[0]);
    expect(server.connection.state).toBe("connected");
    exchange(client, server, 90);
    expect(client.connection.nextDeadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("list all records of the flight so far, in the order of their numbers (RFC 9147 §7)", () => {
    const { server, flight } = beforeLastFlight(128);
    expect(flight.length).toBeGreaterThan(5);
    const acks = [flight.slice(3, 5), flight.slice(1, 3)].map((datagrams, i) => {
      for (const datagram of datagrams.toReversed()) server.connection.handleDatagram(10 + 100 * i, datagram);
      server.connection.handleTimeout(60 + 100 * i);
      return acknowledged(server);
    });
    expect(acks[0].slice(0, 2)).toEqual(["2.3", "2.4"]);
    expect(acks[1]).toEqual(["2.1", "2.2", ...acks[0]]);
    // Nothing new has come: there is nothing to say.
    server.connection.handleTimeout(190);
    expect(server.sent).toEqual([]);
  });

  it("say which part of a second hello has come (RFC 9147 §7.1)", () => {
    const server = new Party({ role: "server", versions: BOTH, groups: [X25519MLKEM768] });
    const client = new Party({ role: "client", versions: BOTH, groups: [X25519, X25519MLKEM768] });
    client.connection.start(0);
    for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
    for (const datagram of server.take()) client.connection.handleDatagram(0, datagram);
    const [first, second] = client.take();
    expect(second).toBeDefined();
    server.connection.handleDatagram(10, second);
    server.connection.handleTimeout(60);
    const [ack] = server.take();
    const [{ sequence }] = splitRecords(second);
    const numbers = new Uint8Array(16);
    numbers[15] = sequence;
    expect(splitRecords(ack).map(({ type, bytes: record }) => [type, record.slice(15)])).toEqual([[26, numbers]]);
    // Anybody could have sent it, so all of the hello comes again.
    client.connection.handleDatagram(70, ack);
    const again = client.take();
    expect(again.map(({ length }) => length)).toEqual([first.length, second.length]);
    for (const datagram of again) server.connection.handleDatagram(80, datagram);
    exchange(client, server, 80);
    expect(client.connection.state).toBe("connected");
  });

  it("are given again while the client repeats its last flight", () => {
    const { client, server, flight } = beforeLastFlight();
    for (const datagram of flight) server.connection.handleDatagram(10, datagram);
    expect(server.connection.state).toBe("connected");
    server.take(); // lost
    client.connection.handleTimeout(200);
    const again = client.take();
    for (const datagram of again) server.connection.handleDatagram(210, datagram);
    expect(server.sent.length).toBeGreaterThan(0);
    exchange(client, server, 220);
    expect(client.connection.nextDeadline).toBe(Number.POSITIVE_INFINITY);
    expect(server.datapath.freeKeySlots).toBe(16 - 3);
    // RFC 9147 §5.8.1: for twice the maximum segment lifetime.
    expect(server.connection.nextDeadline).toBe(240_010);
    server.connection.handleTimeout(240_010);
    expect(server.datapath.freeKeySlots).toBe(16 - 2);
    expect(server.connection.nextDeadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("of anybody make the server repeat its flight at most, not forget it", () => {
    const server = new Party({ role: "server", versions: BOTH, groups: [X25519] });
    const client = new Party({ role: "client", versions: BOTH, groups: [X25519] });
    client.connection.start(0);
    for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
    const [flight] = server.take();
    const numbers = new Uint8Array(2 + 16 * 10);
    numbers[1] = 160;
    for (let i = 0; i < 10; i++) {
      numbers[2 + 16 * i + 7] = 2; // epoch 2
      numbers[2 + 16 * i + 15] = i;
    }
    server.connection.handleDatagram(10, record(26, numbers));
    expect(server.sent).toHaveLength(0);
    server.connection.handleTimeout(200);
    expect(server.take().map(({ length }) => length)).toEqual([flight.length]);
  });

  it("do not count where their epoch is below that of what they acknowledge", () => {
    const { client, server, flight } = beforeLastFlight();
    const forged = new Uint8Array(2 + 16 * 4);
    forged[1] = 64;
    for (let i = 0; i < 4; i++) {
      forged[2 + 16 * i + 7] = 2; // epoch 2
      forged[2 + 16 * i + 15] = i;
    }
    client.connection.handleDatagram(5, record(26, forged));
    expect(client.drops.get("dtls-unexpected")).toBe(1);
    expect(client.connection.nextDeadline).toBeLessThan(Number.POSITIVE_INFINITY);
    for (const datagram of flight) server.connection.handleDatagram(10, datagram);
    exchange(client, server, 20);
    expect(client.connection.nextDeadline).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("an alert in the clear", () => {
  it("is not believed once a part of the client's flight was authentic", () => {
    const server = new Party({ role: "server", versions: BOTH, groups: [X25519] });
    const client = new Party({ role: "client", versions: BOTH, groups: [X25519], mtuBytes: 200 });
    client.connection.start(0);
    for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
    for (const datagram of server.take()) client.connection.handleDatagram(0, datagram);
    const [first, ...rest] = client.take();
    server.connection.handleDatagram(0, first);
    server.connection.handleDatagram(0, record(21, Uint8Array.of(2, 40)));
    expect(server.connection.state).toBe("handshaking");
    for (const datagram of rest) server.connection.handleDatagram(0, datagram);
    expect(server.connection.state).toBe("connected");
  });
});

describe("a key update", () => {
  const talk = (a: Party, b: Party, message: string) => {
    a.connection.send(0, bytes(message));
    exchange(a, b);
    expect(b.received.at(-1)).toBe(message);
  };

  it("changes our key once it is acknowledged, again and again", () => {
    const { client, server } = pair13();
    const epochs = new Set<number>();
    for (let i = 0; i < 10; i++) {
      client.connection.updateKey(0);
      exchange(client, server);
      client.connection.send(0, bytes("x"));
      epochs.add(client.sent[0][0] & 3);
      exchange(client, server);
      talk(client, server, `client ${i}`);
      talk(server, client, `server ${i}`);
    }
    expect(epochs.size).toBe(4);
    expect(client.datapath.freeKeySlots).toBe(16 - 2);
    expect(server.datapath.freeKeySlots).toBe(16 - 3); // the key before is kept for what was on its way
  });

  it("may ask the peer for the same", () => {
    const { client, server } = pair13();
    client.connection.updateKey(0, true);
    exchange(client, server);
    server.connection.send(0, bytes("new key"));
    expect(server.sent[0][0] & 3).toBe(4 & 3);
    exchange(client, server);
    expect(client.received).toEqual(["new key"]);
    talk(client, server, "me too");
  });

  it("that asks for the same is acknowledged besides being answered, and so not sent again", () => {
    const { client, server } = pair13();
    client.connection.updateKey(0, true);
    exchange(client, server);
    expect([client, server].map(({ connection }) => connection.nextDeadline > 200_000)).toEqual([true, true]);
    client.connection.send(0, bytes("new key"));
    expect(client.sent[0][0] & 3).toBe(4 & 3);
  });

  it("is owed once, however often it was asked for while an earlier one is not acknowledged", () => {
    const pair = overheard("1.3", "server", true);
    const { client, server } = pair;
    server.connection.updateKey(0);
    server.take(); // lost, so that the answers have to wait
    for (let i = 0; i < 5; i++) {
      const rogue = new Rogue("1.3", "client", pair, 3 + i);
      server.connection.handleDatagram(1, rogue.record(22, keyUpdate(FIRST_FREE + i, true)));
    }
    server.take();
    server.connection.handleTimeout(200);
    // Its own comes again; acknowledged, one answer follows it, and then nothing.
    const own = server.take();
    expect(own).toHaveLength(1);
    const rogue = new Rogue("1.3", "client", pair, 8);
    const ack = new Uint8Array(2 + 16 * 20);
    ack.set([1, 64]);
    for (let i = 0; i < 20; i++) {
      ack[2 + 16 * i + 7] = 3;
      ack[2 + 16 * i + 15] = i;
    }
    server.connection.handleDatagram(300, rogue.record(26, ack));
    expect(server.take()).toHaveLength(1);
    for (let i = 0; i < 20; i++) ack[2 + 16 * i + 7] = 4;
    server.connection.handleDatagram(301, rogue.record(26, ack));
    expect(server.take()).toEqual([]);
    expect(server.connection.state).toBe("connected");
    client.connection.close(400);
  });

  /** The message_seq that comes after a client's last flight. */
  const FIRST_FREE = 4;

  function keyUpdate(sequence: number, isRequested = false): Uint8Array {
    return encodeWhole({ type: 24, sequence, epoch: 3, body: Uint8Array.of(isRequested ? 1 : 0) });
  }

  it("comes once in each epoch: a second one in the same is refused (RFC 9147 §8)", () => {
    const pair = overheard("1.3", "server", true);
    const rogue = new Rogue("1.3", "client", pair, 3);
    const both = concatBytes(keyUpdate(FIRST_FREE), keyUpdate(FIRST_FREE + 1));
    pair.server.connection.handleDatagram(1, rogue.record(22, both));
    expect(pair.server.closedWith).toEqual({ cause: "alert", alert: 10 });
  });

  it("is taken sixteen times at once and six times a minute; more end the connection", () => {
    const flood = (everyMs: number, count: number) => {
      const pair = overheard("1.3", "server", true);
      let taken = 0;
      for (; taken < count; taken++) {
        const rogue = new Rogue("1.3", "client", pair, 3 + taken);
        pair.server.connection.handleDatagram(
          1 + everyMs * taken,
          rogue.record(22, keyUpdate(FIRST_FREE + taken, true)),
        );
        if (pair.server.closedWith !== undefined) break;
      }
      return { taken, closedWith: pair.server.closedWith };
    };
    expect(flood(0, 40)).toEqual({ taken: 16, closedWith: { cause: "alert", alert: 10 } });
    expect(flood(10_000, 40)).toEqual({ taken: 40, closedWith: undefined });
  });

  it("is not used before the acknowledgement, and repeated until then", () => {
    const { client, server } = pair13();
    client.connection.updateKey(0);
    client.connection.updateKey(0); // only one at a time
    expect(client.take()).toHaveLength(1); // lost
    client.connection.send(0, bytes("old key"));
    expect(client.sent[0][0] & 3).toBe(3);
    exchange(client, server);
    client.connection.handleTimeout(200);
    exchange(client, server, 200);
    client.connection.send(200, bytes("new key"));
    expect(client.sent[0][0] & 3).toBe(0);
    exchange(client, server, 200);
    expect(server.received).toEqual(["old key", "new key"]);
    expect(client.connection.nextDeadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("comes by itself after as many records as a key may seal, and then the connection lives on", () => {
    const { client, server } = pair13({ maxRecords: 20 });
    for (let i = 0; i < 100; i++) talk(client, server, `${i}`);
    expect(server.received).toHaveLength(100);
  });

  it("that is never acknowledged ends the connection before the key is overused", () => {
    const { client } = pair13({ maxRecords: 20 });
    let sent = 0;
    while (client.connection.send(0, bytes("x"))) sent++;
    expect(sent).toBeGreaterThanOrEqual(20);
    expect(sent).toBeLessThanOrEqual(29);
    expect(client.closedWith).toEqual({ cause: "exhausted" });
  });

  it("takes late data under the old key", () => {
    const { client, server } = pair13();
    client.connection.send(0, bytes("late"));
    const [late] = client.take();
    client.connection.updateKey(0);
    exchange(client, server);
    talk(client, server, "new");
    server.connection.handleDatagram(0, late);
    expect(server.received).toEqual(["new", "late"]);
  });

  it("without room for another key keeps the old one", () => {
    const datapath = new Datapath({ keySlots: 4 });
    const { client, server } = pair13({ datapath });
    while (datapath.freeKeySlots > 0) datapath.acquireKey(new Uint8Array(16), new Uint8Array(12));
    client.connection.updateKey(0);
    exchange(client, server);
    talk(client, server, "still here");
  });
});

describe("records of DTLS 1.3", () => {
  it("are taken once, in any order, across wraps of the 16 bits on the wire", () => {
    const { client, server } = pair13();
    const total = 140_000;
    for (let i = 0; i < total; i++) {
      client.connection.send(0, bytes("x"));
      const [datagram] = client.take();
      if (i % 10_000 < 3) server.connection.handleDatagram(0, datagram);
      if (i % 10_000 === 2) server.connection.handleDatagram(0, datagram);
    }
    expect(server.received).toHaveLength(3 * 14);
    expect(server.drops.get("dtls-replayed")).toBe(14);
    expect(server.drops.get("dtls-bad-record")).toBe(0);
  });

  it("with a connection id, cut off or damaged are dropped and counted", () => {
    const { client, server } = pair13();
    client.connection.send(0, bytes("one"));
    const [one] = client.take();
    server.connection.handleDatagram(0, Uint8Array.from(one).fill(one[0] | 0x10, 0, 1));
    expect(server.drops.get("dtls-malformed")).toBe(1);
    for (let length = 1; length < one.length; length++) server.connection.handleDatagram(0, one.subarray(0, length));
    // Shorter than its header; then, without a length in it, a record that does not open.
    expect(server.drops.get("dtls-malformed")).toBe(3);
    expect(server.drops.get("dtls-bad-record")).toBe(one.length - 3);
    for (let at = 1; at < one.length; at++) {
      const damaged = Uint8Array.from(one);
      damaged[at] ^= 0x10;
      server.connection.handleDatagram(0, damaged);
    }
    for (let length = 0; length < 40; length++) {
      server.connection.handleDatagram(
        0,
        Uint8Array.from({ length: 1 + length }, () => 0x23),
      ); // one byte of number, no length
      server.connection.handleDatagram(
        0,
        Uint8Array.from({ length: 1 + length }, () => 0x2b),
      ); // two bytes, no length
    }
    expect(server.received).toEqual([]);
    server.connection.handleDatagram(0, one);
    expect(server.received).toEqual(["one"]);
    expect(server.connection.state).toBe("connected");
  });

  it("end with close_notify both ways and give all key slots back", () => {
    const { client, server } = pair13();
    server.connection.close(0);
    exchange(client, server);
    expect(client.closedWith).toEqual({ cause: "peer" });
    expect([client.datapath.freeKeySlots, server.datapath.freeKeySlots]).toEqual([16, 16]);
  });

  it("are not believed in the clear once the connection stands", () => {
    const { client, server } = pair13();
    server.connection.handleDatagram(0, record(21, Uint8Array.of(2, 40)));
    server.connection.handleDatagram(0, clientHello());
    server.connection.handleDatagram(0, record(26, Uint8Array.of(0, 0)));
    expect(server.drops.get("dtls-unexpected")).toBe(3);
    expect(server.sent).toHaveLength(0);
    client.connection.send(0, bytes("still here"));
    exchange(client, server);
    expect(server.received).toEqual(["still here"]);
  });
});

describe("option", () => {
  it("versions and groups are checked by name", () => {
    expect(() => new Party({ role: "server", versions: [] })).toThrow(/versions/);
    expect(() => new Party({ role: "server", versions: ["1.1" as "1.2"] })).toThrow(/versions/);
    expect(() => new Party({ role: "server", groups: [] })).toThrow(/groups/);
    expect(() => new Party({ role: "server", groups: [0x0019] })).toThrow(/groups/);
  });
});
