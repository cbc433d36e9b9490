import { expect, test } from "vitest";
import { summarizeChunks } from "../../../src/trace/chunks.ts";
import { fromHex } from "../../../src/wire/bytes.ts";
import { tsn } from "../../../src/wire/serial.ts";

const HEADER = "13881388 01020304 00000000";

function packet(...chunks: string[]): Uint8Array {
  return fromHex([HEADER, ...chunks].join("").replaceAll(" ", ""));
}

test.each<[string, string, object]>([
  [
    "DATA",
    "00070013 fffffffe 0002 0003 00000033 aabbcc 00",
    { type: "data", length: 19, tsn: 0xfffffffe, stream: 2, ssn: 3, ppid: 51, payload_length: 3, unordered: true },
  ],
  [
    "the middle of a message",
    "00000011 00000001 0002 0003 00000035 aa 000000",
    { type: "data", length: 17, tsn: 1, stream: 2, ssn: 3, ppid: 53, payload_length: 1, begin: false, end: false },
  ],
  [
    "SACK",
    "0300001c 00000009 00040000 0002 0001 00020003 00050005 00000007",
    {
      type: "sack",
      length: 28,
      cumulative_tsn: 9,
      receive_window: 0x40000,
      gaps: [
        [2, 3],
        [5, 5],
      ],
      duplicates: 1,
    },
  ],
  [
    "SACK that names more gaps than it has",
    "03000014 00000009 00040000 ffff ffff 00020003",
    { type: "sack", length: 20, cumulative_tsn: 9, receive_window: 0x40000, gaps: [[2, 3]], duplicates: 0xffff },
  ],
  [
    "INIT, without its tag",
    "01000014 deadbeef 00010000 0400 0200 00000007",
    {
      type: "init",
      length: 20,
      receive_window: 0x10000,
      outbound_streams: 0x400,
      inbound_streams: 0x200,
      initial_tsn: 7,
    },
  ],
  ["FORWARD TSN", "c0000008 00000009", { type: "forward-tsn", length: 8, new_cumulative_tsn: 9 }],
  [
    "I-DATA that begins a message",
    "40060018 00000009 0004 0000 fffffff0 00000035 abababab",
    {
      type: "i-data",
      length: 24,
      tsn: 9,
      stream: 4,
      mid: 0xffff_fff0,
      ppid: 53,
      payload_length: 4,
      unordered: true,
      end: false,
    },
  ],
  [
    "I-DATA that ends one",
    "40010018 00000009 0004 0000 00000001 00000007 abababab",
    { type: "i-data", length: 24, tsn: 9, stream: 4, mid: 1, fsn: 7, payload_length: 4, begin: false },
  ],
  ["I-FORWARD-TSN", "c2000008 00000009", { type: "i-forward-tsn", length: 8, new_cumulative_tsn: 9 }],
  ["SHUTDOWN", "07000008 00000009", { type: "shutdown", length: 8, cumulative_tsn: 9 }],
  ["HEARTBEAT", "04000008 00010004", { type: "heartbeat", length: 8 }],
  ["a chunk of another type", "41000004", { type: "0x41", length: 4 }],
  ["a length that is too small", "00000003", { type: "malformed", length: 3 }],
  ["a length that is too large", "00000020", { type: "malformed", length: 32 }],
])("%s is told as what it is", (_, chunk, summary) => {
  expect(summarizeChunks(packet(chunk))).toEqual([summary]);
});

test("chunks are told in order, up to the first that cannot be read", () => {
  const chunks = summarizeChunks(packet("0b000004", "06000005 aa000000", "04000003", "0b000004"));
  expect(chunks.map(({ type }) => type)).toEqual(["cookie-ack", "abort", "malformed"]);
});

test("a DATA chunk that has been sent before is told as a retransmission", () => {
  const asked: number[] = [];
  const [chunk] = summarizeChunks(packet("00030011 80000000 0002 0003 00000033 aa 000000"), (number) => {
    asked.push(number);
    return true;
  });
  expect(chunk).toMatchObject({ tsn: 0x8000_0000, retransmission: true });
  expect(asked).toEqual([tsn(0x8000_0000)]);
});

test.each(["", "13", HEADER, `${HEADER} 000000`])("of %j no chunk is told", (bytes) => {
  expect(summarizeChunks(fromHex(bytes.replaceAll(" ", "")))).toEqual([]);
});
