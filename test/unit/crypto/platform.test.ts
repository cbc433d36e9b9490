import { createECDH, ECDH, generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  type EcdhGroup,
  generateEphemeralKey,
  generateSigningKey,
  signEcdsa,
  verifyEcdsa,
} from "../../../src/crypto/platform.ts";
import { concatBytes, fromHex } from "../../../src/wire/bytes.ts";

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

describe("verifyEcdsa", () => {
  const data = Uint8Array.of(1, 2, 3);

  test("takes a right signature and no other", () => {
    const { privateKey, publicKeySpki } = generateSigningKey();
    const signature = signEcdsa(privateKey, data);
    expect(verifyEcdsa(publicKeySpki, data, signature)).toBe(true);
    expect(verifyEcdsa(publicKeySpki, Uint8Array.of(1, 2), signature)).toBe(false);
    expect(verifyEcdsa(generateSigningKey().publicKeySpki, data, signature)).toBe(false);
    expect(verifyEcdsa(new Uint8Array(publicKeySpki.length), data, signature)).toBe(false);
  });

  test("takes a key whose point is compressed", () => {
    const { privateKey, publicKeySpki } = generateSigningKey();
    const point = ECDH.convertKey(publicKeySpki.subarray(-65), "prime256v1", undefined, undefined, "compressed");
    const spki = concatBytes(fromHex("3039301306072a8648ce3d020106082a8648ce3d030107032200"), point as Uint8Array);
    expect(verifyEcdsa(spki, data, signEcdsa(privateKey, data))).toBe(true);
  });

  test("refuses keys of other curves and kinds", () => {
    for (const { privateKey, publicKey } of [
      generateKeyPairSync("ec", { namedCurve: "secp256k1" }),
      generateKeyPairSync("ec", { namedCurve: "P-384" }),
    ]) {
      const spki = publicKey.export({ type: "spki", format: "der" });
      expect(verifyEcdsa(spki, data, sign("sha256", data, privateKey))).toBe(false);
    }
  });
});
