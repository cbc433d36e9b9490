import { expect, test } from "vitest";
import { ipPacket } from "../../../src/trace/ip.ts";
import { concatBytes, toHex } from "../../../src/wire/bytes.ts";

const at = (address: string, port: number) => ({ address, port });

/** RFC 1071: of bytes with their checksum it is all ones. */
function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i++) total += i % 2 === 0 ? bytes[i] << 8 : bytes[i];
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

test("a datagram over IPv4 has its headers, byte by byte", () => {
  const packet = ipPacket(at("192.0.2.1", 42_424), at("198.51.100.7", 50_000), Uint8Array.of(0xaa, 0xbb, 0xcc));
  expect(toHex(packet)).toBe(
    ["4500001f 00004000 4011 4e92 c0000201 c6336407", "a5b8c350 000b 33d6 aabbcc"].join("").replaceAll(" ", ""),
  );
});

test.each([
  ["IPv4", "192.0.2.1", "198.51.100.7", 20],
  ["IPv6", "2001:db8::1", "2001:db8::2", 40],
])("checksums over %s are right for every small length", (_, from, to, headerBytes) => {
  for (let length = 0; length < 40; length++) {
    const packet = ipPacket(
      at(from, 1),
      at(to, 65_535),
      Uint8Array.from({ length }, (_, i) => 37 * i + length),
    );
    const udp = packet.subarray(headerBytes);
    const addresses = headerBytes === 20 ? packet.subarray(12, 20) : packet.subarray(8, 40);
    const pseudo = concatBytes(addresses, Uint8Array.of(0, 17, udp.length >>> 8, udp.length & 0xff), udp);
    expect(sum(pseudo)).toBe(0xffff);
    if (headerBytes === 20) expect(sum(packet.subarray(0, 20))).toBe(0xffff);
    expect(packet.length).toBe(headerBytes + 8 + length);
  }
});

test.each([
  ["::", "192.0.2.1", "00000000c0000201"],
  ["192.0.2.1", "::", "c000020100000000"],
  ["0.0.0.0", "2001:db8::1", `${"00".repeat(16)}20010db8${"00".repeat(11)}01`],
  ["2001:db8::1", "192.0.2.1", `20010db8${"00".repeat(11)}01${"00".repeat(10)}ffffc0000201`],
])("addresses of two families, %s and %s, become one", (from, to, addresses) => {
  const packet = ipPacket(at(from, 1), at(to, 2), new Uint8Array(0));
  const start = packet[0] >>> 4 === 4 ? 12 : 8;
  expect(toHex(packet).slice(2 * start, 2 * start + addresses.length)).toBe(addresses);
});
