// RFC 2202 section 3, and node:crypto at every length of text and many of key. FIPS 180's SHA-1 is inside: under a key of more than a
// block both the key's hash and the text's show.
import "../unit/wasm/relaxed.ts";
import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Datapath, MAC_BYTES, MAC_KEY } from "../../src/wasm/datapath.ts";
import { Random } from "../unit/wasm/random.ts";

const counting = String.fromCharCode(...Array.from({ length: 25 }, (_, i) => i + 1));
const LONG_KEY = "Test Using Larger Than Block-Size Key";

const vectors: [key: string, text: string, mac: string][] = [
  ["\x0b".repeat(20), "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"],
  ["Jefe", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"],
  ["\xaa".repeat(20), "\xdd".repeat(50), "125d7342b9ac11cd91a39af48aa17b4f63f175d3"],
  [counting, "\xcd".repeat(50), "4c9007f4026250c6bc8414f9bf50c86c2d7235da"],
  ["\x0c".repeat(20), "Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"],
  ["\xaa".repeat(80), `${LONG_KEY} - Hash Key First`, "aa4ae5e15272d00e95705637ce8a3b55ed402112"],
  ["\xaa".repeat(80), `${LONG_KEY} and Larger Than One Block-Size Data`, "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"],
];

const CANARY = 0xa5;
const MARGIN = 64;

describe.each(["simd", "relaxed", "jsc"] as const)("HMAC-SHA1, %s build", (build) => {
  const path = new Datapath({ build, keySlots: 1 });
  const { memory } = path;
  const scratch = memory.slice(MAC_KEY - 0x200, MAC_KEY + 0x200);

  /** The HMAC of `text`, which lies between canaries with its HMAC right behind it. */
  function macOf(key: Uint8Array, text: Uint8Array): Uint8Array {
    const at = path.rxOffset + MARGIN + (text.length % 19);
    const macAt = at + text.length;
    memory.fill(CANARY, at - MARGIN, macAt + MAC_BYTES + MARGIN);
    memory.set(text, at);
    const password = Buffer.from(key).toString("latin1");
    path.hmacSha1(password, at, text.length, macAt);
    const mac = memory.slice(macAt, macAt + MAC_BYTES);
    expect(path.verifyHmacSha1(password, at, text.length, macAt)).toBe(true);
    expect(memory.subarray(at - MARGIN, at).every((byte) => byte === CANARY)).toBe(true);
    expect(Buffer.compare(memory.subarray(at, macAt), text)).toBe(0);
    expect(memory.subarray(macAt + MAC_BYTES, macAt + MAC_BYTES + MARGIN).every((byte) => byte === CANARY)).toBe(true);
    return mac;
  }

  test.each(vectors)("case of RFC 2202 with key %j", (key, text, mac) => {
    expect(Buffer.from(macOf(Buffer.from(key, "latin1"), Buffer.from(text, "latin1"))).toString("hex")).toBe(mac);
  });

  test("is what node:crypto computes, for texts of 0 to 600 bytes and keys of 0 to 100, and writes nothing around them", () => {
    const random = new Random(2104);
    for (let length = 0; length <= 600; length++) {
      const key = random.bytes(length <= 100 ? length : random.below(101));
      const text = random.bytes(length);
      const expected = createHmac("sha1", key).update(text).digest();
      expect(Buffer.compare(macOf(key, text), expected), `text of ${length}, key of ${key.length}`).toBe(0);
    }
    const longest = random.bytes(256);
    expect(Buffer.compare(macOf(longest, longest), createHmac("sha1", longest).update(longest).digest())).toBe(0);
  });

  test("an HMAC with any bit changed, or of another text or key, does not verify", () => {
    const at = path.rxOffset;
    const text = new Random(5769).bytes(77);
    const macAt = at + text.length;
    memory.set(text, at);
    path.hmacSha1("a password", at, text.length, macAt);
    for (let bit = 0; bit < 8 * (text.length + MAC_BYTES); bit++) {
      memory[at + (bit >> 3)] ^= 1 << (bit & 7);
      expect(path.verifyHmacSha1("a password", at, text.length, macAt), `bit ${bit}`).toBe(false);
      memory[at + (bit >> 3)] ^= 1 << (bit & 7);
    }
    expect(path.verifyHmacSha1("a passwore", at, text.length, macAt)).toBe(false);
    expect(path.verifyHmacSha1("a password", at, text.length - 1, macAt)).toBe(false);
    expect(path.verifyHmacSha1("a password", at, text.length, macAt)).toBe(true);
  });

  test("leaves nothing of key, text and result in its scratch, and a longer key nothing for a shorter one", () => {
    const random = new Random(3174);
    for (const keyLength of [0, 1, 24, 63, 64, 65, 100, 255, 256, 7]) {
      const key = random.bytes(keyLength);
      const mac = macOf(key, random.bytes(150));
      expect(memory.slice(MAC_KEY - 0x200, MAC_KEY + 0x200)).toEqual(scratch);
      expect(mac.some((byte) => byte !== 0)).toBe(true);
      path.verifyHmacSha1(Buffer.from(key).toString("latin1"), path.rxOffset, 70, path.rxOffset);
      expect(memory.slice(MAC_KEY - 0x200, MAC_KEY + 0x200)).toEqual(scratch);
    }
  });

  test("a key over 256 bytes is refused by name", () => {
    expect(() => path.hmacSha1("x".repeat(257), path.rxOffset, 1, path.rxOffset)).toThrow(/key must have at most 256/);
  });
});
