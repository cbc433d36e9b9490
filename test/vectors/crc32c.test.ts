// RFC 3720 appendix B.4 and others, and a bit-by-bit reference at every length and alignment.
import "../unit/wasm/relaxed.ts";
import { describe, expect, test } from "vitest";
import { Datapath } from "../../src/wasm/datapath.ts";
import { Random } from "../unit/wasm/random.ts";

const ISCSI_READ =
  "01c00000000000000000000000000000140000000000040000000014000000182800000000000000" + "0200000000000000";

/** The checksum as a number; RFC 3720 prints its bytes in the order in which they travel, least significant first. */
const vectors = [
  { name: "no bytes", hex: "", crc: 0 },
  { name: "32 zeros (RFC 3720)", hex: "00".repeat(32), crc: 0x8a9136aa },
  { name: "32 ones (RFC 3720)", hex: "ff".repeat(32), crc: 0x62a8ab43 },
  {
    name: "0 to 31 (RFC 3720)",
    hex: Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString("hex"),
    crc: 0x46dd794e,
  },
  {
    name: "31 to 0 (RFC 3720)",
    hex: Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)).toString("hex"),
    crc: 0x113fdb5c,
  },
  { name: "an iSCSI read command (RFC 3720)", hex: ISCSI_READ, crc: 0xd9963a56 },
  { name: "123456789 (the check value of the CRC catalogue)", hex: "313233343536373839", crc: 0xe3069283 },
];

/** RFC 9260 Appendix A, one bit at a time. */
function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
  }
  return ~crc >>> 0;
}

/** More than the kernel reads in front of a message or behind it. */
const AROUND = 40;

describe.each(["simd", "relaxed", "jsc"] as const)("CRC32c, %s build", (build) => {
  const path = new Datapath({ build, keySlots: 1 });

  test.each(vectors)("of $name is the published one", ({ hex, crc }) => {
    const bytes = Buffer.from(hex, "hex");
    path.memory.set(bytes, path.rxOffset);
    expect(path.crc32c(path.rxOffset, bytes.length)).toBe(crc);
    expect(bitwise(bytes)).toBe(crc);
  });

  test("agrees with the bit-by-bit reference at every length from 0 to 2,100", () => {
    const random = new Random(3720);
    for (let length = 0; length <= 2100; length++) {
      const bytes = random.bytes(length);
      const at = path.rxOffset + (length % 17);
      path.memory.set(bytes, at);
      expect(path.crc32c(at, length), `length ${length}`).toBe(bitwise(bytes));
    }
  });

  test("is the same at every alignment and whatever stands around the bytes", () => {
    const random = new Random(9260);
    for (let length = 0; length <= 300; length++) {
      const bytes = random.bytes(length);
      const expected = bitwise(bytes);
      for (let alignment = 0; alignment < 16; alignment++) {
        const at = path.rxOffset + 64 + alignment;
        path.memory.set(random.bytes(AROUND + length + AROUND), at - AROUND);
        path.memory.set(bytes, at);
        expect(path.crc32c(at, length), `length ${length}, alignment ${alignment}`).toBe(expected);
      }
    }
  });

  test("of a packet counts its checksum field as zeros, at every length and alignment", () => {
    const random = new Random(4960);
    for (let length = 12; length <= 300; length++) {
      const packet = random.bytes(length);
      packet.fill(0, 8, 12);
      const expected = Buffer.from(packet);
      expected.writeUInt32LE(bitwise(packet), 8);
      for (let alignment = 0; alignment < 16; alignment++) {
        const at = path.rxOffset + 64 + alignment;
        path.memory.set(random.bytes(AROUND + length + AROUND), at - AROUND);
        path.memory.set(packet, at);
        path.memory.set(random.bytes(4), at + 8);
        path.finishPacket(at, length);
        const finished = path.memory.subarray(at, at + length);
        expect(Buffer.compare(finished, expected), `length ${length}, alignment ${alignment}`).toBe(0);
      }
    }
  });
});
