import { describe, expect, it } from "vitest";
import { mlKem768, platformMlKem768, portableMlKem768 } from "../../../src/crypto/ml-kem.ts";

const implementations = [
  ["portable", portableMlKem768],
  ["chosen", mlKem768],
] as const;

describe.each(implementations)("the %s ML-KEM-768", (_name, kem) => {
  it("agrees with itself, in the sizes of FIPS 203", () => {
    const keys = kem.generateKeyPair();
    expect(keys.publicKey).toHaveLength(1184);
    const { ciphertext, sharedSecret } = kem.encapsulate(keys.publicKey)!;
    expect([ciphertext.length, sharedSecret.length]).toEqual([1088, 32]);
    expect([...keys.decapsulate(ciphertext)!]).toEqual([...sharedSecret]);
  });

  it("gives another secret for a changed ciphertext (implicit rejection), and none for one of another length", () => {
    const keys = kem.generateKeyPair();
    const { ciphertext, sharedSecret } = kem.encapsulate(keys.publicKey)!;
    const changed = Uint8Array.from(ciphertext);
    changed[100] ^= 1;
    const other = keys.decapsulate(changed)!;
    expect(other).toHaveLength(32);
    expect([...other]).not.toEqual([...sharedSecret]);
    for (const length of [0, 1087, 1089]) expect(keys.decapsulate(new Uint8Array(length))).toBeUndefined();
  });

  it("refuses a key that is not reduced (FIPS 203 §7.2) or has another length", () => {
    expect(kem.encapsulate(new Uint8Array(1184).fill(0xff))).toBeUndefined();
    for (const length of [0, 1183, 1185]) expect(kem.encapsulate(new Uint8Array(length))).toBeUndefined();
  });
});

it("the platform's is chosen where there is one", () => {
  expect(mlKem768).toBe(platformMlKem768 ?? portableMlKem768);
});
