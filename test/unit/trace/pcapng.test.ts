import { expect, test } from "vitest";
import {
  decryptionSecrets,
  enhancedPacket,
  interfaceDescription,
  LINKTYPE_SCTP,
  sectionHeader,
} from "../../../src/trace/pcapng.ts";
import { toHex } from "../../../src/wire/bytes.ts";

/** Bytes as they stand in the specification, with spaces where it has fields. */
function hex(...fields: string[]): string {
  return fields.join("").replaceAll(" ", "");
}

function text(value: string): string {
  return toHex(new TextEncoder().encode(value));
}

test("a section header names version 1.0, an unknown length, a comment and the program, byte by byte", () => {
  expect(toHex(sectionHeader("abcde"))).toBe(
    hex(
      "0a0d0d0a 00000040",
      "1a2b3c4d 0001 0000 ffffffffffffffff",
      `0001 0005 ${text("abcde")} 000000`,
      `0004 000f ${text("webrtc-datagram")} 00`,
      "0000 0000",
      "00000040",
    ),
  );
});

test("an interface description has its link type and its name, byte by byte", () => {
  expect(toHex(interfaceDescription(LINKTYPE_SCTP, "SCTP"))).toBe(
    hex("00000001 00000020", "00f8 0000 00000000", `0002 0004 ${text("SCTP")}`, "0000 0000", "00000020"),
  );
});

test("a decryption secrets block has the line of the key log with its end, padded, byte by byte", () => {
  expect(toHex(decryptionSecrets("CLIENT_RANDOM 00 11"))).toBe(
    hex("0000000a 00000028", "544c534b 00000014", text("CLIENT_RANDOM 00 11\n"), "00000028"),
  );
  expect(toHex(decryptionSecrets("X"))).toBe(
    hex("0000000a 00000018", "544c534b 00000002", `${text("X\n")} 0000`, "00000018"),
  );
});

test.each([
  ["inbound", "00000001"],
  ["outbound", "00000002"],
] as const)("an enhanced packet that is %s has time, length, data and direction, byte by byte", (direction, flags) => {
  const timeUs = 0x0006_1234 * 0x1_0000_0000 + 0x89ab_cdef;
  const data = Uint8Array.of(1, 2, 3, 4, 5);
  expect(toHex(enhancedPacket({ interfaceId: 1, timeUs, direction, data }))).toBe(
    hex(
      "00000006 00000034",
      "00000001 00061234 89abcdef",
      "00000005 00000005",
      "0102030405 000000",
      `0002 0004 ${flags}`,
      "0000 0000",
      "00000034",
    ),
  );
});
