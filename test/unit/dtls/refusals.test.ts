import { describe, expect, it } from "vitest";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { encodeNumbers } from "../../../src/dtls/extensions.ts";
import { encodeWhole } from "../../../src/dtls/reassembly.ts";
import type { ClientHello } from "../../../src/dtls/messages.ts";
import type { DtlsVersion } from "../../../src/dtls/machine.ts";
import { clientHello, handshakeTypes, helloExtensions, record, splitRecords } from "./records.ts";
import { CLIENT_CERTIFICATE, connectedPair, exchange, NOT_BEFORE, Party } from "./support.ts";

const UNEXPECTED_MESSAGE = 10;
const HANDSHAKE_FAILURE = 40;
const BAD_CERTIFICATE = 42;
const ILLEGAL_PARAMETER = 47;
const DECODE_ERROR = 50;
const DECRYPT_ERROR = 51;
const PROTOCOL_VERSION = 70;

describe("a server answers", () => {
  const server = (hello: Uint8Array) => {
    const party = new Party({ role: "server" });
    party.connection.handleDatagram(0, hello);
    return party;
  };

  it("a hello that has what it needs", () => {
    const accepted = [
      clientHello(),
      ...[0xfefc, 0xfe00, 0xfdff, 0x8000, 0x0000].map((version) => clientHello({ version })), // RFC 5246 §E.1: above ours
      clientHello({ cipherSuites: [0x1301, 0xc02b, 0x00ff] }),
      clientHello({ compressionMethods: Uint8Array.of(1, 0) }),
      clientHello({}, [0x000a]), // no groups: any
      clientHello({}, [0x000b]),
      clientHello({}, [0xff01]),
      clientHello({ version: 0xfeff, extensions: helloExtensions({ 43: encodeNumbers([0xfefc, 0xfefd], 1) }) }),
      clientHello({ extensions: helloExtensions({ 43981: Uint8Array.of(1, 2, 3) }) }),
    ];
    for (const hello of accepted) {
      const party = server(hello);
      expect(party.closedWith).toBeUndefined();
      expect(handshakeTypes(party.sent[0])).toEqual([2, 11, 12, 13, 14]);
    }
  });

  it("P-256 where X25519 is not offered", () => {
    const party = server(clientHello({ extensions: helloExtensions({ 10: encodeNumbers([0x0018, 0x0017]) }) }));
    expect(party.connection.group).toBe(0x0017);
  });

  it.each<[string, number, Partial<ClientHello>, number[]?]>([
    ["an old version", PROTOCOL_VERSION, { version: 0xfeff }],
    ["a version below any", PROTOCOL_VERSION, { version: 0xffff }],
    ["a version of TLS", PROTOCOL_VERSION, { version: 0x0303 }],
    [
      "supported_versions without 1.2",
      PROTOCOL_VERSION,
      { extensions: helloExtensions({ 43: encodeNumbers([0xfefc], 1) }) },
    ],
    [
      "malformed supported_versions",
      PROTOCOL_VERSION,
      { extensions: helloExtensions({ 43: Uint8Array.of(3, 0xfe, 0xfd, 0) }) },
    ],
    ["another cipher suite", HANDSHAKE_FAILURE, { cipherSuites: [0xc02c] }],
    ["no null compression", ILLEGAL_PARAMETER, { compressionMethods: Uint8Array.of(1) }],
    ["no extended master secret", HANDSHAKE_FAILURE, {}, [0x0017]],
    ["no signature schemes", HANDSHAKE_FAILURE, {}, [0x000d]],
    [
      "no ECDSA with P-256",
      HANDSHAKE_FAILURE,
      { extensions: helloExtensions({ 13: encodeNumbers([0x0804, 0x0503]) }) },
    ],
    ["no group of ours", HANDSHAKE_FAILURE, { extensions: helloExtensions({ 10: encodeNumbers([0x0018]) }) }],
    ["malformed groups", HANDSHAKE_FAILURE, { extensions: helloExtensions({ 10: Uint8Array.of(0, 1, 0) }) }],
    ["only compressed points", ILLEGAL_PARAMETER, { extensions: helloExtensions({ 11: Uint8Array.of(1, 1) }) }],
    ["a renegotiation", HANDSHAKE_FAILURE, { extensions: helloExtensions({ 65281: Uint8Array.of(1, 7) }) }],
  ])("%s with the right alert", (_what, alert, changes, without) => {
    const party = server(clientHello(changes, without));
    expect(party.closedWith).toEqual({ cause: "alert", alert });
    expect(party.sent).toHaveLength(1);
    expect(party.sent[0].subarray(13)).toEqual(Uint8Array.of(2, alert));
  });

  it("a malformed hello with decode_error", () => {
    const party = server(
      record(22, encodeWhole({ type: 1, sequence: 0, epoch: 0, body: new Uint8Array(50).fill(0xee) })),
    );
    expect(party.closedWith).toEqual({ cause: "alert", alert: DECODE_ERROR });
  });

  it("nothing at all to what is no ClientHello, and still takes one afterwards", () => {
    const party = new Party({ role: "server" });
    const finished = encodeWhole({ type: 20, sequence: 0, epoch: 0, body: new Uint8Array(12) });
    party.connection.handleDatagram(0, record(22, finished));
    party.connection.handleDatagram(0, record(22, new Uint8Array(0)));
    party.connection.handleDatagram(0, record(23, new Uint8Array(5)));
    expect(party.sent).toHaveLength(0);
    expect(party.drops.snapshot()).toEqual({ "dtls-unexpected": 2, "dtls-malformed": 1 });
    party.connection.handleDatagram(0, clientHello());
    expect(party.sent).toHaveLength(1);
  });
});

describe("a wrong fingerprint", () => {
  it("of the client is refused by the server before any application data, with bad_certificate", () => {
    const { client, server } = connectedPair({}, { verifyPeerCertificate: () => false });
    expect(server.closedWith).toEqual({ cause: "alert", alert: BAD_CERTIFICATE });
    expect(client.closedWith).toEqual({ cause: "peer-alert", alert: BAD_CERTIFICATE });
    expect(server.connectedTimes + client.connectedTimes).toBe(0);
  });

  it("of the server is refused by the client, with bad_certificate", () => {
    for (const options of [{}, { helloVerify: { secret: new Uint8Array(32), peer: new Uint8Array(6) } }]) {
      const { client, server } = connectedPair({ verifyPeerCertificate: () => false }, options);
      expect(client.closedWith).toEqual({ cause: "alert", alert: BAD_CERTIFICATE });
      expect(server.closedWith).toEqual({ cause: "peer-alert", alert: BAD_CERTIFICATE });
      expect(server.connectedTimes + client.connectedTimes).toBe(0);
    }
  });
});

describe("a certificate that belongs to somebody else", () => {
  /** Shows one certificate and signs with another key. */
  const stolen = (shown: Certificate): Certificate => {
    const own = Certificate.generate({ notBefore: NOT_BEFORE });
    return { der: shown.der, sign: (data: Uint8Array) => own.sign(data) } as Certificate;
  };

  it("is refused by the server with decrypt_error, for its CertificateVerify", () => {
    const { client, server } = connectedPair({ certificate: stolen(CLIENT_CERTIFICATE) });
    expect(server.closedWith).toEqual({ cause: "alert", alert: DECRYPT_ERROR });
    expect(server.connectedTimes).toBe(0);
    expect(client.connectedTimes).toBe(0);
  });

  it("is refused by the client with decrypt_error, for its ServerKeyExchange", () => {
    const shown = Certificate.generate({ notBefore: NOT_BEFORE });
    const { client } = connectedPair({ verifyPeerCertificate: () => true }, { certificate: stolen(shown) });
    expect(client.closedWith).toEqual({ cause: "alert", alert: DECRYPT_ERROR });
  });
});

describe("a message that was changed on the way", () => {
  /** A client and a server between which the last byte of the first message of a type is changed. */
  function changed(type: number): { client: Party; server: Party } {
    const client = new Party({ role: "client" });
    const server = new Party({ role: "server" });
    const pass = (from: Party, to: Party) => {
      for (const datagram of from.take()) {
        const at = splitRecords(datagram).find(({ bytes: content }) => content[0] === 22 && content[13] === type);
        if (at !== undefined) at.bytes[at.bytes.length - 1] ^= 1;
        to.connection.handleDatagram(0, datagram);
      }
    };
    client.connection.start(0);
    for (let turn = 0; turn < 4; turn++) {
      pass(client, server);
      pass(server, client);
    }
    return { client, server };
  }

  it.each<[string, number, "client" | "server", number]>([
    ["Certificate", 11, "client", BAD_CERTIFICATE],
    ["ServerKeyExchange", 12, "client", DECRYPT_ERROR],
    ["CertificateVerify", 15, "server", DECRYPT_ERROR],
  ])("ends the handshake with its alert at once: %s", (_name, type, refusing, alert) => {
    const sides = changed(type);
    expect(sides[refusing].closedWith).toEqual({ cause: "alert", alert });
    expect(sides[refusing === "client" ? "server" : "client"].closedWith).toEqual({ cause: "peer-alert", alert });
    expect(sides.client.connectedTimes + sides.server.connectedTimes).toBe(0);
  });

  it.each<DtlsVersion>(["1.2", "1.3"])("never completes a handshake where it is the hello of DTLS %s", (version) => {
    const client = new Party({ role: "client", versions: [version], groups: [0x001d] });
    const server = new Party({ role: "server", versions: [version], groups: [0x001d] });
    client.connection.start(0);
    const [hello] = client.take();
    // So that it says the same and only the transcripts differ: renegotiation_info, or a byte of the random.
    const renegotiation = hello.findIndex((byte, at) => byte === 0xff && hello[at + 1] === 0x01);
    hello[version === "1.2" ? renegotiation : 30] ^= 4;
    server.connection.handleDatagram(0, hello);
    exchange(client, server);
    expect(server.connectedTimes + client.connectedTimes).toBe(0);
  });

  it("that does not come next is refused with unexpected_message, protected or not", () => {
    const client = new Party({ role: "client" });
    const server = new Party({ role: "server" });
    client.connection.start(0);
    server.connection.handleDatagram(0, client.take()[0]);
    const finished = encodeWhole({ type: 20, sequence: 1, epoch: 0, body: new Uint8Array(12) });
    server.connection.handleDatagram(0, record(22, finished, 1));
    expect(server.closedWith).toEqual({ cause: "alert", alert: UNEXPECTED_MESSAGE });
  });
});

describe("a second ClientHello with the number of the first", () => {
  it.each<DtlsVersion>(["1.2", "1.3"])("but another content changes nothing and costs nothing: DTLS %s", (version) => {
    const client = new Party({ role: "client", versions: [version], groups: [0x001d] });
    const server = new Party({ role: "server", versions: [version], groups: [0x001d] });
    client.connection.start(0);
    server.connection.handleDatagram(0, client.take()[0]);
    const flight = server.take();
    for (let i = 0; i < 20; i++) {
      const other = new Party({ role: "client", versions: [version], groups: [0x001d] });
      other.connection.start(0);
      server.connection.handleDatagram(0, other.take()[0]);
    }
    expect(server.sent).toHaveLength(0);
    for (const datagram of flight) client.connection.handleDatagram(0, datagram);
    exchange(client, server);
    expect([client.connectedTimes, server.connectedTimes]).toEqual([1, 1]);
  });
});
