import { describe, expect, it } from "vitest";
import { Link, type LinkConditions } from "../../sim/link.ts";
import { Random } from "../../sim/random.ts";

function linkWith(conditions: Partial<LinkConditions>, seed = "link"): Link {
  const link = new Link(new Random(seed));
  link.set(conditions);
  return link;
}

/** One datagram of `bytes` per `intervalMs`; all arrivals as [index, time]. */
function sendMany(link: Link, count: number, { bytes = 100, intervalMs = 10 } = {}): [number, number][] {
  const arrivals: [number, number][] = [];
  for (let i = 0; i < count; i++) {
    const datagram = new Uint8Array(bytes);
    datagram[0] = i >>> 8;
    datagram[1] = i;
    for (const { at, datagram: arrived } of link.send(i * intervalMs, datagram)) {
      arrivals.push([(arrived[0] << 8) | arrived[1], at]);
    }
  }
  return arrivals;
}

describe("a link", () => {
  it("delivers everything at once when nothing is wrong with it", () => {
    const arrivals = sendMany(linkWith({}), 10);
    expect(arrivals).toEqual(Array.from({ length: 10 }, (_, i) => [i, i * 10]));
  });

  it("copies: what the sender does with its buffer afterwards does not matter", () => {
    const buffer = Uint8Array.of(1, 2, 3);
    const [arrival] = linkWith({ delayMs: 5 }).send(0, buffer);
    buffer.fill(9);
    expect(arrival).toEqual({ at: 5, datagram: Uint8Array.of(1, 2, 3) });
  });

  it.each([0.01, 0.05, 0.2])("loses a share of %f at random, and counts it", (loss) => {
    const link = linkWith({ loss });
    const arrived = sendMany(link, 20_000).length;
    expect(arrived + link.counters.lost).toBe(20_000);
    expect(Math.abs(link.lossRate - loss)).toBeLessThan(3.5 * Math.sqrt((loss * (1 - loss)) / 20_000));
  });

  it.each([0.01, 0.05, 0.2])("loses a share of %f in bursts of the length asked for", (loss) => {
    const link = linkWith({ loss, lossBurst: 4 });
    const arrived = new Set(sendMany(link, 60_000).map(([index]) => index));
    let bursts = 0;
    for (let i = 1; i < 60_000; i++) if (!arrived.has(i) && arrived.has(i - 1)) bursts++;
    expect(link.lossRate / loss).toBeGreaterThan(0.85);
    expect(link.lossRate / loss).toBeLessThan(1.15);
    expect(link.counters.lost / bursts).toBeGreaterThan(3.6);
    expect(link.counters.lost / bursts).toBeLessThan(4.4);
  });

  it("delays, with jitter that leaves the order alone", () => {
    const arrivals = sendMany(linkWith({ delayMs: 50, jitterMs: 40 }), 200);
    const times = arrivals.map(([, at]) => at);
    expect([...times].sort((a, b) => a - b)).toEqual(times);
    for (const [index, at] of arrivals) {
      expect(at - index * 10).toBeGreaterThanOrEqual(50);
      expect(at - index * 10).toBeLessThanOrEqual(90);
    }
    expect(new Set(arrivals.map(([index, at]) => Math.round(at - index * 10))).size).toBeGreaterThan(10);
  });

  it("lets datagrams overtake those it holds back", () => {
    const link = linkWith({ reorder: 0.1, reorderMs: 30 });
    const order = sendMany(link, 1000)
      .sort(([, a], [, b]) => a - b)
      .map(([index]) => index);
    const overtaken = order.filter((index, i) => i > 0 && index < order[i - 1]).length;
    expect(overtaken).toBeGreaterThan(50);
    expect(link.counters.reordered).toBeGreaterThanOrEqual(overtaken);
    expect(order.length).toBe(1000);
  });

  it("duplicates, the copy behind the original", () => {
    const link = linkWith({ duplication: 0.1 });
    const arrivals = sendMany(link, 1000);
    expect(arrivals.length).toBe(1000 + link.counters.duplicated);
    expect(link.counters.duplicated).toBeGreaterThan(60);
  });

  it("corrupts exactly one bit", () => {
    const link = linkWith({ corruption: 1 });
    const [{ datagram }] = link.send(0, new Uint8Array(50));
    expect([...datagram].map((byte) => byte.toString(2).replaceAll("0", "").length).reduce((a, b) => a + b)).toBe(1);
  });

  it("swallows what is larger than the path's MTU", () => {
    const link = linkWith({ mtuBytes: 1200 });
    expect(link.send(0, new Uint8Array(1201))).toEqual([]);
    expect(link.send(0, new Uint8Array(1200))).toHaveLength(1);
    expect(link.counters.tooLarge).toBe(1);
  });

  it("takes time for each byte, and drops what its queue has no room for", () => {
    const link = linkWith({ bytesPerMs: 10, queueBytes: 250 });
    const arrivals = [0, 0, 0, 0].flatMap(() => link.send(0, new Uint8Array(100)).map(({ at }) => at));
    expect(arrivals).toEqual([10, 20]);
    expect(link.counters.overflowed).toBe(2);
    expect(link.send(20, new Uint8Array(100)).map(({ at }) => at)).toEqual([30]);
  });

  it("does to a chosen datagram what it is told to", () => {
    const link = linkWith({ reorderMs: 20 });
    link.intercept = (index) => (["lose", "duplicate", "delay", "corrupt", "pass"] as const)[index];
    const [lost, duplicated, delayed, corrupted, passed] = [0, 1, 2, 3, 4].map(() => link.send(0, new Uint8Array(8)));
    expect(lost).toEqual([]);
    expect(duplicated).toHaveLength(2);
    expect(delayed[0].at).toBeGreaterThanOrEqual(10);
    expect(corrupted[0].datagram).not.toEqual(new Uint8Array(8));
    expect(passed).toEqual([{ at: 0, datagram: new Uint8Array(8) }]);
  });

  it("loses the same datagrams whatever else it does to them", () => {
    const plain = linkWith({ loss: 0.1 });
    const busy = linkWith({ loss: 0.1, jitterMs: 10, duplication: 0.1, reorder: 0.1 });
    const survivors = new Set(sendMany(plain, 500).map(([index]) => index));
    expect(new Set(sendMany(busy, 500).map(([index]) => index))).toEqual(survivors);
  });
});
