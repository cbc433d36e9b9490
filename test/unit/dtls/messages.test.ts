import { describe, expect, it } from "vitest";
import { parseAlert } from "../../../src/dtls/alert.ts";
import { encodeNumbers, type Extensions, includesByte, parseNumbers } from "../../../src/dtls/extensions.ts";
import {
  encodeCertificate12,
  encodeCertificateRequest12,
  encodeCertificateVerify,
  encodeClientHello,
  encodeClientKeyExchange,
  encodeHelloVerifyRequest,
  encodeKeyExchangeParameters,
  encodeServerHello,
  encodeServerKeyExchange,
  parseCertificate12,
  parseCertificateRequest12,
  parseCertificateVerify,
  parseClientHello,
  parseClientKeyExchange,
  parseHelloVerifyRequest,
  parseServerHello,
  parseServerKeyExchange,
} from "../../../src/dtls/messages.ts";
import { concatBytes, fromHex } from "../../../src/wire/bytes.ts";

const random = Uint8Array.from({ length: 32 }, (_, i) => i);
const extensions: Extensions = new Map([
  [0x0017, new Uint8Array(0)],
  [0xff01, Uint8Array.of(0)],
  [0x000a, encodeNumbers([0x001d, 0x0017])],
]);
const clientHello = {
  version: 0xfefd,
  random,
  sessionId: Uint8Array.of(1, 2, 3),
  cookie: Uint8Array.of(9, 9),
  cipherSuites: [0xc02b, 0x00ff],
  compressionMethods: Uint8Array.of(0),
  extensions,
};
const serverHello = {
  version: 0xfefd,
  random,
  sessionId: new Uint8Array(0),
  cipherSuite: 0xc02b,
  compressionMethod: 0,
  extensions,
};
const parameters = encodeKeyExchangeParameters(0x001d, random);
const signature = new Uint8Array(70).fill(5);
const der = new Uint8Array(300).fill(6);

/** Name, encoded form, parser, what it gives. */
const MESSAGES: [string, Uint8Array, (body: Uint8Array) => unknown, unknown][] = [
  ["ClientHello", encodeClientHello(clientHello), parseClientHello, clientHello],
  ["ServerHello", encodeServerHello(serverHello), parseServerHello, serverHello],
  ["HelloVerifyRequest", encodeHelloVerifyRequest(random), parseHelloVerifyRequest, random],
  ["Certificate", encodeCertificate12(der), parseCertificate12, der],
  [
    "ServerKeyExchange",
    encodeServerKeyExchange(parameters, 0x0403, signature),
    parseServerKeyExchange,
    { group: 0x001d, publicKey: random, parameters, scheme: 0x0403, signature },
  ],
  ["CertificateRequest", encodeCertificateRequest12([0x0403]), parseCertificateRequest12, [0x0403]],
  ["ClientKeyExchange", encodeClientKeyExchange(random), parseClientKeyExchange, random],
  [
    "CertificateVerify",
    encodeCertificateVerify({ scheme: 0x0403, signature }),
    parseCertificateVerify,
    { scheme: 0x0403, signature },
  ],
];

describe.each(MESSAGES)("%s", (_name, encoded, parse, expected) => {
  it("reads back what was written", () => {
    expect(parse(encoded)).toEqual(expected);
  });

  it("is malformed when cut off at any byte or when bytes follow", () => {
    for (let length = 0; length < encoded.length; length++) {
      // A hello may end where its extensions would begin (RFC 5246 §7.4.1.2).
      const cut = parse(encoded.subarray(0, length)) as { extensions?: Extensions } | undefined;
      if (cut?.extensions?.size !== 0) expect(cut, `length ${length}`).toBeUndefined();
    }
    expect(parse(concatBytes(encoded, Uint8Array.of(0)))).toBeUndefined();
  });

  it("never makes its parser throw with any byte at 0, 1, 2, 3 or 255", () => {
    for (let at = 0; at < encoded.length; at++) {
      for (const value of [0, 1, 2, 3, 255]) {
        const changed = Uint8Array.from(encoded);
        changed[at] = value;
        expect(() => parse(changed)).not.toThrow();
      }
    }
  });
});

describe("a hello", () => {
  it("is malformed with the same extension twice", () => {
    const twice = concatBytes(
      encodeClientHello({ ...clientHello, extensions: new Map() }).slice(0, -2),
      fromHex("0008"),
    );
    expect(parseClientHello(concatBytes(twice, fromHex("0017000000170000")))).toBeUndefined();
    expect(parseClientHello(concatBytes(twice, fromHex("0017000000180000")))).toBeDefined();
  });

  it("is malformed with a session id of more than 32 bytes, no cipher suite or no compression method", () => {
    expect(parseClientHello(encodeClientHello({ ...clientHello, sessionId: new Uint8Array(33) }))).toBeUndefined();
    expect(parseClientHello(encodeClientHello({ ...clientHello, cipherSuites: [] }))).toBeUndefined();
    const none = { ...clientHello, compressionMethods: new Uint8Array(0) };
    expect(parseClientHello(encodeClientHello(none))).toBeUndefined();
  });
});

describe("a Certificate message", () => {
  it("gives an empty certificate for an empty list and the first of several", () => {
    expect(parseCertificate12(encodeCertificate12(undefined))).toHaveLength(0);
    const two = fromHex("00000a 000001aa 000003bbbbbb".replaceAll(" ", ""));
    expect(parseCertificate12(two)).toEqual(Uint8Array.of(0xaa));
    expect(parseCertificate12(fromHex("000003000000"))).toBeUndefined(); // an empty one in the list
  });
});

describe("lists in extensions", () => {
  it("are undefined where their length is odd, zero or does not fit", () => {
    expect(parseNumbers(fromHex("0002001d"))).toEqual([0x1d]);
    for (const hex of ["", "00", "0000", "0001", "000100", "0003001d00", "0002001d00", "0004001d"]) {
      expect(parseNumbers(fromHex(hex)), hex).toBeUndefined();
    }
    expect(parseNumbers(fromHex("02fefd"), 1)).toEqual([0xfefd]);
  });

  it("are searched only where they are whole", () => {
    expect(includesByte(fromHex("0100"), 0)).toBe(true);
    expect(includesByte(fromHex("0101"), 0)).toBe(false);
    expect(includesByte(fromHex("020100"), 0)).toBe(true);
    expect(includesByte(fromHex("0200"), 0)).toBe(false);
    expect(includesByte(fromHex(""), 0)).toBe(false);
  });
});

describe("an alert", () => {
  it("has exactly two bytes", () => {
    expect(parseAlert(Uint8Array.of(2, 40))).toEqual({ level: 2, description: 40 });
    expect(parseAlert(Uint8Array.of(2))).toBeUndefined();
    expect(parseAlert(Uint8Array.of(2, 40, 0))).toBeUndefined();
    expect(parseAlert(new Uint8Array(0))).toBeUndefined();
  });
});
