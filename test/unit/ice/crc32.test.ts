import { expect, test } from "vitest";
import { crc32 } from "../../../src/ice/crc32.ts";

test("crc32 gives the check value of the CRC catalogue for 123456789", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});

test("crc32 of nothing is 0", () => {
  expect(crc32(new Uint8Array(0))).toBe(0);
});

test("crc32 covers just the range asked for", () => {
  const padded = new TextEncoder().encode("xx123456789yy");
  expect(crc32(padded, 2, 11)).toBe(0xcbf43926);
});
