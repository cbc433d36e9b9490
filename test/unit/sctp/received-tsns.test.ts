import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReceivedTsns } from "../../../src/sctp/received-tsns.ts";
import { type Tsn, tsn, tsnAdd } from "../../../src/wire/serial.ts";

/** The gap ack blocks as they would be written. */
function blocks(tsns: ReceivedTsns): [number, number][] {
  const view = new DataView(new ArrayBuffer(4 * tsns.blockCount));
  tsns.write(view, 0, tsns.blockCount, 0);
  return Array.from({ length: view.byteLength / 4 }, (_, i) => [view.getUint16(4 * i), view.getUint16(4 * i + 2)]);
}

function receive(tsns: ReceivedTsns, which: Tsn): boolean {
  if (tsns.has(which) || !tsns.hasRoomFor(which)) return false;
  tsns.add(which);
  return true;
}

describe("received TSNs", () => {
  it("move the cumulative point while they come in order", () => {
    const tsns = new ReceivedTsns(tsn(10));
    expect(tsns.cumulative).toBe(9);
    for (const which of [10, 11, 12]) receive(tsns, tsn(which));
    expect([tsns.cumulative, tsns.blockCount]).toEqual([12, 0]);
  });

  it("gather in blocks behind a gap, and join when it closes", () => {
    const tsns = new ReceivedTsns(tsn(10));
    for (const which of [12, 16, 14, 13, 17]) receive(tsns, tsn(which));
    expect(blocks(tsns)).toEqual([
      [3, 5],
      [7, 8],
    ]);
    receive(tsns, tsn(15));
    expect(blocks(tsns)).toEqual([[3, 8]]);
    receive(tsns, tsn(11));
    receive(tsns, tsn(10));
    expect([tsns.cumulative, tsns.blockCount]).toEqual([17, 0]);
  });

  it("are moved on by FORWARD TSN, over blocks and into the middle of one", () => {
    const tsns = new ReceivedTsns(tsn(10));
    for (const which of [12, 13, 15, 16, 18]) receive(tsns, tsn(which));
    expect(tsns.forward(tsn(9))).toBe(false);
    expect(tsns.forward(tsn(11))).toBe(true);
    expect(tsns.cumulative).toBe(13);
    expect(tsns.forward(tsn(15))).toBe(true);
    expect([tsns.cumulative, blocks(tsns)]).toEqual([16, [[2, 2]]]);
    expect(tsns.forward(tsn(40))).toBe(true);
    expect([tsns.cumulative, tsns.blockCount]).toEqual([40, 0]);
  });

  it("take no TSN that a gap ack block could not name, and no more blocks than fit", () => {
    const tsns = new ReceivedTsns(tsn(0));
    expect(tsns.hasRoomFor(tsn(65_535 - 1))).toBe(true);
    expect(tsns.hasRoomFor(tsn(65_535))).toBe(false);
    let opened = 0;
    for (let which = 2; which < 2000; which += 2) if (receive(tsns, tsn(which))) opened++;
    expect([opened, tsns.blockCount]).toEqual([256, 256]);
    expect(tsns.hasRoomFor(tsn(1))).toBe(true);
    expect(tsns.hasRoomFor(tsn(3))).toBe(true);
    expect(tsns.hasRoomFor(tsn(0))).toBe(true);
  });

  it("agree with a plain set, in any order, across the wrap-around", () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: 0, max: 60 }) },
        fc.constant(-1).chain(() => fc.integer({ min: -60, max: -1 })),
      ),
      { maxLength: 120 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const first = tsn(0xffffffe0);
        const tsns = new ReceivedTsns(first);
        const model = new Set<number>();
        let point = -1;
        for (const step of list) {
          if (step >= 0) {
            expect(tsns.has(tsnAdd(first, step))).toBe(step <= point || model.has(step));
            receive(tsns, tsnAdd(first, step));
            model.add(step);
          } else {
            tsns.forward(tsnAdd(first, -step));
            point = Math.max(point, -step);
          }
          while (model.has(point + 1)) point++;
          expect(tsns.cumulative).toBe(tsnAdd(first, point));
          const beyond = [...model].filter((offset) => offset > point).sort((a, b) => a - b);
          const named = blocks(tsns).flatMap(([from, to]) =>
            Array.from({ length: to - from + 1 }, (_, i) => point + from + i),
          );
          expect(named).toEqual(beyond);
        }
      }),
      { seed: 20_260, numRuns: 200 },
    );
  });
});
