import type { KeyKind, SignatureAlgorithm } from "../crypto/platform.ts";
import type { DtlsVersion } from "./machine.ts";

// Signature schemes (RFC 8446 §4.2.3). In DTLS 1.2 the same numbers are a hash and an algorithm (RFC 5246 §7.4.1.4.1).
export const RSA_PKCS1_SHA256 = 0x0401;
export const ECDSA_SECP256R1_SHA256 = 0x0403;
export const RSA_PKCS1_SHA384 = 0x0501;
export const ECDSA_SECP384R1_SHA384 = 0x0503;
export const RSA_PKCS1_SHA512 = 0x0601;
export const RSA_PSS_RSAE_SHA256 = 0x0804;
export const RSA_PSS_RSAE_SHA384 = 0x0805;
export const RSA_PSS_RSAE_SHA512 = 0x0806;
export const ED25519 = 0x0807;

/** What a scheme asks of the key and of the platform. */
interface SignatureScheme extends SignatureAlgorithm {
  /** The keys that sign with it, by version; none where the version does not have it. */
  readonly keys: Readonly<Record<DtlsVersion, readonly KeyKind[]>>;
}

const RSA_IN_BOTH = { "1.2": ["rsa"], "1.3": ["rsa"] } as const;
/** RFC 8446 §4.4.3: in 1.3 these are for certificates only, and "RSA signatures MUST use an RSASSA-PSS algorithm". */
const RSA_IN_12 = { "1.2": ["rsa"], "1.3": [] } as const;
/** RFC 8446 §4.2.3: an ECDSA scheme names the curve in 1.3 only. */
const ANY_CURVE_IN_12 = ["p256", "p384"] as const;

const SCHEMES: ReadonlyMap<number, SignatureScheme> = new Map<number, SignatureScheme>([
  [ECDSA_SECP256R1_SHA256, { hash: "sha256", keys: { "1.2": ANY_CURVE_IN_12, "1.3": ["p256"] } }],
  [ECDSA_SECP384R1_SHA384, { hash: "sha384", keys: { "1.2": ANY_CURVE_IN_12, "1.3": ["p384"] } }],
  [ED25519, { hash: undefined, keys: { "1.2": ["ed25519"], "1.3": ["ed25519"] } }],
  [RSA_PSS_RSAE_SHA256, { hash: "sha256", padding: "pss", keys: RSA_IN_BOTH }],
  [RSA_PSS_RSAE_SHA384, { hash: "sha384", padding: "pss", keys: RSA_IN_BOTH }],
  [RSA_PSS_RSAE_SHA512, { hash: "sha512", padding: "pss", keys: RSA_IN_BOTH }],
  [RSA_PKCS1_SHA256, { hash: "sha256", padding: "pkcs1", keys: RSA_IN_12 }],
  [RSA_PKCS1_SHA384, { hash: "sha384", padding: "pkcs1", keys: RSA_IN_12 }],
  [RSA_PKCS1_SHA512, { hash: "sha512", padding: "pkcs1", keys: RSA_IN_12 }],
]);

/** What a peer may sign with, the preferred first: the content of `signature_algorithms` and of our CertificateRequest. */
export const PEER_SCHEMES: readonly number[] = [...SCHEMES.keys()];

/** How to verify a scheme by a key of this kind; `undefined` where the version does not allow the two together. */
export function schemeFor(scheme: number, kind: KeyKind, version: DtlsVersion): SignatureAlgorithm | undefined {
  const known = SCHEMES.get(scheme);
  return known?.keys[version].includes(kind) ? known : undefined;
}
