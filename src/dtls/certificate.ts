import {
  generateSigningKey,
  type KeyObject,
  privateKeyFromPem,
  privateKeyToPem,
  type RandomSource,
  randomBytes,
  readPublicKey,
  sha256,
  signEcdsa,
  verifySignature,
  wallClockMs,
} from "../crypto/platform.ts";
import { checkNames, type Names } from "../application/names.ts";
import { concatBytes, fromHex } from "../wire/bytes.ts";
import {
  DER_BIT_STRING,
  DER_CONTEXT_0,
  DER_GENERALIZED_TIME,
  DER_INTEGER,
  DER_OBJECT_IDENTIFIER,
  DER_SEQUENCE,
  DER_SET,
  DER_UTC_TIME,
  DER_UTF8_STRING,
  expectDer,
  readDer,
  writeDer,
} from "./der.ts";
import { decodePem, encodePem } from "./pem.ts";

export interface CertificateOptions {
  /** Start of validity, in milliseconds since 1970-01-01 UTC. Default: yesterday, for clocks that are behind. */
  notBefore?: number;
  /** Validity in days, 1 … 36,500. Default 365. WebRTC peers compare fingerprints and ignore the dates. */
  days?: number;
  /** Common name of subject and issuer, 1 … 64 characters. Default `WebRTC`. */
  commonName?: string;
  /** Source of the serial number. Default: the platform's secure random source. */
  random?: RandomSource;
}

const CERTIFICATE_OPTIONS: Names<CertificateOptions> = { notBefore: true, days: true, commonName: true, random: true };
const DAY_MS = 86_400_000;
const YEAR_2050_MS = 2_524_608_000_000;
const YEAR_9999_MS = 253_370_764_800_000;
// Identifier octets of 1.2.840.10045.4.3.2 ecdsa-with-SHA256 (RFC 5758 §3.2) and 2.5.4.3 commonName (RFC 5280 §A.1).
const ECDSA_WITH_SHA256 = writeDer(DER_SEQUENCE, writeDer(DER_OBJECT_IDENTIFIER, fromHex("2a8648ce3d040302")));
const COMMON_NAME = writeDer(DER_OBJECT_IDENTIFIER, fromHex("550403"));
const VERSION_3 = writeDer(DER_CONTEXT_0, writeDer(DER_INTEGER, Uint8Array.of(2)));
const PROBE = new TextEncoder().encode("webrtc-datagram key check");

/**
 * A P-256 certificate with its private key. Self-signed: the peer learns its SHA-256 fingerprint from signalling
 * (RFC 8827 §6.5). May be shared between any number of servers and connections.
 */
export class Certificate {
  /** The certificate in DER, as the handshake carries it. */
  readonly der: Uint8Array;
  /** SHA-256 of `der`. */
  readonly fingerprintBytes: Uint8Array;
  /** The same as `a=fingerprint:sha-256` wants it: `AB:CD:…`, upper case (RFC 8122 §5). */
  readonly fingerprint: string;
  readonly #privateKey: KeyObject;

  private constructor(der: Uint8Array, privateKey: KeyObject) {
    if (privateKey === undefined) {
      throw new TypeError("new Certificate() is not for use: Certificate.generate() or Certificate.fromPem(…)");
    }
    this.der = der;
    this.#privateKey = privateKey;
    this.fingerprintBytes = sha256(der);
    this.fingerprint = formatFingerprint(this.fingerprintBytes);
  }

  /**
   * A fresh key and a self-signed X.509 v3 certificate for it.
   * @throws RangeError for dates outside 1970 … 9999, `days` outside 1 … 36,500 or a `commonName` outside 1 … 64.
   */
  static generate(options: CertificateOptions = {}): Certificate {
    checkNames("options", options, CERTIFICATE_OPTIONS, "an option of Certificate.generate");
    const { notBefore = wallClockMs() - DAY_MS, days = 365, commonName = "WebRTC", random = randomBytes } = options;
    if (!(days >= 1 && days <= 36_500)) throw new RangeError("days must be 1 … 36500");
    if (!(notBefore >= 0 && notBefore + days * DAY_MS < YEAR_9999_MS)) {
      throw new RangeError("notBefore must be milliseconds since 1970, with the end of validity before the year 9999");
    }
    if (commonName.length < 1 || commonName.length > 64) {
      throw new RangeError("commonName must have 1 … 64 characters"); // RFC 5280 §A.1 ub-common-name
    }
    const { privateKey, publicKeySpki } = generateSigningKey();
    const name = distinguishedName(commonName);
    // RFC 5280 §4.1: TBSCertificate.
    const toBeSigned = writeDer(
      DER_SEQUENCE,
      VERSION_3,
      writeDer(DER_INTEGER, serialNumber(random)),
      ECDSA_WITH_SHA256,
      name,
      writeDer(DER_SEQUENCE, time(notBefore), time(notBefore + days * DAY_MS)),
      name,
      publicKeySpki,
    );
    const signature = signEcdsa(privateKey, toBeSigned);
    const der = writeDer(DER_SEQUENCE, toBeSigned, ECDSA_WITH_SHA256, bitString(signature));
    return new Certificate(der, privateKey);
  }

  /**
   * A certificate from PEM text (the first one, if there are several) and its private key (PKCS #8 or SEC 1). An
   * expired or a CA-signed certificate is fine: peers compare the fingerprint.
   * @throws TypeError naming what is wrong: no PEM, not P-256, key of another certificate.
   */
  static fromPem(certificatePem: string, privateKeyPem: string): Certificate {
    const der = decodePem(certificatePem, "CERTIFICATE");
    if (der === undefined) throw new TypeError("certificatePem holds no PEM block CERTIFICATE");
    const spki = subjectPublicKeyInfo(der);
    if (spki === undefined) throw new TypeError("certificatePem is not an X.509 certificate");
    const publicKey = readPublicKey(spki);
    if (publicKey?.kind !== "p256") throw new TypeError("certificatePem must hold a P-256 (prime256v1) public key");
    let privateKey: KeyObject;
    try {
      privateKey = privateKeyFromPem(privateKeyPem);
    } catch {
      throw new TypeError("privateKeyPem holds no readable, unencrypted PEM private key");
    }
    const isPair =
      privateKey.asymmetricKeyType === "ec" &&
      verifySignature(publicKey, { hash: "sha256" }, PROBE, signEcdsa(privateKey, PROBE));
    if (!isPair) {
      throw new TypeError("privateKeyPem is not the private key of certificatePem");
    }
    return new Certificate(der, privateKey);
  }

  /** PEM text of both; the key as PKCS #8. Keep the private key secret. */
  toPem(): { certificate: string; privateKey: string } {
    return { certificate: encodePem(this.der, "CERTIFICATE"), privateKey: privateKeyToPem(this.#privateKey) };
  }

  /** An `ecdsa_secp256r1_sha256` signature over `data`, DER-encoded. */
  sign(data: Uint8Array): Uint8Array {
    return signEcdsa(this.#privateKey, data);
  }
}

/** `AB:CD:…`, upper case. */
export function formatFingerprint(digest: Uint8Array): string {
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(":");
}

/**
 * The SubjectPublicKeyInfo of an X.509 certificate from an untrusted peer, as a view of `der`; `undefined` where it is
 * not one. Only the structure above the key is walked: what binds the key to the peer is the fingerprint of the whole.
 */
export function subjectPublicKeyInfo(der: Uint8Array): Uint8Array | undefined {
  const certificate = expectDer(der, 0, der.length, DER_SEQUENCE);
  if (certificate === undefined || certificate.end !== der.length) return undefined;
  const body = expectDer(der, certificate.contentStart, certificate.end, DER_SEQUENCE);
  if (body === undefined) return undefined;
  let at = body.contentStart;
  const version = readDer(der, at, body.end);
  if (version?.tag === DER_CONTEXT_0) at = version.end;
  // serialNumber, signature, issuer, validity, subject
  for (const tag of [DER_INTEGER, DER_SEQUENCE, DER_SEQUENCE, DER_SEQUENCE, DER_SEQUENCE]) {
    const element = expectDer(der, at, body.end, tag);
    if (element === undefined) return undefined;
    at = element.end;
  }
  const key = expectDer(der, at, body.end, DER_SEQUENCE);
  return key === undefined ? undefined : der.subarray(key.start, key.end);
}

function distinguishedName(commonName: string): Uint8Array {
  const value = writeDer(DER_UTF8_STRING, new TextEncoder().encode(commonName));
  return writeDer(DER_SEQUENCE, writeDer(DER_SET, writeDer(DER_SEQUENCE, COMMON_NAME, value)));
}

function serialNumber(random: RandomSource): Uint8Array {
  const serial = Uint8Array.from(random(16));
  serial[0] = (serial[0] & 0x3f) | 0x40; // RFC 5280 §4.1.2.2: positive; and no leading zero byte in DER.
  return serial;
}

function bitString(bytes: Uint8Array): Uint8Array {
  return writeDer(DER_BIT_STRING, concatBytes(Uint8Array.of(0), bytes)); // no unused bits
}

/** RFC 5280 §4.1.2.5: UTCTime through the year 2049, GeneralizedTime from 2050; seconds, Zulu. */
function time(msSince1970: number): Uint8Array {
  // biome-ignore lint/style/noRestrictedGlobals: converts its argument to a calendar date; no clock is read.
  const iso = new Date(msSince1970).toISOString(); // 2026-11-22T13:35:49.000Z
  const digits = `${iso.slice(0, 19).replace(/\D/g, "")}Z`;
  return msSince1970 < YEAR_2050_MS
    ? writeDer(DER_UTC_TIME, new TextEncoder().encode(digits.slice(2)))
    : writeDer(DER_GENERALIZED_TIME, new TextEncoder().encode(digits));
}
