import { describe, expect, test } from "vitest";
import { parseConditions } from "../../../src/cli/conditions.ts";
import { Flows } from "../../../src/cli/load/flows.ts";
import { Histogram } from "../../../src/cli/load/histogram.ts";
import type { Report } from "../../../src/cli/load/measurements.ts";
import { parseLoadOptions } from "../../../src/cli/load/options.ts";
import { reportPage } from "../../../src/cli/load/page.ts";
import { missedThresholds, summary } from "../../../src/cli/load/summary.ts";
import { UsageError } from "../../../src/cli/usage.ts";
import { Random } from "../../sim/random.ts";

describe("Histogram", () => {
  test("knows every quantile to 1.6 %, whatever the order of magnitude", () => {
    const random = new Random("histogram");
    const values = Array.from({ length: 20_000 }, () => 10 ** (8 * random.unit() - 3));
    const histogram = new Histogram();
    for (const value of values) histogram.record(value);
    values.sort((a, b) => a - b);
    for (const share of [0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = values[Math.ceil(share * values.length) - 1];
      expect(Math.abs(histogram.quantile(share) - exact)).toBeLessThanOrEqual(0.016 * exact + 0.001);
    }
    expect(histogram.quantiles()).toMatchObject({ count: 20_000, max: values[values.length - 1] });
  });

  test("of nothing says nothing, and adds up", () => {
    const [empty, one, two] = [new Histogram(), new Histogram(), new Histogram()];
    expect(empty.quantile(0.5)).toBeNaN();
    one.record(3);
    two.record(5);
    one.add(two);
    one.add(empty);
    expect(one.quantiles()).toMatchObject({ count: 2, mean: 4, max: 5 });
  });
});

describe("Flows", () => {
  test("tell echoes, late ones, repeated ones and others apart, and those of one client from those of another", () => {
    const flows = new Flows(2, 20);
    const sent = Array.from({ length: 4 }, (_, i) => flows.next(1, 100 + i).slice());
    const arrivals = [0, 2, 1, 1, 3, 3].map((index) => {
      const arrival = flows.receive(1, 110, sent[index]);
      return arrival === "echo" || arrival === "late" ? `${arrival} after ${flows.roundTripMs} ms` : arrival;
    });
    expect(arrivals).toEqual([
      "echo after 10 ms",
      "echo after 8 ms",
      "late after 9 ms",
      "duplicate",
      "echo after 7 ms",
      "duplicate",
    ]);
    const neverSent = new Uint8Array(20).fill(255);
    for (const other of ["text", new Uint8Array(19), neverSent])
      expect(flows.receive(1, 110, other)).toEqual("foreign");
    expect(flows.receive(0, 110, sent[0])).toEqual("foreign");
  });

  test("know the last 448 of each client, however far the numbers jump, and past the end of their clock", () => {
    const flows = new Flows(1, 8);
    const MODULUS_MS = 2 ** 32 / 1_000;
    const sent = Array.from({ length: 2_000 }, (_, i) => flows.next(0, MODULUS_MS - 1 + i / 1_000).slice());
    const receive = (index: number) => flows.receive(0, MODULUS_MS + 2, sent[index]);
    expect([0, 447, 0, 1, 1, 448, 0].map(receive)).toEqual([
      "echo",
      "echo",
      "duplicate",
      "late",
      "duplicate",
      "echo",
      "duplicate",
    ]);
    expect([1_999, 1_600, 1_600, 1_552, 1_551, 1_344].map(receive)).toEqual([
      "echo",
      "late",
      "duplicate",
      "late",
      "duplicate",
      "duplicate",
    ]);
    expect(flows.roundTripMs).toBeCloseTo(1.448, 3);
  });
});

describe("options", () => {
  const URL = ["--url", "http://localhost:8080/rtc"];

  test("have defaults for all but the URL", () => {
    expect(parseLoadOptions(URL)).toMatchObject({
      clients: 10,
      rateHz: 20,
      bytes: 100,
      durationMs: 10_000,
      rampMs: 90,
      timeoutMs: 10_000,
      conditioner: undefined,
      thresholds: {},
    });
  });

  test("are read as they are written", () => {
    const args =
      "--clients 3 --rate 0.5 --duration 1.5 --ramp 0 --max-loss 0.1% --max-p99 30 --loss 2% --latency 20".split(" ");
    expect(parseLoadOptions([...URL, ...args])).toMatchObject({
      clients: 3,
      rateHz: 0.5,
      durationMs: 1_500,
      rampMs: 0,
      conditioner: { loss: 0.02, latencyMs: 20 },
      thresholds: { loss: 0.001, p99: 30 },
    });
  });

  test.each([
    ["--url", ""],
    ["--url", "--url nowhere"],
    ["--url", "--url ftp://localhost"],
    ["--speed", `${URL.join(" ")} --speed 1`],
    ["--clients", `${URL.join(" ")} --clients 1.5`],
    ["--clients", `${URL.join(" ")} --clients many`],
    ["--size", `${URL.join(" ")} --size 7`],
    ["--max-loss", `${URL.join(" ")} --max-loss 200%`],
    ["--jitter", `${URL.join(" ")} --jitter -5`],
  ])("that are wrong are named: %s", (flag, args) => {
    const parse = () => parseLoadOptions(args.split(" ").filter((word) => word !== ""));
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(flag);
  });

  test("of a bad network can be shares or percentages", () => {
    expect(parseConditions({ loss: "2%", reorder: ".5", duplicate: "0", bandwidth: "1000", seed: "s" })).toEqual({
      loss: 0.02,
      reorder: 0.5,
      duplicate: 0,
      bytesPerSecond: 1_000,
      seed: "s",
    });
    expect(parseConditions({})).toBeUndefined();
    expect(() => parseConditions({ seed: "s" })).toThrow("--seed");
  });
});

const quantiles = { count: 100, mean: 2, p50: 1.5, p90: 3, p99: 20, p999: 21, max: 250 };
const REPORT: Report = {
  url: "http://localhost/<rtc>",
  clients: 10,
  rateHz: 20,
  bytes: 100,
  seconds: 5,
  interrupted: false,
  lostAll: false,
  opened: 9,
  connectMs: quantiles,
  rttMs: quantiles,
  sent: 1_000,
  received: 990,
  lost: 10,
  lostShare: 0.01,
  reordered: 3,
  duplicates: 1,
  messagesPerSecond: 198,
  bytesPerSecond: 19_800,
  errors: { "connect: udp-blocked": 1 },
  cpu: { microsecondsPerMessage: 26, serverMicrosecondsPerMessage: 20 },
  series: [
    { sent: 500, received: 500, open: 9, rttP50Ms: 1.5, rttP99Ms: 20, rttMaxMs: 250 },
    { sent: 500, received: 490, open: 9, rttP50Ms: 1.5, rttP99Ms: null, rttMaxMs: null },
  ],
};

describe("the report", () => {
  test("as text has all numbers", () => {
    const text = summary(REPORT);
    for (const part of [
      "9 of 10",
      "10 (1.000 %)",
      "p99.9 21.0 ms",
      "max 250 ms",
      "198 echoes/s",
      "ratio 1.30",
      "1 × connect: udp-blocked",
    ]) {
      expect(text).toContain(part);
    }
  });

  test("names each threshold that was missed, and no other", () => {
    const met = { loss: 0.01, p50: 1.5, p99: 20, connectP99: 20, errors: 1 };
    expect(missedThresholds(REPORT, met)).toEqual([]);
    expect(missedThresholds(REPORT, {})).toEqual([]);
    const missed = missedThresholds(REPORT, { loss: 0.001, p50: 1, p99: 19, connectP99: 1, errors: 0 });
    expect(missed).toEqual([
      "loss 1.000 % is over 0.100 %",
      "round trip p50 1.50 ms is over 1.00 ms",
      "round trip p99 20.0 ms is over 19.0 ms",
      "time to open p99 20.0 ms is over 1.00 ms",
      "number of errors 1 is over 0",
    ]);
    expect(missedThresholds({ ...REPORT, lostAll: true }, {})).toEqual(["no client was left after 5.0 s"]);
    const nothing = { ...REPORT, rttMs: { ...quantiles, p50: Number.NaN } };
    expect(missedThresholds(nothing, { p50: 1_000 })).toHaveLength(1);
  });

  test("as a page is self-contained, draws every second and escapes what it was given", () => {
    const page = reportPage(REPORT);
    expect(page).not.toMatch(/src=|href=|@import|url\(/);
    expect(page).not.toContain("<rtc>");
    expect(page.match(/<svg/g)).toHaveLength(4);
    expect(page.match(/ d="M[^"]+L[^"]+"/g)?.length).toBeGreaterThanOrEqual(4);
    expect(page).not.toContain("NaN");
  });
});
