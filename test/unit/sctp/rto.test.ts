import { describe, expect, it } from "vitest";
import { DEFAULT_RTO, RetransmissionTimeout } from "../../../src/sctp/rto.ts";

describe("the retransmission time-out", () => {
  it("is the initial one until something was measured", () => {
    const rto = new RetransmissionTimeout();
    expect([rto.ms, rto.smoothedMs]).toEqual([400, 0]);
  });

  it("follows the round trip as RFC 9260 §6.3.1 says, and leaves room for a delayed SACK", () => {
    const rto = new RetransmissionTimeout({ initialMs: 1000, minMs: 1, maxMs: 60_000 });
    rto.measure(1000);
    expect([rto.smoothedMs, rto.ms]).toEqual([1000, 3000]);
    rto.measure(2000);
    // RTTVAR = 3/4 · 500 + 1/4 · 1000, SRTT = 7/8 · 1000 + 1/8 · 2000
    expect([rto.smoothedMs, rto.ms]).toEqual([1125, 1125 + 4 * 625]);
    for (let i = 0; i < 100; i++) rto.measure(50);
    expect(rto.ms).toBeGreaterThanOrEqual(50 + 220);
    expect(rto.ms).toBeLessThan(280);
  });

  it("doubles with each time-out up to the maximum, and comes back with the next measurement", () => {
    const rto = new RetransmissionTimeout();
    const seen: number[] = [];
    for (let i = 0; i < 4; i++) {
      rto.backOff();
      seen.push(rto.ms);
    }
    expect(seen).toEqual([800, 1600, 2000, 2000]);
    rto.measure(10);
    expect(rto.ms).toBe(DEFAULT_RTO.minMs);
  });

  it("says beforehand what further time-outs will make of it, and stays as it is", () => {
    const rto = new RetransmissionTimeout();
    expect([0, 1, 2, 3].map((times) => rto.backedOff(times))).toEqual([400, 800, 1600, 2000]);
    expect(rto.ms).toBe(400);
  });

  it("is measured by a round trip of less than a tick of the clock, too", () => {
    const rto = new RetransmissionTimeout();
    rto.measure(0);
    expect([rto.smoothedMs, rto.ms]).toEqual([0, 300]);
  });

  it("takes no notice of a measurement that makes no sense", () => {
    const rto = new RetransmissionTimeout();
    rto.measure(-5);
    rto.measure(Number.NaN);
    expect([rto.ms, rto.smoothedMs]).toEqual([400, 0]);
  });
});
