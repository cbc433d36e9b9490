import { describe, expect, it } from "vitest";
import {
  encodeWhole,
  type FragmentResult,
  type HandshakeMessage,
  MAX_MESSAGE_BYTES,
  Reassembly,
  writeFragment,
} from "../../../src/dtls/reassembly.ts";
import type { DropReason } from "../../../src/wire/drops.ts";
import { concatBytes } from "../../../src/wire/bytes.ts";
import { Random } from "../../sim/random.ts";

const MESSAGE = message(0, 200);

function message(sequence: number, length: number, type = 1, epoch = 0): HandshakeMessage {
  return { type, sequence, epoch, body: Uint8Array.from({ length }, (_, i) => (i * 7 + sequence) & 0xff) };
}

function fragment(of: HandshakeMessage, start: number, end: number): Uint8Array {
  const target = new Uint8Array(12 + end - start);
  writeFragment(target, 0, of, start, end);
  return target;
}

function add(reassembly: Reassembly, content: Uint8Array, epoch = 0): (DropReason | { repeated: number })[] {
  const results: FragmentResult[] = [];
  reassembly.addRecord(epoch, content, (result) => results.push(result));
  return results.map((result) => ("drop" in result ? result.drop : result));
}

describe("reassembly", () => {
  it("hands out a message that came in one fragment", () => {
    const reassembly = new Reassembly();
    expect(add(reassembly, encodeWhole(MESSAGE))).toEqual([]);
    expect(reassembly.take()).toEqual(MESSAGE);
    expect(reassembly.take()).toBeUndefined();
  });

  it("puts fragments together in any order, cut anew and overlapping", () => {
    const cuts = [
      [150, 200],
      [0, 60],
      [40, 100],
      [90, 160],
    ];
    for (let rotation = 0; rotation < cuts.length; rotation++) {
      const reassembly = new Reassembly();
      const order = [...cuts.slice(rotation), ...cuts.slice(0, rotation)];
      order.forEach(([start, end], i) => {
        expect(reassembly.take()).toBeUndefined();
        expect(reassembly.incomplete).toBe(i > 0);
        add(reassembly, fragment(MESSAGE, start, end));
      });
      expect(reassembly.take()).toEqual(MESSAGE);
      expect(reassembly.incomplete).toBe(false);
    }
  });

  it("puts together what comes byte by byte, up to its bound of pieces", () => {
    const reassembly = new Reassembly();
    for (let at = 0; at < 200; at += 4) add(reassembly, fragment(MESSAGE, at, at + 1));
    for (let at = 0; at < 200; at++) add(reassembly, fragment(MESSAGE, at, at + 1));
    expect(reassembly.take()).toEqual(MESSAGE);
    const scattered = new Reassembly();
    const long = message(0, 4_000);
    const results = Array.from({ length: 1_500 }, (_, i) => add(scattered, fragment(long, 2 * i, 2 * i + 1))).flat();
    expect(results).toEqual(Array(1_500 - 1_024).fill("dtls-reassembly-limit"));
  });

  it("puts a hello with a hybrid key together from fragments of two bytes in any order", () => {
    const hello = message(0, 1_700);
    const random = new Random("two bytes");
    const starts = Array.from({ length: 850 }, (_, i) => 2 * i);
    const orders = [
      starts,
      starts.toReversed(),
      [...starts.filter((_, i) => i % 2), ...starts.filter((_, i) => !(i % 2))],
    ];
    for (let i = 0; i < 5; i++) {
      const drawn = starts.map((start) => [random.unit(), start]).sort(([a], [b]) => a - b);
      orders.push(drawn.map(([, start]) => start));
    }
    for (const order of orders) {
      const reassembly = new Reassembly();
      for (const start of order) expect(add(reassembly, fragment(hello, start, start + 2))).toEqual([]);
      expect(reassembly.take()).toEqual(hello);
    }
  });

  it("hands messages out in sequence, whatever order they came in", () => {
    const reassembly = new Reassembly();
    const all = [0, 1, 2, 3].map((sequence) => message(sequence, 20 * sequence));
    for (const one of [3, 1, 2, 0]) add(reassembly, encodeWhole(all[one]));
    expect([0, 1, 2, 3].map(() => reassembly.take())).toEqual(all);
  });

  it("takes several fragments from one record", () => {
    const reassembly = new Reassembly();
    add(reassembly, concatBytes(encodeWhole(message(0, 10)), encodeWhole(message(1, 0)), encodeWhole(message(2, 5))));
    expect(reassembly.take()?.sequence).toBe(0);
    expect(reassembly.take()?.body).toHaveLength(0);
    expect(reassembly.take()?.sequence).toBe(2);
  });

  it("tells when the end of a message comes again that was already taken", () => {
    const reassembly = new Reassembly();
    add(reassembly, encodeWhole(MESSAGE));
    reassembly.take();
    expect(add(reassembly, encodeWhole(MESSAGE))).toEqual([{ repeated: 0 }]);
    expect(add(reassembly, fragment(MESSAGE, 0, 100))).toEqual([]);
    expect(add(reassembly, fragment(MESSAGE, 100, 200))).toEqual([{ repeated: 0 }]);
  });

  it("takes a rejected message anew", () => {
    const reassembly = new Reassembly();
    add(reassembly, encodeWhole(message(0, 30, 99)));
    reassembly.reject(reassembly.take()!);
    add(reassembly, encodeWhole(MESSAGE));
    expect(reassembly.take()).toEqual(MESSAGE);
  });

  it("lets an authenticated fragment replace what came without protection, never the other way round", () => {
    const reassembly = new Reassembly();
    add(reassembly, fragment(message(0, 50), 0, 20), 0);
    const real = message(0, 40, 20, 1);
    add(reassembly, fragment(real, 0, 10), 1);
    expect(add(reassembly, fragment(message(0, 50), 20, 50), 0)).toEqual(["dtls-unexpected"]);
    add(reassembly, fragment(real, 10, 40), 1);
    expect(reassembly.take()).toEqual(real);
  });

  it.each([0, 2])("drops what contradicts an earlier fragment of epoch %i", (epoch) => {
    const reassembly = new Reassembly();
    add(reassembly, fragment(MESSAGE, 0, 100), epoch);
    expect(add(reassembly, fragment({ ...MESSAGE, type: 2 }, 100, 200), epoch)).toEqual(["dtls-unexpected"]);
    expect(add(reassembly, fragment(message(0, 201), 100, 201), epoch)).toEqual(["dtls-unexpected"]);
    add(reassembly, fragment(MESSAGE, 100, 200), epoch);
    expect(reassembly.take()).toEqual({ ...MESSAGE, epoch });
  });

  it("drops what is too large, too far ahead or malformed", () => {
    const reassembly = new Reassembly();
    add(reassembly, fragment(MESSAGE, 0, 100));
    expect(add(reassembly, fragment(message(1, MAX_MESSAGE_BYTES + 1), 0, 1))).toEqual(["dtls-too-large"]);
    expect(add(reassembly, encodeWhole(message(8, 1)))).toEqual(["dtls-unexpected"]);
    expect(add(reassembly, encodeWhole(message(65_535, 1)))).toEqual(["dtls-unexpected"]);
    const pastEnd = fragment(MESSAGE, 0, 100);
    pastEnd[8] = 101; // offset 101 + 100 bytes > 200
    expect(add(reassembly, pastEnd)).toEqual(["dtls-malformed"]);
    reassembly.maxMessageBytes = 1;
    expect(add(reassembly, encodeWhole(message(1, 2)))).toEqual(["dtls-too-large"]);
  });

  it("takes the message with the highest number, and none after it: numbers do not wrap", () => {
    const reassembly = new Reassembly();
    for (let sequence = 0; sequence <= 0xffff; sequence++) {
      add(reassembly, encodeWhole(message(sequence, 0)));
      expect(reassembly.take()?.sequence).toBe(sequence);
    }
    expect(add(reassembly, encodeWhole(message(0, 0)))).toEqual([{ repeated: 0 }]);
    expect(reassembly.take()).toBeUndefined();
  });

  it("holds a bounded number of bytes", () => {
    const reassembly = new Reassembly();
    const results = [0, 1, 2, 3, 4, 5].flatMap((sequence) =>
      add(reassembly, fragment(message(sequence, MAX_MESSAGE_BYTES), 0, MAX_MESSAGE_BYTES - 1)),
    );
    expect(results).toEqual(Array(4).fill("dtls-reassembly-limit"));
  });

  it("lets what is next in, and what is authenticated, whatever forged fragments ahead have filled", () => {
    for (const [epoch, name] of [
      [0, "next"],
      [2, "authenticated"],
    ] as const) {
      const reassembly = new Reassembly();
      for (const ahead of [6, 7]) {
        add(reassembly, fragment(message(ahead, MAX_MESSAGE_BYTES), 0, MAX_MESSAGE_BYTES - 1));
      }
      const expected = message(epoch === 0 ? 0 : 7, 300, 11, epoch);
      expect(add(reassembly, fragment(expected, 0, 100), epoch), name).toEqual([]);
      expect(add(reassembly, fragment(expected, 100, 300), epoch), name).toEqual([]);
      if (epoch === 0) expect(reassembly.take()).toEqual(expected);
    }
  });

  it("keeps nothing without protection once a protected message has come", () => {
    const reassembly = new Reassembly();
    add(reassembly, fragment(message(5, MAX_MESSAGE_BYTES), 0, 1));
    expect(reassembly.incomplete).toBe(true);
    add(reassembly, encodeWhole(message(0, 40, 20, 2)), 2);
    expect(reassembly.take()?.epoch).toBe(2);
    expect(reassembly.incomplete).toBe(false);
  });

  it("counts what was replaced no more", () => {
    const reassembly = new Reassembly();
    add(reassembly, fragment(message(0, MAX_MESSAGE_BYTES), 0, MAX_MESSAGE_BYTES - 1), 0);
    for (const sequence of [0, 1]) {
      const real = message(sequence, MAX_MESSAGE_BYTES, 20, 1);
      expect(add(reassembly, fragment(real, 0, MAX_MESSAGE_BYTES - 1), 1)).toEqual([]);
    }
  });

  it("reports a fragment that is cut off at any byte, and never throws", () => {
    const whole = encodeWhole(MESSAGE);
    for (let length = 1; length < whole.length; length++) {
      const reassembly = new Reassembly();
      expect(add(reassembly, whole.subarray(0, length)), `length ${length}`).toEqual(["dtls-malformed"]);
      expect(reassembly.take()).toBeUndefined();
    }
  });

  it("survives each header field at 0, 1, 2, 3 and its largest value", () => {
    const fields = [
      [0, 1],
      [1, 3],
      [4, 2],
      [6, 3],
      [9, 3],
    ];
    for (const [at, size] of fields) {
      for (const value of [0, 1, 2, 3, 2 ** (8 * size) - 1]) {
        const content = encodeWhole(MESSAGE);
        for (let i = 0; i < size; i++) content[at + i] = (value / 2 ** (8 * (size - 1 - i))) & 0xff;
        const reassembly = new Reassembly();
        add(reassembly, content);
        reassembly.take();
      }
    }
  });
});
