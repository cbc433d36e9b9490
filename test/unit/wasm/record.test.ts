// One suite over every implementation: both builds of the kernels, and node:crypto.
import { describe, expect, test } from "vitest";
import { concat, KernelProvider, NodeProvider } from "./provider.ts";
import { Random } from "./random.ts";

const reference = new NodeProvider();
const providers = [new KernelProvider("simd"), new KernelProvider("relaxed"), new KernelProvider("jsc"), reference];

const LONGEST = 2100;

/** `toEqual` takes a hundred times as long. */
function expectSame(actual: Uint8Array | null, expected: Uint8Array, length: number): void {
  expect(actual !== null && Buffer.compare(actual, expected) === 0, `length ${length}`).toBe(true);
}

describe.each(providers)("$name", (provider) => {
  test("a DTLS 1.2 record of every length is the one node:crypto makes, and opens", () => {
    const random = new Random(12);
    for (let length = 0; length <= LONGEST; length++) {
      const [key, salt, text] = [random.bytes(16), random.bytes(4), random.bytes(length)];
      const sequence = random.below(65_536) * 0x1_0000_0000 + random.below(0xffff_ffff);
      const epoch = random.below(65_536);
      const record = provider.seal12(key, salt, 23, epoch, sequence, text);
      expectSame(record, reference.seal12(key, salt, 23, epoch, sequence, text), length);
      expectSame(provider.open12(key, salt, record), text, length);
    }
  });

  test("a DTLS 1.3 record of every length and header is the one node:crypto makes, and opens", () => {
    const random = new Random(13);
    for (let length = 0; length <= LONGEST; length++) {
      const header = random.bytes(length % 41);
      const [key, iv, inner] = [random.bytes(16), random.bytes(12), random.bytes(length)];
      const sequence = random.below(0x20_0000) * 0x1_0000_0000 + random.below(0xffff_ffff);
      const record = provider.seal13(key, iv, sequence, header, inner);
      expectSame(record, reference.seal13(key, iv, sequence, header, inner), length);
      expectSame(provider.open13(key, iv, sequence, header.length, record), inner, length);
    }
  });

  test("records longer than any path's datagrams, up to the protocol's 16 KiB, are sealed and opened as well", () => {
    const random = new Random(20);
    for (const length of [2271, 2272, 2273, 2287, 2288, 2289, 2303, 2304, 2305, 4079, 4080, 4096, 4097, 9000, 16_384]) {
      const [key, salt, text] = [random.bytes(16), random.bytes(4), random.bytes(length)];
      const record = provider.seal12(key, salt, 23, 1, length, text);
      expectSame(record, reference.seal12(key, salt, 23, 1, length, text), length);
      expectSame(provider.open12(key, salt, record), text, length);
    }
  });

  test("additional data of every length up to 2,100 bytes is authenticated", () => {
    const random = new Random(14);
    for (let length = 0; length <= LONGEST; length++) {
      const [key, nonce, aad, text] = [16, 12, length, length % 67].map((bytes) => random.bytes(bytes)) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ];
      const sealed = provider.seal(key, nonce, aad, text);
      expectSame(sealed, reference.seal(key, nonce, aad, text), length);
      expectSame(provider.open(key, nonce, aad, sealed), text, length);
    }
  });

  test.each([0, 1, 15, 16, 17, 31, 33, 100, 127, 255])(
    "no flipped bit of a DTLS 1.2 record of %i bytes is accepted",
    (length) => {
      const random = new Random(15 + length);
      const [key, salt] = [random.bytes(16), random.bytes(4)];
      const record = provider.seal12(key, salt, 23, 1, 5, random.bytes(length));
      for (let bit = 0; bit < record.length * 8; bit++) {
        const damaged = record.slice();
        damaged[bit >>> 3] = (record[bit >>> 3] as number) ^ (1 << (bit & 7));
        expect(provider.open12(key, salt, damaged), `bit ${bit}`).toBeNull();
      }
    },
  );

  test("no flipped bit of a DTLS 1.3 record is accepted", () => {
    const random = new Random(16);
    const [key, iv, header] = [random.bytes(16), random.bytes(12), random.bytes(5)];
    const record = provider.seal13(key, iv, 5, header, random.bytes(70));
    for (let bit = 0; bit < record.length * 8; bit++) {
      const damaged = record.slice();
      damaged[bit >>> 3] = (record[bit >>> 3] as number) ^ (1 << (bit & 7));
      expect(provider.open13(key, iv, 5, 5, damaged), `bit ${bit}`).toBeNull();
    }
  });

  test("no other key, salt, nonce or sequence number opens a record", () => {
    const random = new Random(17);
    const [key, salt, iv, header, text] = [16, 4, 12, 5, 40].map((length) => random.bytes(length)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const record = provider.seal12(key, salt, 23, 1, 5, text);
    const record13 = provider.seal13(key, iv, 5, header, text);
    expect(provider.open12(random.bytes(16), salt, record)).toBeNull();
    expect(provider.open12(key, random.bytes(4), record)).toBeNull();
    expect(provider.open13(key, iv, 6, 5, record13)).toBeNull();
    expect(provider.open13(key, iv, 5 + 0x1_0000_0000, 5, record13)).toBeNull();
    expect(provider.open13(key, random.bytes(12), 5, 5, record13)).toBeNull();
  });

  test("a record cut or lengthened anywhere is refused", () => {
    const random = new Random(18);
    const [key, salt, iv] = [random.bytes(16), random.bytes(4), random.bytes(12)];
    const record = provider.seal12(key, salt, 23, 1, 5, random.bytes(50));
    const record13 = provider.seal13(key, iv, 5, random.bytes(3), random.bytes(50));
    for (let length = 0; length < record.length; length++) {
      expect(provider.open12(key, salt, record.subarray(0, length)), `cut at ${length}`).toBeNull();
    }
    for (let length = 3; length < record13.length; length++) {
      expect(provider.open13(key, iv, 5, 3, record13.subarray(0, length)), `cut at ${length}`).toBeNull();
    }
    expect(provider.open12(key, salt, concat(record, random.bytes(1)))).toBeNull();
    expect(provider.open13(key, iv, 5, 3, concat(record13, random.bytes(1)))).toBeNull();
  });
});
