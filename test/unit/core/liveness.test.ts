import { expect, test } from "vitest";
import { silenceDeadline } from "../../../src/core/liveness.ts";

const IDLE_MS = 10_000;

test("before the first record the last check is the last sign of life", () => {
  expect(silenceDeadline(1_000, undefined, IDLE_MS, 1)).toBe(11_000);
  expect(silenceDeadline(1_000, undefined, IDLE_MS, 1 / 2)).toBe(6_000);
});

test("a sign of life is a check or a record, whichever came last", () => {
  expect(silenceDeadline(3_000, 2_000, IDLE_MS, 1)).toBe(13_000);
  expect(silenceDeadline(2_000, 3_000, IDLE_MS, 1)).toBe(13_000);
});

test("checks alone keep nobody alive for longer than 30 s", () => {
  expect(silenceDeadline(29_000, 1_000, IDLE_MS, 1)).toBe(31_000);
  expect(silenceDeadline(29_000, 1_000, IDLE_MS, 1 / 2)).toBe(16_000);
});

test("an idle time-out that is longer than 30 s holds for records as well", () => {
  expect(silenceDeadline(59_000, 1_000, 60_000, 1)).toBe(61_000);
});
