import { describe, expect, it } from "vitest";
import { CongestionWindow } from "../../../src/sctp/congestion.ts";
import { Pacer } from "../../../src/sctp/pacer.ts";
import { RetransmissionTimeout } from "../../../src/sctp/rto.ts";
import { tsn } from "../../../src/wire/serial.ts";

const PACKET = 1_000;

/** A pacer for a window of so many packets, still in slow start. */
function pacerOf(packets: number, roundTripMs: number): Pacer {
  const window = new CongestionWindow(PACKET);
  for (let i = 10; i < packets; i++) window.acked(tsn(i), PACKET, window.bytes, 0);
  const rto = new RetransmissionTimeout();
  if (roundTripMs > 0) rto.measure(roundTripMs);
  return new Pacer(rto, window, PACKET);
}

/** Packets that leave in each ms, the first at `from`. */
function leaving(pacer: Pacer, from: number, count: number, isReliable: boolean): number[] {
  return Array.from({ length: count }, (_, i) => {
    let packets = 0;
    for (; packets < 1_000 && pacer.nextAt(from + i) <= from + i; packets++) pacer.spend(PACKET, isReliable);
    return packets;
  });
}

describe("what is paced", () => {
  it("leaves at once as far as a first window goes, then twice the window in a round trip", () => {
    expect(leaving(pacerOf(50, 100), 1_000, 5, true)).toEqual([10, 1, 1, 1, 1]);
    expect(leaving(pacerOf(200, 100), 1_000, 5, true)).toEqual([40, 4, 4, 4, 4]);
  });

  it("is not held before a round trip was measured: the window is the first one", () => {
    expect(leaving(pacerOf(10, 0), 1_000, 1, true)).toEqual([1_000]);
  });

  it("may be behind by a timer's delay, and catches up", () => {
    const pacer = pacerOf(200, 100);
    leaving(pacer, 1_000, 1, true);
    expect(leaving(pacer, 1_008, 1, true)).toEqual([32]);
  });

  it("is no faster than four packets a ms where it is unreliable, however short the path is", () => {
    const pacer = pacerOf(100, 1);
    leaving(pacer, 1_000, 1, false);
    expect(leaving(pacer, 1_001, 4, false)).toEqual([4, 4, 4, 4]);
    expect(leaving(pacerOf(100, 1), 1_000, 2, true)[1]).toBe(200);
  });
});
