import "../wasm/relaxed.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BAD_CHECKSUM,
  BAD_LENGTH,
  CHUNK_WORDS,
  Datapath,
  TOO_MANY_CHUNKS,
  TOO_SHORT,
  TRUNCATED,
} from "../../../src/wasm/datapath.ts";
import { concat } from "../wasm/provider.ts";
import { Random } from "../wasm/random.ts";
import { type Chunk, parseChunks } from "./reference-parser.ts";

const random = new Random(9260);

/** A chunk with its padding; `length` overrides the true length field. */
function chunk(type: number, flags: number, value: Uint8Array, length = 4 + value.length): Uint8Array {
  const padding = new Uint8Array((4 - (value.length % 4)) % 4);
  return concat(Uint8Array.of(type, flags, length >> 8, length & 0xff), value, padding);
}

/** Ports 5000 and 5000, verification tag 0xdeadbeef, checksum to be filled in. */
const commonHeader = Uint8Array.of(0x13, 0x88, 0x13, 0x88, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0);

function data(text: Uint8Array): Uint8Array {
  return chunk(0, 3, concat(random.bytes(12), text));
}

function iData(text: Uint8Array): Uint8Array {
  return chunk(64, 3, concat(random.bytes(16), text));
}

function sack(gaps: number, duplicates: number): Uint8Array {
  const counts = Uint8Array.of(gaps >> 8, gaps & 0xff, duplicates >> 8, duplicates & 0xff);
  return chunk(3, 0, concat(random.bytes(8), counts, random.bytes(4 * (gaps + duplicates))));
}

describe.each(["simd", "relaxed", "jsc"] as const)("SCTP packets, %s build", (build) => {
  const path = new Datapath({ build, keySlots: 1 });
  const at = path.rxOffset + 64;
  const CANARY = 0x5a;

  /** Writes a packet with a correct checksum between canaries and parses it. */
  function parse(packet: Uint8Array, { checksum = true } = {}): Chunk[] | number {
    path.memory.fill(CANARY, at - 64, at + packet.length + 64);
    path.memory.set(packet, at);
    if (checksum) path.finishPacket(at, packet.length);
    const count = path.parsePacket(at, packet.length);
    const around = [
      path.memory.subarray(at - 64, at),
      path.memory.subarray(at + packet.length, at + packet.length + 64),
    ];
    expect(around.every((bytes) => bytes.every((byte) => byte === CANARY))).toBe(true);
    return count < 0 ? count : Array.from({ length: count }, (_, index) => descriptor(index));
  }

  function descriptor(index: number): Chunk {
    const first = path.chunkTable + index * CHUNK_WORDS;
    const words = path.words.subarray(first, first + CHUNK_WORDS) as unknown as number[];
    const [head = 0, body = 0, bodyLength = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, offset = 0] = words;
    return {
      type: head & 0xff,
      flags: (head >>> 8) & 0xff,
      length: head >>> 16,
      offset: offset - at,
      body: body - at,
      bodyLength,
      fields: [w3, w4, w5, w6],
    };
  }

  function expectLikeReference(packet: Uint8Array): void {
    expect(parse(packet)).toEqual(parseChunks(packet));
  }

  test("DATA is described by TSN, stream, sequence number, PPID and where its user data are", () => {
    const value = Uint8Array.of(0x80, 0, 0, 1, 0xff, 0xfe, 0xff, 0xfd, 0x80, 0, 0, 0x33, 104, 105);
    expect(parse(concat(commonHeader, chunk(0, 7, value)))).toEqual([
      {
        type: 0,
        flags: 7,
        length: 18,
        offset: 12,
        body: 28,
        bodyLength: 2,
        fields: [0x80000001, 0xfffe, 0xfffd, 0x80000033],
      },
    ]);
  });

  test("I-DATA is described by TSN, stream, message number, PPID or fragment number and where its user data are", () => {
    const value = Uint8Array.of(0x80, 0, 0, 1, 0xff, 0xfe, 9, 9, 0xff, 0xfd, 0, 2, 0x80, 0, 0, 0x33, 104, 105);
    expect(parse(concat(commonHeader, chunk(64, 0xf7, value)))).toEqual([
      {
        type: 64,
        flags: 0xf7,
        length: 22,
        offset: 12,
        body: 32,
        bodyLength: 2,
        fields: [0x80000001, 0xfffe, 0xfffd0002, 0x80000033],
      },
    ]);
  });

  test("DATA without user data is reported with length 0", () => {
    const chunks = parse(concat(commonHeader, data(new Uint8Array(0)), iData(new Uint8Array(0)))) as Chunk[];
    expect(chunks.map(({ bodyLength }) => bodyLength)).toEqual([0, 0]);
  });

  test("a packet without chunks has none", () => {
    expect(parse(commonHeader)).toEqual([]);
  });

  test("many chunks of all kinds in one packet come out in order", () => {
    const parts = [sack(2, 1), data(random.bytes(5)), chunk(192, 0, random.bytes(12)), chunk(130, 0, random.bytes(17))];
    const interleaved = [iData(random.bytes(7)), chunk(194, 0, random.bytes(20))];
    expectLikeReference(
      concat(
        commonHeader,
        ...parts,
        ...interleaved,
        ...parts,
        chunk(14, 0, new Uint8Array(0)),
        data(random.bytes(1000)),
      ),
    );
    expect(path.parsePacket(at, 12)).toBe(BAD_CHECKSUM);
  });

  test("each chunk of the smallest kind in a packet of 2 KiB has its place in the table, and no more than 512", () => {
    const chunks = (count: number) =>
      concat(commonHeader, ...Array.from({ length: count }, () => chunk(200, 1, new Uint8Array(0))));
    expect(parse(chunks(509))).toHaveLength(509);
    expect(parse(chunks(512))).toHaveLength(512);
    expect(parse(chunks(513))).toBe(TOO_MANY_CHUNKS);
    expect(parse(chunks(16_000))).toBe(TOO_MANY_CHUNKS);
  });

  test.each([
    ["DATA", data(random.bytes(21))],
    ["SACK", sack(3, 2)],
    ["FORWARD TSN", chunk(192, 0, random.bytes(12))],
    ["I-DATA", iData(random.bytes(21))],
    ["I-FORWARD-TSN", chunk(194, 0, random.bytes(20))],
    ["another", chunk(130, 0, random.bytes(22))],
  ])("every length field of a %s chunk: all values up to behind the packet, and the largest", (_, subject) => {
    const packet = concat(commonHeader, subject, data(random.bytes(6)));
    for (const length of [...Array(packet.length + 8).keys(), 0x7fff, 0x8000, 0xfffc, 0xfffd, 0xffff]) {
      packet[14] = length >> 8;
      packet[15] = length & 0xff;
      expectLikeReference(packet);
    }
  });

  test("gap and duplicate counts of a SACK must add up to its length, however large", () => {
    for (const gaps of [0, 1, 2, 3, 4, 5, 0x3fff, 0x4000, 0x7fff, 0x8000, 0xffff]) {
      for (const duplicates of [0, 1, 2, 3, 0x4000, 0x8000, 0xfffc, 0xffff]) {
        const packet = concat(commonHeader, sack(3, 1));
        new DataView(packet.buffer).setUint16(24, gaps);
        new DataView(packet.buffer).setUint16(26, duplicates);
        expect(parse(packet), `${gaps} and ${duplicates}`).toEqual(
          gaps + duplicates === 4 ? parseChunks(packet) : BAD_LENGTH,
        );
      }
    }
  });

  test("a packet cut after any byte is refused or described without the missing part", () => {
    const packet = concat(
      commonHeader,
      sack(1, 1),
      data(random.bytes(21)),
      chunk(192, 0, random.bytes(8)),
      iData(random.bytes(9)),
      chunk(194, 0, random.bytes(12)),
      data(random.bytes(3)),
    );
    for (let length = 0; length <= packet.length; length++) {
      const cut = packet.slice(0, length);
      expect(parse(cut), `cut at ${length}`).toEqual(parseChunks(cut));
      if (length < 12) expect(parse(cut)).toBe(TOO_SHORT);
    }
    expect(parse(packet.slice(0, 14))).toBe(TRUNCATED);
  });

  test("missing padding behind the last chunk is forgiven", () => {
    const packet = concat(commonHeader, data(random.bytes(5)));
    for (let cut = 1; cut <= 3; cut++) expect(parse(packet.slice(0, packet.length - cut))).toHaveLength(1);
  });

  test("any flipped bit makes the checksum wrong", () => {
    const packet = concat(commonHeader, sack(1, 0), data(random.bytes(33)));
    parse(packet);
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const place = at + (bit >>> 3);
      const byte = path.memory[place] as number;
      path.memory[place] = byte ^ (1 << (bit & 7));
      expect(path.parsePacket(at, packet.length), `bit ${bit}`).toBe(BAD_CHECKSUM);
      path.memory[place] = byte;
    }
    expect(path.parsePacket(at, packet.length)).toBe(2);
  });

  test("finishPacket writes the CRC32c of the packet with a checksum of zero, least significant byte first", () => {
    for (const length of [12, 16, 28, 100, 1200]) {
      const packet = concat(commonHeader, random.bytes(length - 12));
      path.memory.set(packet, at);
      const expected = path.crc32c(at, length);
      path.view.setUint32(at + 8, 0x12345678);
      path.finishPacket(at, length);
      expect(path.view.getUint32(at + 8, true)).toBe(expected);
    }
  });

  test("a checksum of zero is taken only where the caller says so (RFC 9653)", () => {
    const packet = concat(commonHeader, data(random.bytes(9)));
    path.memory.set(packet, at);
    expect(path.parsePacket(at, packet.length)).toBe(BAD_CHECKSUM);
    expect(path.parsePacket(at, packet.length, true)).toBe(1);
    path.memory[at + 8] = 1;
    expect(path.parsePacket(at, packet.length, true)).toBe(BAD_CHECKSUM);
    path.finishPacket(at, packet.length);
    expect(path.parsePacket(at, packet.length, true)).toBe(1);
  });

  test("arbitrary bytes and arbitrary chunks are parsed as the reference does", () => {
    const value = fc.uint8Array({ maxLength: 40 });
    const anyChunk = fc
      .record({
        type: fc.oneof(fc.constantFrom(0, 1, 2, 3, 6, 14, 64, 130, 192, 194), fc.nat(255)),
        flags: fc.nat(255),
        value,
        wrong: fc.option(fc.nat(70), { freq: 6 }),
      })
      .map(({ type, flags, value, wrong }) => chunk(type, flags, value, wrong ?? 4 + value.length));
    const packet = fc.oneof(
      fc.uint8Array({ maxLength: 120 }),
      fc.array(anyChunk, { maxLength: 12 }).map((chunks) => concat(commonHeader, ...chunks)),
    );
    fc.assert(fc.property(packet, expectLikeReference), { numRuns: 2000, seed: 9260 });
  });
});
