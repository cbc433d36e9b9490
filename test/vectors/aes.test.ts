// FIPS 197 and the block vectors of NIST SP 800-38A, on the single-block cipher (which DTLS 1.3's record numbers use).
import "../unit/wasm/relaxed.ts";
import { createCipheriv } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Datapath } from "../../src/wasm/datapath.ts";
import { Random } from "../unit/wasm/random.ts";

const vectors = [
  {
    source: "FIPS 197 appendix B",
    key: "2b7e151628aed2a6abf7158809cf4f3c",
    plain: "3243f6a8885a308d313198a2e0370734",
    cipher: "3925841d02dc09fbdc118597196a0b32",
  },
  {
    source: "FIPS 197 appendix C.1",
    key: "000102030405060708090a0b0c0d0e0f",
    plain: "00112233445566778899aabbccddeeff",
    cipher: "69c4e0d86a7b0430d8cdb78070b4c55a",
  },
  {
    source: "SP 800-38A F.1.1 block 1",
    key: "2b7e151628aed2a6abf7158809cf4f3c",
    plain: "6bc1bee22e409f96e93d7e117393172a",
    cipher: "3ad77bb40d7a3660a89ecaf32466ef97",
  },
  {
    source: "SP 800-38A F.1.1 block 4",
    key: "2b7e151628aed2a6abf7158809cf4f3c",
    plain: "f69f2445df4f9b17ad2b417be66c3710",
    cipher: "7b0c785e27e8ad3f8223207104725dd4",
  },
];

describe.each(["simd", "relaxed", "jsc"] as const)("AES-128, %s build", (build) => {
  const path = new Datapath({ build, keySlots: 2 });

  function encrypt(key: Uint8Array, block: Uint8Array): Uint8Array {
    const slot = path.acquireKey(key, new Uint8Array(4));
    path.memory.set(block, path.rxOffset);
    path.encryptBlock(slot, path.rxOffset);
    path.releaseKey(slot);
    return path.memory.slice(path.rxOffset, path.rxOffset + 16);
  }

  test.each(vectors)("encrypts the block of $source", ({ key, plain, cipher }) => {
    const result = encrypt(Buffer.from(key, "hex"), Buffer.from(plain, "hex"));
    expect(Buffer.from(result).toString("hex")).toBe(cipher);
  });

  test("encrypts 1,000 random blocks under random keys as node:crypto does", () => {
    const random = new Random(197);
    for (let i = 0; i < 1000; i++) {
      const [key, block] = [random.bytes(16), random.bytes(16)];
      const expected = createCipheriv("aes-128-ecb", key, null).update(block);
      expect(Buffer.compare(encrypt(key, block), expected)).toBe(0);
    }
  });

  test("every byte value goes through SubBytes in every place of the block", () => {
    const key = new Random(198).bytes(16);
    const reference = createCipheriv("aes-128-ecb", key, null);
    for (let place = 0; place < 16; place++) {
      for (let value = 0; value < 256; value++) {
        const block = new Uint8Array(16);
        block[place] = value;
        expect(Buffer.compare(encrypt(key, block), reference.update(block))).toBe(0);
      }
    }
  });

  test("the record number mask is the first two bytes of AES-ECB over the ciphertext (RFC 9147 section 4.2.3)", () => {
    const random = new Random(199);
    for (let i = 0; i < 100; i++) {
      const [key, numberKey, ciphertext] = [random.bytes(16), random.bytes(16), random.bytes(16)];
      const slot = path.acquireKey(key, random.bytes(12));
      path.setRecordNumberKey(slot, numberKey);
      path.memory.set(ciphertext, path.rxOffset);
      const expected = createCipheriv("aes-128-ecb", numberKey, null).update(ciphertext).readUInt16BE(0);
      expect(path.recordNumberMask(slot, path.rxOffset)).toBe(expected);
      expect(path.memory.slice(path.rxOffset, path.rxOffset + 16)).toEqual(ciphertext);
      path.releaseKey(slot);
    }
  });
});
