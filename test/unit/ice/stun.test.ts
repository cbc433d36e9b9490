import { expect, test } from "vitest";
import {
  attributeValue,
  BINDING_ERROR,
  BINDING_INDICATION,
  BINDING_REQUEST,
  BINDING_SUCCESS,
  ERROR_CODE,
  errorCodeOf,
  hasAttribute,
  hasUsername,
  ICE_CONTROLLED,
  ICE_CONTROLLING,
  isStun,
  localUfragOf,
  META_DTLS_IN_STUN,
  parseBindingRequest,
  parseStun,
  PRIORITY,
  type StunMessage,
  USE_CANDIDATE,
  USERNAME,
  verifyFingerprint,
  verifyIntegrity,
  XOR_MAPPED_ADDRESS,
  xorMappedAddress,
} from "../../../src/ice/stun.ts";
import { writeBindingError, writeBindingRequest, writeBindingSuccess, writeStun } from "../../../src/ice/stun-write.ts";
import type { SocketAddress } from "../../../src/wire/address.ts";
import { concatBytes, toHex } from "../../../src/wire/bytes.ts";
import {
  MAPPED_IPV4,
  MAPPED_IPV6,
  MAPPED_PORT,
  PASSWORD,
  SAMPLE_IPV4_RESPONSE,
  SAMPLE_IPV6_RESPONSE,
  SAMPLE_REQUEST,
  TRANSACTION_ID,
  USERNAME_TEXT,
} from "../../vectors/rfc5769.ts";

const key = new TextEncoder().encode(PASSWORD);
const SOFTWARE = 0x8022;

function parsed(bytes: Uint8Array): StunMessage {
  const message = parseStun(bytes);
  if (typeof message === "string") throw new Error(`not parsed: ${message}`);
  return message;
}

/** XOR-MAPPED-ADDRESS as we write it. */
function mappedAddressOf(mapped: SocketAddress): Uint8Array {
  return attributeValue(parsed(writeBindingSuccess(TRANSACTION_ID, mapped, key)), XOR_MAPPED_ADDRESS)!;
}

function changed(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

function request(extra: { type: number; value: Uint8Array }[] = []): Uint8Array {
  return writeStun(
    BINDING_REQUEST,
    TRANSACTION_ID,
    [{ type: USERNAME, value: new TextEncoder().encode(USERNAME_TEXT) }, ...extra],
    key,
  );
}

test("the sample request of RFC 5769 is read and verified", () => {
  const message = parsed(SAMPLE_REQUEST);
  expect(message.type).toBe(BINDING_REQUEST);
  expect(toHex(message.transactionId)).toBe(toHex(TRANSACTION_ID));
  expect(hasUsername(message, "evtj", "h6vY")).toBe(true);
  expect(localUfragOf(message)).toBe("evtj");
  expect(toHex(attributeValue(message, PRIORITY)!)).toBe("6e0001ff");
  expect(toHex(attributeValue(message, ICE_CONTROLLED)!)).toBe("932ff9b151263b36");
  expect(new TextDecoder().decode(attributeValue(message, SOFTWARE))).toBe("STUN test client");
  expect(message.unknownRequired).toEqual([]);
  expect(verifyFingerprint(message)).toBe(true);
  expect(verifyIntegrity(message, key)).toBe(true);
  expect(typeof parseBindingRequest(SAMPLE_REQUEST)).toBe("object");
});

test("the sample IPv4 response of RFC 5769 is read and verified", () => {
  const message = parsed(SAMPLE_IPV4_RESPONSE);
  expect(message.type).toBe(BINDING_SUCCESS);
  expect(xorMappedAddress(message)).toEqual({ address: MAPPED_IPV4, port: MAPPED_PORT });
  expect(verifyFingerprint(message)).toBe(true);
  expect(verifyIntegrity(message, key)).toBe(true);
});

test("the sample IPv6 response of RFC 5769 is read and verified", () => {
  const message = parsed(SAMPLE_IPV6_RESPONSE);
  expect(xorMappedAddress(message)).toEqual({ address: MAPPED_IPV6, port: MAPPED_PORT });
  expect(verifyFingerprint(message)).toBe(true);
  expect(verifyIntegrity(message, key)).toBe(true);
});

test("the XOR-MAPPED-ADDRESS of both sample responses is written byte for byte", () => {
  const value4 = attributeValue(parsed(SAMPLE_IPV4_RESPONSE), XOR_MAPPED_ADDRESS)!;
  const value6 = attributeValue(parsed(SAMPLE_IPV6_RESPONSE), XOR_MAPPED_ADDRESS)!;
  expect(toHex(mappedAddressOf({ address: MAPPED_IPV4, port: MAPPED_PORT }))).toBe(toHex(value4));
  expect(toHex(mappedAddressOf({ address: MAPPED_IPV6, port: MAPPED_PORT }))).toBe(toHex(value6));
});

test("a sample response written again from its parts differs in nothing but the padding of SOFTWARE", () => {
  const message = parsed(SAMPLE_IPV4_RESPONSE);
  const again = parsed(writeStun(BINDING_SUCCESS, message.transactionId, message.attributes, key));
  expect(toHex(again.bytes.subarray(0, 35))).toBe(toHex(message.bytes.subarray(0, 35)));
  expect(message.bytes[35]).toBe(0x20); // RFC 5769 pads with spaces,
  expect(again.bytes[35]).toBe(0); // RFC 8489 §14 with zeros.
  expect(toHex(again.bytes.subarray(36, 48))).toBe(toHex(message.bytes.subarray(36, 48)));
  expect(verifyIntegrity(again, key)).toBe(true);
});

test("a success response carries the address, IPv4 or IPv6, and verifies", () => {
  for (const mapped of [
    { address: "203.0.113.7", port: 1 },
    { address: "2001:db8:0:0:0:0:0:1", port: 65535 },
  ]) {
    const message = parsed(writeBindingSuccess(TRANSACTION_ID, mapped, key));
    expect(message.type).toBe(BINDING_SUCCESS);
    expect(xorMappedAddress(message)).toEqual(mapped);
    expect(verifyFingerprint(message)).toBe(true);
    expect(verifyIntegrity(message, key)).toBe(true);
  }
});

test("a mapped address that is no IP address is refused by name", () => {
  for (const address of ["example.org", "1.2.3", "::1.2.3"]) {
    expect(() => writeBindingSuccess(TRANSACTION_ID, { address, port: 1 }, key), address).toThrow(/mapped\.address/);
  }
});

test("an error response carries code, reason and unknown attributes, and verifies", () => {
  const message = parsed(writeBindingError(TRANSACTION_ID, 420, "Unknown Attribute", key, [0x7001, 0x7002, 0x7003]));
  expect(message.type).toBe(BINDING_ERROR);
  expect(errorCodeOf(message)).toBe(420);
  expect(new TextDecoder().decode(attributeValue(message, ERROR_CODE)!.subarray(4))).toBe("Unknown Attribute");
  expect(toHex(attributeValue(message, 0x000a)!)).toBe("700170027003");
  expect(verifyFingerprint(message)).toBe(true);
  expect(verifyIntegrity(message, key)).toBe(true);
});

test("a binding request of the controlling role carries what a check must", () => {
  const bytes = writeBindingRequest({
    transactionId: TRANSACTION_ID,
    username: USERNAME_TEXT,
    key,
    priority: 0x6e0001ff,
    tieBreaker: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    role: "controlling",
    useCandidate: true,
    extra: [{ type: META_DTLS_IN_STUN, value: Uint8Array.of(22, 254, 255) }],
  });
  const message = parseBindingRequest(bytes) as StunMessage;
  expect(hasUsername(message, "evtj", "h6vY")).toBe(true);
  expect(toHex(attributeValue(message, PRIORITY)!)).toBe("6e0001ff");
  expect(toHex(attributeValue(message, ICE_CONTROLLING)!)).toBe("0102030405060708");
  expect(hasAttribute(message, USE_CANDIDATE)).toBe(true);
  expect(toHex(attributeValue(message, META_DTLS_IN_STUN)!)).toBe("16feff");
  expect(message.unknownRequired).toEqual([]);
  expect(verifyIntegrity(message, key)).toBe(true);
});

test("any changed bit in front of MESSAGE-INTEGRITY or in it fails the integrity check", () => {
  const bytes = request();
  const covered = bytes.length - 8;
  for (let at = 0; at < covered; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const message = parseStun(changed(bytes, at, bytes[at] ^ (1 << bit)));
      if (typeof message === "string") continue;
      expect(verifyIntegrity(message, key), `byte ${at} bit ${bit}`).toBe(false);
    }
  }
});

test("any changed bit at all fails the structure or the fingerprint", () => {
  const bytes = request();
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      expect(typeof parseBindingRequest(changed(bytes, at, bytes[at] ^ (1 << bit))), `byte ${at} bit ${bit}`).toBe(
        "string",
      );
    }
  }
});

test("a message without FINGERPRINT is not taken as a check", () => {
  const bytes = request();
  const without = changed(bytes.slice(0, -8), 2, 0, bytes.length - 8 - 20);
  expect(typeof parseStun(without)).toBe("object");
  expect(parseBindingRequest(without)).toBe("stun-bad-fingerprint");
});

test("a message without MESSAGE-INTEGRITY verifies under no key", () => {
  const message = parsed(writeStun(BINDING_REQUEST, TRANSACTION_ID, []));
  expect(message.integrityOffset).toBe(-1);
  expect(verifyIntegrity(message, key)).toBe(false);
});

test("responses and indications are told from malformed datagrams", () => {
  expect(parseBindingRequest(SAMPLE_IPV4_RESPONSE)).toBe("stun-not-a-request");
  expect(parseBindingRequest(writeStun(BINDING_INDICATION, TRANSACTION_ID, []))).toBe("stun-not-a-request");
  expect(parseBindingRequest(SAMPLE_IPV4_RESPONSE.subarray(0, 76))).toBe("stun-malformed");
  expect(parseBindingRequest(new Uint8Array(0))).toBe("stun-malformed");
});

test("attributes behind MESSAGE-INTEGRITY are passed over", () => {
  const bytes = request();
  const late = Uint8Array.of(0x00, 0x25, 0, 0, 0x70, 0x01, 0, 0); // USE-CANDIDATE, and one nobody knows
  const spliced = concatBytes(bytes.subarray(0, -8), late);
  const message = parsed(changed(spliced, 2, 0, spliced.length - 20));
  expect(hasAttribute(message, USE_CANDIDATE)).toBe(false);
  expect(message.unknownRequired).toEqual([]);
  expect(verifyIntegrity(message, key)).toBe(true);
});

test("an attribute that runs past the end, or whose length is not that of its type, is malformed", () => {
  const header = (length: number) => changed(SAMPLE_REQUEST.slice(0, 20), 2, length >>> 8, length & 255);
  const one = (type: number, length: number, bytes: number) =>
    concatBytes(
      header(4 + bytes),
      Uint8Array.of(type >>> 8, type & 255, length >>> 8, length & 255),
      new Uint8Array(bytes),
    );
  expect(typeof parseStun(one(SOFTWARE, 8, 8))).toBe("object");
  expect(typeof parseStun(one(SOFTWARE, 5, 8))).toBe("object");
  for (const length of [9, 12, 0xfffc, 0xffff])
    expect(parseStun(one(SOFTWARE, length, 8)), `${length}`).toBe("stun-malformed");
  for (const [type, length] of [
    [0x0008, 24],
    [PRIORITY, 8],
    [USE_CANDIDATE, 4],
    [0x8028, 8],
    [ICE_CONTROLLED, 4],
  ]) {
    expect(parseStun(one(type, length, length)), `type ${type}`).toBe("stun-malformed");
  }
});

test("nothing may follow FINGERPRINT", () => {
  const spliced = concatBytes(request(), Uint8Array.of(0x80, 0x22, 0, 0));
  expect(parseStun(changed(spliced, 2, 0, spliced.length - 20))).toBe("stun-malformed");
});

test("of two attributes of one type the first counts", () => {
  const first = { type: PRIORITY, value: Uint8Array.of(0, 0, 0, 1) };
  const second = { type: PRIORITY, value: Uint8Array.of(0, 0, 0, 2) };
  expect(attributeValue(parsed(request([first, second])), PRIORITY)![3]).toBe(1);
});

test("unknown attributes are carried; those below 0x8000 are named once each", () => {
  const unknown = (type: number) => ({ type, value: Uint8Array.of(9) });
  const message = parsed(request([unknown(0x7001), unknown(0xc0de), unknown(0x7001), unknown(0x7002)]));
  expect(message.unknownRequired).toEqual([0x7001, 0x7002]);
  expect(toHex(attributeValue(message, 0xc0de)!)).toBe("09");
});

test("a USERNAME without a colon or over 513 bytes names no session", () => {
  const named = (username: Uint8Array) =>
    parsed(writeStun(BINDING_REQUEST, TRANSACTION_ID, [{ type: USERNAME, value: username }]));
  expect(localUfragOf(named(new TextEncoder().encode("abcd")))).toBeUndefined();
  expect(localUfragOf(named(new TextEncoder().encode(":abcd")))).toBe("");
  expect(localUfragOf(named(new TextEncoder().encode(`ab:${"x".repeat(510)}`)))).toBe("ab");
  expect(localUfragOf(named(new TextEncoder().encode(`ab:${"x".repeat(511)}`)))).toBeUndefined();
  expect(localUfragOf(parsed(writeStun(BINDING_REQUEST, TRANSACTION_ID, [])))).toBeUndefined();
});

test("USERNAME is both fragments with one colon between them, and nothing else", () => {
  const named = (name: string) => {
    const value = Uint8Array.from(name, (character) => character.charCodeAt(0));
    return parsed(writeStun(BINDING_REQUEST, TRANSACTION_ID, [{ type: USERNAME, value }]));
  };
  expect(hasUsername(named("abcd:efg"), "abcd", "efg")).toBe(true);
  expect(hasUsername(named(":"), "", "")).toBe(true);
  for (const name of [
    "",
    "abcd",
    "abcdefg",
    "abcd:efh",
    "bbcd:efg",
    "abcd;efg",
    "abcd:efg:",
    "abcd:ef",
    "abc:defg",
    "ab:d:efg",
  ]) {
    expect(hasUsername(named(name), "abcd", "efg"), name).toBe(false);
  }
  // A fragment is ASCII: no character may stand for a byte by its lower half.
  expect(hasUsername(named("abcd:efg"), "abcd", "\u0165fg")).toBe(false);
  expect(hasUsername(parsed(writeStun(BINDING_REQUEST, TRANSACTION_ID, [])), "", "")).toBe(false);
});

test("an XOR-MAPPED-ADDRESS of another family or length is no address", () => {
  const good = mappedAddressOf({ address: MAPPED_IPV4, port: MAPPED_PORT });
  const mapped = (value: Uint8Array) =>
    xorMappedAddress(parsed(writeStun(BINDING_SUCCESS, TRANSACTION_ID, [{ type: XOR_MAPPED_ADDRESS, value }])));
  expect(mapped(good)).toBeDefined();
  expect(mapped(changed(good, 1, 2))).toBeUndefined();
  expect(mapped(changed(good, 1, 3))).toBeUndefined();
  expect(mapped(good.subarray(0, 7))).toBeUndefined();
  expect(mapped(new Uint8Array(0))).toBeUndefined();
});

test("an ERROR-CODE out of range is no code", () => {
  const code = (...value: number[]) =>
    errorCodeOf(
      parsed(writeStun(BINDING_ERROR, TRANSACTION_ID, [{ type: ERROR_CODE, value: Uint8Array.from(value) }])),
    );
  expect(code(0, 0, 4, 87)).toBe(487);
  expect(code(0, 0, 2, 99)).toBeUndefined();
  expect(code(0, 0, 7, 0)).toBeUndefined();
  expect(code(0, 0, 4, 100)).toBeUndefined();
  expect(code(0, 0, 4)).toBeUndefined();
});

test("STUN is told from DTLS by the first byte", () => {
  expect([0, 3, 4, 20, 22, 23, 63, 128].map(isStun)).toEqual([true, true, false, false, false, false, false, false]);
});
