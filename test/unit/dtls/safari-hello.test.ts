/** A ClientHello with what Safari of 2022 is known to offer; test/fixtures/safari says where that is known from. */
import { expect, it } from "vitest";
import { EXTENSION_USE_SRTP } from "../../../src/dtls/extensions.ts";
import { parseServerHello } from "../../../src/dtls/messages.ts";
import { fromHex, toHex } from "../../../src/wire/bytes.ts";
import { handshakeTypes } from "./records.ts";
import { Party } from "./support.ts";

const SUITES = "cca9 cca8 c02b c02f c009 c013 c00a c014 009c 002f 0035";
const EXTENSIONS = [
  "0017 0000", // extended_master_secret
  "ff01 0001 00", // renegotiation_info
  "000a 0008 0006 001d 0017 0018", // supported_groups: X25519, P-256, P-384
  "000b 0002 01 00", // ec_point_formats: uncompressed
  "0023 0000", // session_ticket
  "000d 0014 0012 0403 0804 0401 0503 0805 0501 0806 0601 0201", // signature_algorithms
  "000e 0009 0006 0001 0008 0007 00", // use_srtp, without an MKI
];

const hex = (text: string) => text.replaceAll(" ", "");
const number = (value: number, bytes: number) => value.toString(16).padStart(2 * bytes, "0");
const vector = (content: string, bytes: number) => number(content.length / 2, bytes) + content;

/** The hello as one record: no longer than a datagram may be, so that it is not cut. */
function hello(): Uint8Array {
  const random = "5a".repeat(32);
  const offered = vector(hex(SUITES), 2) + vector("00", 1) + vector(EXTENSIONS.map(hex).join(""), 2);
  // RFC 6347 §4.2.1: version 1.2, random, no session, no cookie.
  const body = `fefd${random}0000${offered}`;
  const length = number(body.length / 2, 3);
  const message = `01${length}0000${number(0, 3)}${length}${body}`;
  // RFC 6347 §4.1: handshake, in a record of 1.0 as long as nothing is agreed on; epoch 0, number 0.
  return fromHex(`16feff0000${number(0, 6)}${vector(message, 2)}`);
}

it("is answered with DTLS 1.2, the suite with AES-128-GCM, X25519 and the first SRTP profile", () => {
  const server = new Party({ role: "server", versions: ["1.3", "1.2"] });
  server.connection.handleDatagram(0, hello());
  expect(server.sent).toHaveLength(1);
  expect(handshakeTypes(server.sent[0])).toEqual([2, 11, 12, 13, 14]);
  expect(server.connection.version).toBe("1.2");
  expect(server.connection.group).toBe(0x001d);
  expect(server.connection.cipherSuite).toBe(0xc02b);
  const length = (server.sent[0][14] << 16) | (server.sent[0][15] << 8) | server.sent[0][16];
  const { extensions } = parseServerHello(server.sent[0].subarray(25, 25 + length))!;
  expect(toHex(extensions.get(EXTENSION_USE_SRTP)!)).toBe("0002000100");
});
