import { constants, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readPublicKey } from "../../../src/crypto/platform.ts";
import type { DtlsVersion } from "../../../src/dtls/machine.ts";
import { refuseSignature } from "../../../src/dtls/peer-certificate.ts";
import {
  ECDSA_SECP256R1_SHA256,
  ECDSA_SECP384R1_SHA384,
  ED25519,
  PEER_SCHEMES,
  RSA_PKCS1_SHA256,
  RSA_PKCS1_SHA384,
  RSA_PKCS1_SHA512,
  RSA_PSS_RSAE_SHA256,
  RSA_PSS_RSAE_SHA384,
  RSA_PSS_RSAE_SHA512,
} from "../../../src/dtls/signature-schemes.ts";

const ILLEGAL_PARAMETER = 47;
const DECRYPT_ERROR = 51;
const DATA = new TextEncoder().encode("the transcript so far");

const rsa = createPrivateKey(readFileSync(new URL("../../fixtures/dtls/keys/rsa-2048.pem", import.meta.url)));
const KEYS: Readonly<Record<string, KeyObject>> = {
  p256: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  p384: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
  ed25519: generateKeyPairSync("ed25519").privateKey,
  rsa,
};
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };

/** By name: how a peer signs, and with which keys in which version that is right (RFC 8446 §4.2.3, RFC 5246 §7.4.1.4.1). */
const RULES: [string, number, (key: KeyObject) => Buffer, { "1.2": string[]; "1.3": string[] }][] = [
  [
    "ecdsa_secp256r1_sha256",
    ECDSA_SECP256R1_SHA256,
    (key) => sign("sha256", DATA, key),
    { "1.2": ["p256", "p384"], "1.3": ["p256"] },
  ],
  [
    "ecdsa_secp384r1_sha384",
    ECDSA_SECP384R1_SHA384,
    (key) => sign("sha384", DATA, key),
    { "1.2": ["p256", "p384"], "1.3": ["p384"] },
  ],
  ["ed25519", ED25519, (key) => sign(null, DATA, key), { "1.2": ["ed25519"], "1.3": ["ed25519"] }],
  ["rsa_pkcs1_sha256", RSA_PKCS1_SHA256, (key) => sign("sha256", DATA, key), { "1.2": ["rsa"], "1.3": [] }],
  ["rsa_pkcs1_sha384", RSA_PKCS1_SHA384, (key) => sign("sha384", DATA, key), { "1.2": ["rsa"], "1.3": [] }],
  ["rsa_pkcs1_sha512", RSA_PKCS1_SHA512, (key) => sign("sha512", DATA, key), { "1.2": ["rsa"], "1.3": [] }],
  [
    "rsa_pss_rsae_sha256",
    RSA_PSS_RSAE_SHA256,
    (key) => sign("sha256", DATA, { key, ...PSS }),
    { "1.2": ["rsa"], "1.3": ["rsa"] },
  ],
  [
    "rsa_pss_rsae_sha384",
    RSA_PSS_RSAE_SHA384,
    (key) => sign("sha384", DATA, { key, ...PSS }),
    { "1.2": ["rsa"], "1.3": ["rsa"] },
  ],
  [
    "rsa_pss_rsae_sha512",
    RSA_PSS_RSAE_SHA512,
    (key) => sign("sha512", DATA, { key, ...PSS }),
    { "1.2": ["rsa"], "1.3": ["rsa"] },
  ],
];

const publicKeyOf = (key: KeyObject) =>
  readPublicKey(createPublicKey(key).export({ type: "spki", format: "der" }) as Uint8Array)!;

describe.each(RULES)("%s", (_name, scheme, signWith, kinds) => {
  it.each<DtlsVersion>(["1.2", "1.3"])("is taken in DTLS %s from its kinds of keys, and from no other", (version) => {
    for (const [kind, key] of Object.entries(KEYS)) {
      // What another kind of key would sign does not matter: the pair is refused before anything is computed.
      const fits = kinds[version].includes(kind);
      const signature = fits ? signWith(key) : new Uint8Array(64);
      const verdict = refuseSignature(version, { scheme, signature }, publicKeyOf(key), DATA);
      expect(verdict, `${kind} in ${version}`).toBe(fits ? undefined : ILLEGAL_PARAMETER);
    }
  });

  it("is refused with decrypt_error where the signature is another one", () => {
    const version = kinds["1.3"].length > 0 ? "1.3" : "1.2";
    const key = KEYS[kinds[version][0]];
    const signature = Uint8Array.from(signWith(key));
    signature[signature.length - 1] ^= 1;
    expect(refuseSignature(version, { scheme, signature }, publicKeyOf(key), DATA)).toBe(DECRYPT_ERROR);
    const empty = { scheme, signature: new Uint8Array(0) };
    expect(refuseSignature(version, empty, publicKeyOf(key), DATA)).toBe(DECRYPT_ERROR);
  });

  it("is offered to peers", () => {
    expect(PEER_SCHEMES).toContain(scheme);
  });
});

it("a scheme that nobody offered is refused", () => {
  // rsa_pkcs1_sha1, ecdsa_sha1, ecdsa_secp521r1_sha512, ed448, rsa_pss_pss_sha256, none
  for (const scheme of [0x0201, 0x0203, 0x0603, 0x0808, 0x0809, 0x0000]) {
    for (const key of Object.values(KEYS)) {
      const signature = new Uint8Array(64);
      expect(refuseSignature("1.2", { scheme, signature }, publicKeyOf(key), DATA)).toBe(ILLEGAL_PARAMETER);
    }
  }
});
