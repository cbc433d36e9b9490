import { describe, expect, it } from "vitest";
import { parseInit, writeInit, writeInitAck } from "../../../src/sctp/init.ts";
import { fromHex, toHex } from "../../../src/wire/bytes.ts";
import { tsn } from "../../../src/wire/serial.ts";

const FIELDS = {
  initiateTag: 0x01020304,
  receiveWindow: 262_144,
  outboundStreams: 1024,
  inboundStreams: 512,
  initialTsn: tsn(0xfffffff0),
  interleaving: false,
};
const FIXED = "010203040004000004000200fffffff0";

describe("INIT", () => {
  it("offers FORWARD TSN and RE-CONFIG, and no zero checksums", () => {
    expect(toHex(writeInit(FIELDS))).toBe(`0100001e${FIXED}c00000048008000682c00000`);
  });

  it("offers I-DATA and I-FORWARD-TSN together, where it interleaves", () => {
    const chunk = writeInit({ ...FIELDS, interleaving: true });
    expect(toHex(chunk)).toBe(`01000020${FIXED}c00000048008000882c040c2`);
    expect(parseInit(chunk.subarray(4))).toMatchObject({ interleaving: true, iForwardTsn: true });
  });

  it("is read as it is written", () => {
    const parsed = parseInit(writeInit(FIELDS).subarray(4));
    expect(parsed).toMatchObject({ ...FIELDS, forwardTsn: true, reconfig: true, cookie: undefined, unrecognized: [] });
  });

  it("says which extensions the peer takes, in either way of saying it", () => {
    expect(parseInit(fromHex(`${FIXED}c0000004`))).toMatchObject({ forwardTsn: true, reconfig: false });
    expect(parseInit(fromHex(`${FIXED}80080005c0000000`))).toMatchObject({ forwardTsn: true, reconfig: false });
    expect(parseInit(fromHex(`${FIXED}8008000582000000`))).toMatchObject({ forwardTsn: false, reconfig: true });
    expect(parseInit(fromHex(`${FIXED}8008000540000000`))).toMatchObject({ interleaving: true, iForwardTsn: false });
    expect(parseInit(fromHex(`${FIXED}80080005c2000000`))).toMatchObject({ interleaving: false, iForwardTsn: true });
    expect(parseInit(fromHex(FIXED))).toMatchObject({ forwardTsn: false, reconfig: false });
  });

  it("handles unknown parameters by their two highest bits", () => {
    const after = "c0000004";
    const stop = parseInit(fromHex(`${FIXED}00aa0004${after}`))!;
    expect([stop.forwardTsn, stop.unrecognized.length]).toEqual([false, 0]);
    const stopAndReport = parseInit(fromHex(`${FIXED}40aa00050f000000${after}`))!;
    expect([stopAndReport.forwardTsn, stopAndReport.unrecognized.map(toHex)]).toEqual([false, ["40aa00050f"]]);
    const skip = parseInit(fromHex(`${FIXED}80aa0004${after}`))!;
    expect([skip.forwardTsn, skip.unrecognized.length]).toEqual([true, 0]);
    const skipAndReport = parseInit(fromHex(`${FIXED}c0aa0004${after}`))!;
    expect([skipAndReport.forwardTsn, skipAndReport.unrecognized.map(toHex)]).toEqual([true, ["c0aa0004"]]);
  });

  it("passes over addresses, and notes a host name", () => {
    const parsed = parseInit(fromHex(`${FIXED}00050008c0000201000c00060005 0000c0000004`.replaceAll(" ", "")));
    expect(parsed).toMatchObject({ forwardTsn: true, hostName: false });
    expect(parseInit(fromHex(`${FIXED}000b000861626300`))).toMatchObject({ hostName: true });
  });

  it("is refused cut short at every byte of its fixed part", () => {
    const whole = fromHex(FIXED);
    for (let length = 0; length < whole.length; length++) {
      expect(parseInit(whole.subarray(0, length)), `${length} bytes`).toBeUndefined();
    }
  });

  it("is refused with a parameter that contradicts itself", () => {
    for (const hex of ["c0000000", "c0000001", "c0000002", "c0000003", "c0000005", "c000ffff", "c000"]) {
      expect(parseInit(fromHex(FIXED + hex)), hex).toBeUndefined();
    }
  });
});

describe("INIT ACK", () => {
  it("carries the cookie, and gives back what of the INIT was not understood", () => {
    const chunk = writeInitAck(FIELDS, Uint8Array.of(9, 8, 7), [fromHex("40aa00050f")]);
    expect(toHex(chunk)).toContain("00070007090807");
    expect(toHex(chunk)).toContain("0008000940aa00050f000000");
    expect(parseInit(chunk.subarray(4))).toMatchObject({ ...FIELDS, cookie: Uint8Array.of(9, 8, 7) });
  });
});
