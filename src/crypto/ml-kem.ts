/**
 * ML-KEM-768 (FIPS 203): the platform's where it has one (node:crypto of Node 24 and later), else the one of
 * `@noble/post-quantum`, which gives the same results about ten times slower.
 */
import * as platform from "node:crypto";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { concatBytes, fromHex } from "../wire/bytes.ts";

/** Bytes of an encapsulation key, FIPS 203 table 3. */
export const ML_KEM_768_KEY_BYTES = 1184;
/** Bytes of a ciphertext. */
export const ML_KEM_768_CIPHERTEXT_BYTES = 1088;

/** The receiving side's key pair. */
export interface KemKeyPair {
  /** The encapsulation key, 1,184 bytes. */
  readonly publicKey: Uint8Array;
  /** The shared secret, 32 bytes; `undefined` where the ciphertext has not 1,088 bytes. */
  decapsulate(ciphertext: Uint8Array): Uint8Array | undefined;
}

export interface Encapsulation {
  readonly ciphertext: Uint8Array;
  readonly sharedSecret: Uint8Array;
}

/** One implementation. */
export interface MlKem768 {
  generateKeyPair(): KemKeyPair;
  /** `undefined` where the key has the wrong length or is not reduced (FIPS 203 §7.2). */
  encapsulate(publicKey: Uint8Array): Encapsulation | undefined;
}

// What Node 24 has and the types of Node 20 do not know.
type PlatformKem = {
  encapsulate?(key: platform.KeyObject): { sharedKey: Uint8Array; ciphertext: Uint8Array };
  decapsulate?(key: platform.KeyObject, ciphertext: Uint8Array): Uint8Array;
  generateKeyPairSync(type: string): { publicKey: platform.KeyObject; privateKey: platform.KeyObject };
};

// SubjectPublicKeyInfo with id-alg-ml-kem-768 up to the raw key (RFC 9935).
const SPKI_PREFIX = fromHex("308204b2300b0609608648016503040402038204a100");

/** Written in JavaScript; constant-time as far as the language allows. */
export const portableMlKem768: MlKem768 = {
  generateKeyPair() {
    const { publicKey, secretKey } = ml_kem768.keygen();
    return {
      publicKey,
      decapsulate(ciphertext) {
        if (ciphertext.length !== ML_KEM_768_CIPHERTEXT_BYTES) return undefined;
        return ml_kem768.decapsulate(ciphertext, secretKey);
      },
    };
  },
  encapsulate(publicKey) {
    try {
      const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey);
      return { ciphertext: cipherText, sharedSecret };
    } catch {
      return undefined;
    }
  },
};

/** The platform's, or `undefined` where it has none. */
export const platformMlKem768: MlKem768 | undefined = detectPlatform();

/** The faster of those that are there. */
export const mlKem768: MlKem768 = platformMlKem768 ?? portableMlKem768;

function detectPlatform(): MlKem768 | undefined {
  const { encapsulate, decapsulate, generateKeyPairSync } = platform as unknown as PlatformKem;
  if (typeof encapsulate !== "function" || typeof decapsulate !== "function") return undefined;
  try {
    generateKeyPairSync("ml-kem-768");
  } catch {
    return undefined; // Built against an OpenSSL before 3.5.
  }
  return {
    generateKeyPair() {
      const { publicKey, privateKey } = generateKeyPairSync("ml-kem-768");
      const spki = publicKey.export({ type: "spki", format: "der" });
      return {
        publicKey: new Uint8Array(spki.subarray(SPKI_PREFIX.length)),
        decapsulate(ciphertext) {
          if (ciphertext.length !== ML_KEM_768_CIPHERTEXT_BYTES) return undefined;
          return new Uint8Array(decapsulate(privateKey, ciphertext));
        },
      };
    },
    encapsulate(publicKey) {
      if (publicKey.length !== ML_KEM_768_KEY_BYTES) return undefined;
      try {
        const spki = Buffer.from(concatBytes(SPKI_PREFIX, publicKey));
        const key = platform.createPublicKey({ key: spki, format: "der", type: "spki" });
        const { sharedKey, ciphertext } = encapsulate(key);
        return { ciphertext: new Uint8Array(ciphertext), sharedSecret: new Uint8Array(sharedKey) };
      } catch {
        return undefined;
      }
    },
  };
}
