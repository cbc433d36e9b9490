import { describe, expect, it } from "vitest";
import { encodeCookie, encodeKeyShare, encodeNumber, encodeNumbers } from "../../../src/dtls/extensions.ts";
import type { HandshakeMessage } from "../../../src/dtls/reassembly.ts";
import { type DtlsVersion, MALFORMED } from "../../../src/dtls/machine.ts";
import {
  CERTIFICATE,
  CERTIFICATE_REQUEST,
  ENCRYPTED_EXTENSIONS,
  encodeCertificate12,
  encodeCertificate13,
  encodeCertificateRequest13,
  encodeEncryptedExtensions,
  encodeHelloVerifyRequest,
  encodeServerHello,
  HELLO_RETRY_RANDOM,
  HELLO_VERIFY_REQUEST,
  parseClientHello,
  parseServerHello,
  SERVER_HELLO,
  type ServerHello,
} from "../../../src/dtls/messages.ts";
import { Side } from "./machine-side.ts";

const EMPTY = new Uint8Array(0);
const UNEXPECTED_MESSAGE = 10;
const HANDSHAKE_FAILURE = 40;
const BAD_CERTIFICATE = 42;
const ILLEGAL_PARAMETER = 47;
const DECODE_ERROR = 50;
const PROTOCOL_VERSION = 70;
const MISSING_EXTENSION = 109;
const UNSUPPORTED_EXTENSION = 110;

const verifyRequest = (sequence: number, cookie: Uint8Array = Uint8Array.of(7)): HandshakeMessage => {
  return { type: HELLO_VERIFY_REQUEST, sequence, epoch: 0, body: encodeHelloVerifyRequest(cookie) };
};

type Change = (message: HandshakeMessage) => HandshakeMessage;

/** What a client says to a server whose messages `change` has changed. */
function refusal(version: DtlsVersion, change: Change, clientVersions: readonly DtlsVersion[] = [version]): unknown {
  const client = new Side("client", version, { versions: clientVersions });
  const server = new Side("server", version);
  client.machine.start?.();
  server.take(client.out.splice(0));
  client.take(server.out.splice(0).map(change));
  expect(client.complete).toBe(false);
  return client.failure;
}

/** Changes the ServerHello: fields, and extensions (`undefined` takes one away). */
function hello(fields: Partial<ServerHello>, extensions: Record<number, Uint8Array | undefined> = {}): Change {
  return (message) => {
    if (message.type !== SERVER_HELLO) return message;
    const original = parseServerHello(message.body)!;
    const changed = new Map(original.extensions);
    for (const [type, content] of Object.entries(extensions)) {
      if (content === undefined) changed.delete(Number(type));
      else changed.set(Number(type), content);
    }
    return { ...message, body: encodeServerHello({ ...original, ...fields, extensions: changed }) };
  };
}

function body(type: number, replacement: Uint8Array): Change {
  return (message) => (message.type === type ? { ...message, body: replacement } : message);
}

describe("a DTLS 1.2 client refuses a server with", () => {
  it.each<[string, unknown, Change]>([
    ["another version", PROTOCOL_VERSION, hello({ version: 0xfeff })],
    ["another cipher suite", ILLEGAL_PARAMETER, hello({ cipherSuite: 0xc02c })],
    ["compression", ILLEGAL_PARAMETER, hello({ compressionMethod: 1 })],
    ["no extended master secret", HANDSHAKE_FAILURE, hello({}, { 23: undefined })],
    ["an extension that was not asked for", UNSUPPORTED_EXTENSION, hello({}, { 16: EMPTY })],
    ["a renegotiation", HANDSHAKE_FAILURE, hello({}, { 65281: Uint8Array.of(1, 7) })],
    ["compressed points only", ILLEGAL_PARAMETER, hello({}, { 11: Uint8Array.of(1, 1) })],
    ["supported_versions, which was not asked for", UNSUPPORTED_EXTENSION, hello({}, { 43: encodeNumber(0xfefc) })],
    ["no certificate", BAD_CERTIFICATE, body(CERTIFICATE, encodeCertificate12(undefined))],
    ["a certificate that is none", BAD_CERTIFICATE, body(CERTIFICATE, encodeCertificate12(Uint8Array.of(1, 2, 3)))],
    ["a malformed hello", MALFORMED, body(SERVER_HELLO, Uint8Array.of(0xfe, 0xfd))],
  ])("%s", (_what, alert, change) => {
    expect(refusal("1.2", change)).toBe(alert);
  });

  it("the mark of a downgrade in its random, where it offered 1.3 itself", () => {
    const random = new Uint8Array(32).fill(2);
    random.set([0x44, 0x4f, 0x57, 0x4e, 0x47, 0x52, 0x44, 0x01], 24);
    expect(refusal("1.2", hello({ random }), ["1.3", "1.2"])).toBe(ILLEGAL_PARAMETER);
  });
});

describe("a DTLS 1.3 client refuses a server with", () => {
  const retry = (extensions: Record<number, Uint8Array | undefined>) =>
    hello({ random: HELLO_RETRY_RANDOM }, { 51: undefined, ...extensions });

  it.each<[string, unknown, Change]>([
    ["a version that is not on offer", ILLEGAL_PARAMETER, hello({}, { 43: encodeNumber(0xfefb) })],
    ["DTLS 1.2", PROTOCOL_VERSION, hello({}, { 43: undefined })],
    ["another cipher suite", ILLEGAL_PARAMETER, hello({ cipherSuite: 0x1302 })],
    ["compression", ILLEGAL_PARAMETER, hello({ compressionMethod: 1 })],
    ["a session id", ILLEGAL_PARAMETER, hello({ sessionId: Uint8Array.of(1) })],
    ["an extension that has no place there", UNSUPPORTED_EXTENSION, hello({}, { 11: EMPTY })],
    ["no key", MISSING_EXTENSION, hello({}, { 51: undefined })],
    ["a malformed key", MALFORMED, hello({}, { 51: Uint8Array.of(0, 0x1d, 0, 9) })],
    [
      "a key of another group",
      ILLEGAL_PARAMETER,
      hello({}, { 51: encodeKeyShare({ group: 0x0017, publicKey: new Uint8Array(65) }) }),
    ],
    [
      "a key that is none",
      ILLEGAL_PARAMETER,
      hello({}, { 51: encodeKeyShare({ group: 0x001d, publicKey: new Uint8Array(32) }) }),
    ],
    [
      "encrypted extensions that were not asked for",
      UNSUPPORTED_EXTENSION,
      body(ENCRYPTED_EXTENSIONS, encodeEncryptedExtensions(new Map([[0x0010, EMPTY]]))),
    ],
    ["malformed encrypted extensions", MALFORMED, body(ENCRYPTED_EXTENSIONS, Uint8Array.of(0, 1, 0))],
    [
      "a request with a context",
      ILLEGAL_PARAMETER,
      body(CERTIFICATE_REQUEST, encodeCertificateRequest13({ context: Uint8Array.of(1), extensions: new Map() })),
    ],
    [
      "a request without schemes",
      MISSING_EXTENSION,
      body(CERTIFICATE_REQUEST, encodeCertificateRequest13({ context: EMPTY, extensions: new Map() })),
    ],
    ["no certificate", DECODE_ERROR, body(CERTIFICATE, encodeCertificate13({ context: EMPTY, der: EMPTY }))],
    [
      "a certificate that is none",
      BAD_CERTIFICATE,
      body(CERTIFICATE, encodeCertificate13({ context: EMPTY, der: Uint8Array.of(1, 2, 3) })),
    ],
    [
      "a certificate with a context",
      ILLEGAL_PARAMETER,
      body(CERTIFICATE, encodeCertificate13({ context: Uint8Array.of(1), der: Uint8Array.of(1) })),
    ],
    ["a retry that changes nothing", ILLEGAL_PARAMETER, retry({})],
    ["a retry for a group that was not offered", ILLEGAL_PARAMETER, retry({ 51: encodeNumber(0x0018) })],
    ["a retry for a key that it has", ILLEGAL_PARAMETER, retry({ 51: encodeNumber(0x001d) })],
    ["a malformed retry", MALFORMED, retry({ 51: Uint8Array.of(0) })],
    ["a malformed cookie", MALFORMED, retry({ 44: encodeNumbers([]) })],
  ])("%s", (_what, alert, change) => {
    expect(refusal("1.3", change)).toBe(alert);
  });

  it("a second retry", () => {
    const client = new Side("client", "1.3");
    const server = new Side("server", "1.3");
    client.machine.start?.();
    server.take(client.out.splice(0));
    const [first] = server.out.splice(0).map(retry({ 44: encodeCookie(Uint8Array.of(1)) }));
    client.take([first]);
    expect(client.failure).toBeUndefined();
    expect(client.out.splice(0)).toHaveLength(1);
    client.take([{ ...first, sequence: 1 }]);
    expect(client.failure).toBe(UNEXPECTED_MESSAGE);
  });

  it("a HelloVerifyRequest, or DTLS 1.2, after a retry (RFC 8446 §4.1.4)", () => {
    const client = () => {
      const side = new Side("client", "1.3", { versions: ["1.3", "1.2"] });
      const server = new Side("server", "1.3");
      side.machine.start?.();
      server.take(side.out.splice(0));
      const [first] = server.out.splice(0).map(retry({ 44: encodeCookie(Uint8Array.of(1)) }));
      side.take([first]);
      expect(side.failure).toBeUndefined();
      return { side, first };
    };
    const asked = client();
    asked.side.take([verifyRequest(1)]);
    expect(asked.side.failure).toBe(UNEXPECTED_MESSAGE);
    const downgraded = client();
    downgraded.side.take([hello({ random: new Uint8Array(32) }, { 43: undefined, 44: undefined })(downgraded.first)]);
    expect(downgraded.side.failure).toBe(ILLEGAL_PARAMETER);
  });

  it("a HelloVerifyRequest where it offers no DTLS 1.2", () => {
    const client = new Side("client", "1.3");
    client.machine.start?.();
    client.take([verifyRequest(0)]);
    expect(client.failure).toBe(UNEXPECTED_MESSAGE);
  });

  it("a wrong certificate, before its signature is looked at", () => {
    for (const version of ["1.2", "1.3"] as const) {
      const client = new Side("client", version, { verifyPeerCertificate: () => false });
      const server = new Side("server", version);
      client.machine.start?.();
      server.take(client.out.splice(0));
      client.take(server.out.splice(0));
      expect(client.failure).toBe(BAD_CERTIFICATE);
    }
  });
});

describe("a client that is asked to say hello again by a HelloVerifyRequest", () => {
  const asked = (cookies: readonly Uint8Array[]) => {
    const client = new Side("client", "1.2", { versions: ["1.3", "1.2"] });
    client.machine.start?.();
    const hellos = cookies.map((cookie, sequence) => {
      client.out.splice(0);
      client.take([verifyRequest(sequence, cookie)]);
      return client.out[0];
    });
    return { client, hellos };
  };

  it("repeats it with the cookie, which may be empty (RFC 6347 §4.2.1), and with another one where that is refused", () => {
    for (const cookies of [[EMPTY], [Uint8Array.of(1, 2)], [Uint8Array.of(1), EMPTY, Uint8Array.of(2)]]) {
      const { client, hellos } = asked(cookies);
      expect(client.failure).toBeUndefined();
      expect(hellos.map(({ body }) => parseClientHello(body)?.cookie)).toEqual(cookies);
      const server = new Side("server", "1.2");
      server.take([{ ...hellos[hellos.length - 1], sequence: 0 }]);
      client.take(server.out.splice(0));
      expect(client.failure).toBeUndefined();
      server.take(client.out.slice(1));
    }
  });

  it("refuses a server that then chooses DTLS 1.3 (RFC 9147 §5.1)", () => {
    for (const random of [new Uint8Array(32).fill(9), HELLO_RETRY_RANDOM]) {
      const { client } = asked([Uint8Array.of(1)]);
      const body = encodeServerHello({
        version: 0xfefd,
        random,
        sessionId: EMPTY,
        cipherSuite: 0x1301,
        compressionMethod: 0,
        extensions: new Map([[43, encodeNumber(0xfefc)]]),
      });
      client.take([{ type: SERVER_HELLO, sequence: 1, epoch: 0, body }]);
      expect(client.failure).toBe(ILLEGAL_PARAMETER);
    }
  });
});
