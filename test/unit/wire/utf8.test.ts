import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isUtf8 } from "../../../src/wire/utf8.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

function platformSays(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

describe("whether bytes are UTF-8", () => {
  it("is what the platform says of every one and two bytes", () => {
    for (let first = 0; first < 256; first++) {
      const one = Uint8Array.of(first);
      expect(isUtf8(one)).toBe(platformSays(one));
      for (let second = 0; second < 256; second++) {
        const two = Uint8Array.of(first, second);
        if (isUtf8(two) !== platformSays(two)) expect.fail(`${first}, ${second}`);
      }
    }
  });

  it("is what the platform says of every lead at the edges of its tails", () => {
    const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
    for (let lead = 0xc0; lead < 256; lead++) {
      for (const a of edges) {
        for (const b of edges) {
          for (const c of edges) {
            for (const bytes of [Uint8Array.of(lead, a, b), Uint8Array.of(65, lead, a, b, c)]) {
              if (isUtf8(bytes) !== platformSays(bytes)) expect.fail(bytes.join());
            }
          }
        }
      }
    }
  });

  it("is what the platform says of any bytes, and of any text", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        expect(isUtf8(bytes)).toBe(platformSays(bytes));
      }),
      { numRuns: 5_000, seed: 1 },
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(isUtf8(new TextEncoder().encode(text))).toBe(true);
      }),
      { seed: 2 },
    );
  });
});
