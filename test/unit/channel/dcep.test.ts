import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ChannelParameters, decodeText, parseDcep, writeAck, writeOpen } from "../../../src/channel/dcep.ts";
import { fromHex, toHex } from "../../../src/wire/bytes.ts";

const CHANNEL: ChannelParameters = {
  label: "data",
  protocol: "",
  ordered: false,
  maxRetransmits: 0,
  maxPacketLifeTime: null,
  priority: 256,
};

describe("DATA_CHANNEL_OPEN", () => {
  it("is written as browsers write it", () => {
    expect(toHex(writeOpen(CHANNEL))).toBe("03810100000000000004000064617461");
  });

  it.each([
    ["Chromium, unreliable", "03810100000000000004000064617461", CHANNEL],
    ["Firefox, unreliable", "03810000000000000004000064617461", { ...CHANNEL, priority: 0 }],
    ["reliable", "03000100000000000003000072656c", { ...CHANNEL, label: "rel", ordered: true, maxRetransmits: null }],
    [
      "a lifetime and a protocol",
      "0302010000000064000400026c6966657031",
      { ...CHANNEL, label: "life", protocol: "p1", ordered: true, maxRetransmits: null, maxPacketLifeTime: 100 },
    ],
    ["reliable and unordered", "0380010000000000000200006869", { ...CHANNEL, label: "hi", maxRetransmits: null }],
  ])("is read as recorded: %s", (_, hex, channel) => {
    expect(parseDcep(fromHex(hex))).toEqual({ kind: "open", channel });
  });

  it("comes back as it went, whatever the channel", () => {
    const anyChannel = fc
      .record({
        label: fc.string({ unit: "grapheme", maxLength: 40 }),
        protocol: fc.string({ unit: "grapheme", maxLength: 40 }),
        ordered: fc.boolean(),
        limit: fc.constantFrom("maxRetransmits", "maxPacketLifeTime", "none"),
        value: fc.integer({ min: 0, max: 0xffff_ffff }),
        priority: fc.integer({ min: 0, max: 0xffff }),
      })
      .map(({ limit, value, ...rest }) => ({
        ...rest,
        maxRetransmits: limit === "maxRetransmits" ? value : null,
        maxPacketLifeTime: limit === "maxPacketLifeTime" ? value : null,
      }));
    fc.assert(
      fc.property(anyChannel, (channel) => {
        expect(parseDcep(writeOpen(channel))).toEqual({ kind: "open", channel });
      }),
      { seed: 4, numRuns: 100 },
    );
  });

  it("is refused cut short, with bytes behind it, or with lengths that lie", () => {
    const whole = fromHex("0302010000000064000400026c6966657031");
    for (let length = 0; length < whole.length; length++) {
      expect(parseDcep(whole.subarray(0, length)), `${length} bytes`).toBeUndefined();
    }
    expect(parseDcep(Uint8Array.of(...whole, 0))).toBeUndefined();
    for (const at of [8, 10]) {
      for (const value of [0, 1, 3, 5, 0xffff]) {
        const forged = whole.slice();
        if (((forged[at] << 8) | forged[at + 1]) === value) continue;
        forged[at] = value >>> 8;
        forged[at + 1] = value;
        expect(parseDcep(forged)).toBeUndefined();
      }
    }
  });

  it("is refused with an unknown channel type or a name that is not UTF-8", () => {
    expect(parseDcep(fromHex("03830100000000000004000064617461"))).toBeUndefined();
    expect(parseDcep(fromHex("037f0100000000000004000064617461"))).toBeUndefined();
    expect(parseDcep(fromHex("038101000000000000040000ff617461"))).toBeUndefined();
  });
});

it("DATA_CHANNEL_ACK is one byte, and nothing else is one", () => {
  expect(toHex(writeAck())).toBe("02");
  expect(parseDcep(fromHex("02"))).toEqual({ kind: "ack" });
  for (const hex of ["", "00", "01", "04", "0200", "ff"]) expect(parseDcep(fromHex(hex)), hex).toBeUndefined();
});

it("any bytes are read without an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void parseDcep(bytes)),
    { seed: 1, numRuns: 2000 },
  );
});

it("text keeps its byte order mark", () => {
  expect(decodeText(fromHex("efbbbf41"))).toBe("\ufeffA");
  expect(decodeText(fromHex("c328"))).toBeUndefined();
});
