import { describe, expect, it } from "vitest";
import { CongestionWindow } from "../../../src/sctp/congestion.ts";
import { tsn } from "../../../src/wire/serial.ts";

const PACKET = 1000;

/** A window that slow start has brought to this many packets. */
function grown(packets: number): CongestionWindow {
  const window = new CongestionWindow(PACKET);
  for (let i = 10; i < packets; i++) window.acked(tsn(i), PACKET, window.bytes, 0);
  expect(window.bytes).toBe(packets * PACKET);
  return window;
}

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
    const window = grown(40);
    window.lost(tsn(120));
    expect([window.bytes, window.inFastRecovery]).toEqual([20 * PACKET, true]);
    window.lost(tsn(125));
    expect(window.bytes).toBe(20 * PACKET);
    window.acked(tsn(119), PACKET, 20 * PACKET, 19 * PACKET);
    expect([window.bytes, window.inFastRecovery]).toEqual([20 * PACKET, true]);
    window.acked(tsn(120), PACKET, PACKET, 0);
    expect(window.inFastRecovery).toBe(false);
    for (let round = 1; round <= 5; round++) {
      window.lost(tsn(120 + 20 * round));
      window.acked(tsn(120 + 20 * round), PACKET, PACKET, 0);
    }
    expect(window.bytes).toBe(4 * PACKET);
  });

  it("does not grow by a loss", () => {
    const window = new CongestionWindow(PACKET);
    window.timedOut();
    window.lost(tsn(20));
    expect(window.bytes).toBe(PACKET);
  });

  it("leaves unreliable messages sixteen packets in all, once as many were acknowledged, whatever it shrinks to", () => {
    const window = new CongestionWindow(PACKET);
    expect(window.totalBytes).toBe(10 * PACKET);
    for (let i = 0; i < 6; i++) window.acked(tsn(i), PACKET, PACKET, 0);
    window.lost(tsn(20));
    expect([window.bytes, window.totalBytes]).toEqual([5 * PACKET, 16 * PACKET]);
    expect(grown(40).totalBytes).toBe(40 * PACKET);
  });

  it("leaves unreliable messages one packet after a time-out, too, and more as they are acknowledged", () => {
    const window = grown(40);
    window.timedOut();
    expect(window.totalBytes).toBe(PACKET);
    for (let i = 0; i < 20; i++) window.acked(tsn(i), PACKET, PACKET / 2, 0);
    expect([window.bytes, window.totalBytes]).toEqual([2 * PACKET, 16 * PACKET]);
  });

  it("grows in congestion avoidance by a packet per window's worth of acknowledgements", () => {
    const window = grown(40);
    window.lost(tsn(110));
    window.acked(tsn(110), PACKET, PACKET, 0);
    const start = window.bytes;
    window.acked(tsn(111), PACKET, start, start - PACKET);
    expect(window.bytes).toBe(start + PACKET);
    let acks = 0;
    while (window.bytes === start + PACKET) {
      window.acked(tsn(112 + acks), PACKET, window.bytes, window.bytes - PACKET);
      acks++;
    }
    expect(window.bytes).toBe(start + 2 * PACKET);
    expect(acks).toBeGreaterThanOrEqual(19);
    expect(acks).toBeLessThanOrEqual(22);
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
