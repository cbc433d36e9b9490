import { type PublicKey, readPublicKey, verifySignature } from "../crypto/platform.ts";
import {
  ALERT_BAD_CERTIFICATE,
  ALERT_DECRYPT_ERROR,
  ALERT_ILLEGAL_PARAMETER,
  ALERT_UNSUPPORTED_CERTIFICATE,
  type AlertDescription,
} from "./alert.ts";
import { subjectPublicKeyInfo } from "./certificate.ts";
import type { DtlsVersion, HandshakeHost } from "./machine.ts";
import type { CertificateVerify } from "./messages.ts";
import { schemeFor } from "./signature-schemes.ts";

/** The key of the certificate (DER) that the peer has shown, or the alert for one that is not the peer's or not for us. */
export function acceptCertificate({ settings, facts }: HandshakeHost, der: Uint8Array): PublicKey | AlertDescription {
  // RFC 8827 §6.5: compared with the fingerprint from signalling, before anything is computed for this peer.
  if (!settings.verifyPeerCertificate(der)) return ALERT_BAD_CERTIFICATE;
  const info = subjectPublicKeyInfo(der);
  if (info === undefined) return ALERT_BAD_CERTIFICATE;
  const key = readPublicKey(info);
  if (key === undefined) return ALERT_UNSUPPORTED_CERTIFICATE;
  facts.peerCertificate = der;
  return key;
}

/** The alert for a signature that is none of `signed` by `key`, or whose scheme is not for such a key. */
export function refuseSignature(
  version: DtlsVersion,
  { scheme, signature }: Pick<CertificateVerify, "scheme" | "signature">,
  key: PublicKey,
  signed: Uint8Array,
): AlertDescription | undefined {
  const algorithm = schemeFor(scheme, key.kind, version);
  if (algorithm === undefined) return ALERT_ILLEGAL_PARAMETER;
  return verifySignature(key, algorithm, signed, signature) ? undefined : ALERT_DECRYPT_ERROR;
}
