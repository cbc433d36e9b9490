import { describe, expect, it } from "vitest";
import { CongestionWindow } from "../../../src/sctp/congestion.ts";
import { tsn } from "../../../src/wire/serial.ts";

const PACKET = 1000;

describe("the congestion window", () => {
  it("begins with ten packets", () => {
    expect(new CongestionWindow(PACKET).bytes).toBe(10 * PACKET);
  });

  it("grows in slow start by what was acknowledged, at most one packet per SACK, and only where it was the limit", () => {
    const window = new CongestionWindow(PACKET);
    window.acked(tsn(1), 400, 10 * PACKET, 9_600);
    expect(window.bytes).toBe(10_400);
    window.acked(tsn(2), 5 * PACKET, 10 * PACKET, 5 * PACKET);
    expect(window.bytes).toBe(11_400);
    window.acked(tsn(3), PACKET, 3 * PACKET, 2 * PACKET);
    expect(window.bytes).toBe(11_400);
  });

  it("halves with a loss, once per window, to no less than four packets", () => {
    const window = new CongestionWindow(PACKET);
    window.lost(tsn(20));
    expect([window.bytes, window.inFastRecovery]).toEqual([5 * PACKET, true]);
    window.lost(tsn(25));
    expect(window.bytes).toBe(5 * PACKET);
    window.acked(tsn(19), PACKET, 5 * PACKET, 4 * PACKET);
    expect([window.bytes, window.inFastRecovery]).toEqual([5 * PACKET, true]);
    window.acked(tsn(20), PACKET, PACKET, 0);
    expect(window.inFastRecovery).toBe(false);
    window.lost(tsn(40));
    expect(window.bytes).toBe(4 * PACKET);
  });

  it("grows in congestion avoidance by a packet per window's worth of acknowledgements", () => {
    const window = new CongestionWindow(PACKET);
    window.lost(tsn(10));
    window.acked(tsn(10), PACKET, 5 * PACKET, 4 * PACKET);
    const start = window.bytes;
    let acks = 0;
    while (window.bytes === start) {
      window.acked(tsn(11 + acks), PACKET, window.bytes, window.bytes - PACKET);
      acks++;
    }
    expect(window.bytes).toBe(start + PACKET);
    expect(acks).toBeGreaterThanOrEqual(4);
    expect(acks).toBeLessThanOrEqual(6);
  });

  it("shrinks to one packet with a time-out, and grows back by slow start to half of what it was", () => {
    const window = new CongestionWindow(PACKET);
    window.timedOut();
    expect(window.bytes).toBe(PACKET);
    for (let i = 0; i < 4; i++) window.acked(tsn(i), PACKET, window.bytes, 0);
    expect(window.bytes).toBe(5 * PACKET);
  });

  it("forgets what it had grown to while nothing is sent, down to the first window", () => {
    const window = new CongestionWindow(PACKET);
    for (let i = 0; i < 30; i++) window.acked(tsn(i), PACKET, window.bytes, 0);
    expect(window.bytes).toBe(40 * PACKET);
    window.idle(1);
    expect(window.bytes).toBe(20 * PACKET);
    window.idle(50);
    expect(window.bytes).toBe(10 * PACKET);
    window.timedOut();
    window.idle(50);
    expect(window.bytes).toBe(PACKET);
  });
});
