import { createECDH, createHmac, createPublicKey, ECDH, generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  type EcdhGroup,
  generateEphemeralKey,
  generateSigningKey,
  hmacSha1,
  hmacSha256,
  readPublicKey,
  signEcdsa,
  verifySignature,
} from "../../../src/crypto/platform.ts";
import { concatBytes, fromHex, toHex } from "../../../src/wire/bytes.ts";

const lengths: [EcdhGroup, number][] = [
  ["x25519", 32],
  ["secp256r1", 65],
];

describe("ephemeral keys", () => {
  test.each(lengths)("%s: both sides agree, and the public half has %i bytes", (group, length) => {
    // Often enough for coordinates that begin with a zero byte.
    for (let i = 0; i < 600; i++) {
      const [ours, theirs] = [generateEphemeralKey(group), generateEphemeralKey(group)];
      expect(ours.publicKey.length).toBe(length);
      expect(ours.agree(theirs.publicKey)).toEqual(theirs.agree(ours.publicKey));
    }
  });

  test("P-256 agrees with the platform's own ECDH", () => {
    const theirs = createECDH("prime256v1");
    const point = theirs.generateKeys();
    const ours = generateEphemeralKey("secp256r1");
    expect(Uint8Array.from(ours.agree(point) ?? [])).toEqual(Uint8Array.from(theirs.computeSecret(ours.publicKey)));
  });

  test.each(lengths)("%s: what is no valid public half gives no secret", (group, length) => {
    const key = generateEphemeralKey(group);
    expect(key.agree(new Uint8Array(length))).toBeUndefined();
    expect(key.agree(new Uint8Array(length - 1))).toBeUndefined();
    expect(key.agree(new Uint8Array(0))).toBeUndefined();
    if (group === "x25519") return;
    const offCurve = generateEphemeralKey(group).publicKey.slice();
    offCurve[40] ^= 1;
    expect(key.agree(offCurve)).toBeUndefined();
  });
});

describe("a public key", () => {
  const data = Uint8Array.of(1, 2, 3);
  const isSigned = (spki: Uint8Array, signed: Uint8Array, signature: Uint8Array) => {
    const key = readPublicKey(spki);
    return key !== undefined && verifySignature(key, { hash: "sha256" }, signed, signature);
  };

  test("takes a right signature and no other", () => {
    const { privateKey, publicKeySpki } = generateSigningKey();
    const signature = signEcdsa(privateKey, data);
    expect(isSigned(publicKeySpki, data, signature)).toBe(true);
    expect(isSigned(publicKeySpki, Uint8Array.of(1, 2), signature)).toBe(false);
    expect(isSigned(generateSigningKey().publicKeySpki, data, signature)).toBe(false);
    expect(isSigned(publicKeySpki, data, new Uint8Array(signature.length))).toBe(false);
  });

  test("is read where its point is compressed", () => {
    const { privateKey, publicKeySpki } = generateSigningKey();
    const point = ECDH.convertKey(publicKeySpki.subarray(-65), "prime256v1", undefined, undefined, "compressed");
    const spki = concatBytes(fromHex("3039301306072a8648ce3d020106082a8648ce3d030107032200"), point as Uint8Array);
    expect(isSigned(spki, data, signEcdsa(privateKey, data))).toBe(true);
  });

  test.each([
    ["p256", generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey],
    ["p384", generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey],
    ["ed25519", generateKeyPairSync("ed25519").publicKey],
    ["rsa", rsaKey("rsa-2048")],
    ["rsa", rsaKey("rsa-4096")],
    ["rsa", rsaKey("rsa-2048-exponent-32-bits")],
    [undefined, rsaKey("rsa-1024")],
    [undefined, rsaKey("rsa-4104")],
    [undefined, rsaKey("rsa-2048-exponent-33-bits")],
    [undefined, rsaKey("rsa-pss-2048")],
    [undefined, generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey],
    [undefined, generateKeyPairSync("ec", { namedCurve: "P-521" }).publicKey],
    [undefined, generateKeyPairSync("ed448").publicKey],
    [undefined, generateKeyPairSync("x25519").publicKey],
  ] as const)("of kind %s is told from the others", (kind, key) => {
    expect(readPublicKey(key.export({ type: "spki", format: "der" }))?.kind).toBe(kind);
  });

  test("that is cut off or damaged is none, or another one, and never throws", () => {
    const spki = rsaKey("rsa-2048").export({ type: "spki", format: "der" });
    for (let length = 0; length < spki.length; length++)
      expect(readPublicKey(spki.subarray(0, length))).toBeUndefined();
    for (let at = 0; at < spki.length; at++) {
      const damaged = Uint8Array.from(spki);
      damaged[at] ^= 0xff;
      readPublicKey(damaged);
    }
  });
});

function rsaKey(name: string): KeyObject {
  return createPublicKey(readFileSync(new URL(`../../fixtures/dtls/keys/${name}.pem`, import.meta.url)));
}

describe("HMAC", () => {
  test("gives the vectors of RFC 4231 and RFC 2202, with short and long keys", () => {
    const text = (characters: string) => new TextEncoder().encode(characters);
    const long = new Uint8Array(131).fill(0xaa);
    expect(toHex(hmacSha256(text("Jefe"), text("what do ya want for nothing?")))).toBe(
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    expect(toHex(hmacSha256(long, text("Test Using Larger Than Block-Size Key - Hash Key First")))).toBe(
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    );
    expect(toHex(hmacSha1(text("Jefe"), text("what do ya want for nothing?")))).toBe(
      "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    );
  });

  test("is what the platform computes, for every length of key and however the data is cut", () => {
    for (let length = 0; length <= 140; length++) {
      const key = Uint8Array.from({ length }, (_, i) => i + length);
      const data = Uint8Array.from({ length: 3 * length }, (_, i) => i * 7);
      const expected = createHmac("sha256", key).update(data).digest("hex");
      expect(toHex(hmacSha256(key, data.subarray(0, length), data.subarray(length)))).toBe(expected);
      expect(toHex(hmacSha1(key, data))).toBe(createHmac("sha1", key).update(data).digest("hex"));
    }
  });
});
