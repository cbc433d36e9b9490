import { expect, test } from "vitest";
import { addressBlocks, addressBytes, addressText, formatAddress, unmapAddress } from "../../../src/wire/address.ts";
import { fromHex } from "../../../src/wire/bytes.ts";

test("IPv4 text becomes 4 bytes", () => {
  expect(addressBytes("192.0.2.1")).toEqual(Uint8Array.of(192, 0, 2, 1));
});

test.each([
  ["2001:db8::1", "20010db8000000000000000000000001"],
  ["::", "00000000000000000000000000000000"],
  ["::1", "00000000000000000000000000000001"],
  ["fe80::1%eth0", "fe800000000000000000000000000001"],
  ["::ffff:192.0.2.1", "00000000000000000000ffffc0000201"],
  ["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221"],
  ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
  ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
])("IPv6 text %s becomes 16 bytes", (text, hex) => {
  expect(addressBytes(text)).toEqual(fromHex(hex));
});

test.each([
  "",
  "1.2.3",
  "1.2.3.4.5",
  "256.1.1.1",
  "1.2.3.x",
  "localhost",
  ":",
  ":::",
  "1::2::3",
  "12345::",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7",
  "::1.2.3",
  "g::",
  "1:2:3:4:5:6:7:1.2.3.4",
])("%j is not an address", (text) => {
  expect(addressBytes(text)).toBeUndefined();
});

test("bytes become text that reads back to the same bytes", () => {
  for (const text of ["192.0.2.1", "2001:db8::1", "::"]) {
    const bytes = addressBytes(text)!;
    expect(addressBytes(addressText(bytes))).toEqual(bytes);
  }
});

test("an IPv4 address seen by a dual-stack socket is unmapped, others stay", () => {
  expect(unmapAddress("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(unmapAddress("2001:db8::1")).toBe("2001:db8::1");
  expect(formatAddress({ address: "2001:db8::1", port: 5 })).toBe("[2001:db8::1]:5");
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
  ["2001:db8:1:3::1", "2001:db8:1:3::/64"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::ffff:198.51.100.7", "198.51.100.7"],
  ["0:0:0:0:0:FFFF:c000:201", "192.0.2.1"],
  ["::1", "0:0:0:0:0:0:0:1"],
  ["::192.0.2.1", "0:0:0:0:0:0:c000:201"],
  ["::1:0:192.0.2.1", "0:0:0:0::/64"],
  ["64:ff9b::192.0.2.33", "64:ff9b:0:0:0:0:c000:221"],
  ["64:FF9B:0:0::c000:221", "64:ff9b:0:0:0:0:c000:221"],
  ["64:ff9b::1:2:3:4", "64:ff9b:0:0::/64"],
  ["64:ff9b:1::192.0.2.33", "64:ff9b:1:0::/64"],
  ["nonsense", undefined],
])("%s belongs to %s", (address, block) => {
  expect(addressBlocks(address)[0]).toBe(block);
});
