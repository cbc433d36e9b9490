import { describe, expect, it } from "vitest";
import { chunkEnd, padded, parseParameters, writeChunk, writeParameter } from "../../../src/sctp/packet.ts";
import { fromHex, toHex } from "../../../src/wire/bytes.ts";

describe("chunk and parameter frames", () => {
  it("count header and value in the length, and pad with zeros to a multiple of four", () => {
    expect(toHex(writeChunk(0x82, 0x05, Uint8Array.of(1, 2), Uint8Array.of(3)))).toBe("8205000701020300");
    expect(toHex(writeParameter(0xc000))).toBe("c0000004");
    expect(toHex(writeParameter(0x8008, Uint8Array.of(0x82, 0xc0)))).toBe("8008000682c00000");
    expect([0, 1, 2, 3, 4, 5].map(padded)).toEqual([0, 4, 4, 4, 4, 8]);
  });

  it("leave the padding of the last parameter out of the chunk's length, and that of no other", () => {
    const parameter = writeParameter(0x8008, Uint8Array.of(0x82, 0xc0));
    const parameters = "8008000682c00000".repeat(2);
    expect(toHex(writeChunk(0x82, 0, ...chunkEnd([parameter, parameter])))).toBe(`82000012${parameters}`);
    expect(toHex(writeChunk(0x82, 0, ...chunkEnd([])))).toBe("82000004");
  });

  it("come out of a list as they went in, without padding", () => {
    const list = parseParameters(fromHex("8008000682c00000c0000004"))!;
    expect(list.map(({ type, value }) => [type, toHex(value)])).toEqual([
      [0x8008, "82c0"],
      [0xc000, ""],
    ]);
    expect(toHex(list[0].raw)).toBe("8008000682c0");
  });

  it("may lack the padding at the very end", () => {
    expect(parseParameters(fromHex("8008000682c0"))).toHaveLength(1);
  });

  it.each([
    ["a length of 0", "0001000000000000"],
    ["a length of 1", "0001000100000000"],
    ["a length of 2", "0001000200000000"],
    ["a length of 3", "0001000300000000"],
    ["a length beyond the end", "0001000900000000"],
    ["the greatest length", "0001ffff00000000"],
    ["a header cut short", "000100"],
    ["a second header cut short", "000100040001"],
  ])("are refused as a whole with %s", (_, hex) => {
    expect(parseParameters(fromHex(hex))).toBeUndefined();
  });

  it("may be none", () => {
    expect(parseParameters(new Uint8Array(0))).toEqual([]);
  });
});
