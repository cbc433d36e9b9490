import { verifyEcdsa } from "../crypto/platform.ts";
import {
  ALERT_BAD_CERTIFICATE,
  ALERT_DECRYPT_ERROR,
  ALERT_ILLEGAL_PARAMETER,
  ALERT_UNSUPPORTED_CERTIFICATE,
  type AlertDescription,
} from "./alert.ts";
import { isP256, subjectPublicKeyInfo } from "./certificate.ts";
import { ECDSA_SECP256R1_SHA256 } from "./extensions.ts";
import type { HandshakeHost } from "./machine.ts";
import type { CertificateVerify } from "./messages.ts";

/** The key of the certificate (DER) that the peer has shown, or the alert for one that is not the peer's or not for us. */
export function acceptCertificate({ settings, facts }: HandshakeHost, der: Uint8Array): Uint8Array | AlertDescription {
  // RFC 8827 §6.5: compared with the fingerprint from signalling, before anything is computed for this peer.
  if (!settings.verifyPeerCertificate(der)) return ALERT_BAD_CERTIFICATE;
  const key = subjectPublicKeyInfo(der);
  if (key === undefined) return ALERT_BAD_CERTIFICATE;
  if (!isP256(key)) return ALERT_UNSUPPORTED_CERTIFICATE;
  facts.peerCertificate = der;
  return key;
}

/** The alert for a signature that is none of `signed` by `key`. */
export function refuseSignature(
  { scheme, signature }: CertificateVerify,
  key: Uint8Array,
  signed: Uint8Array,
): AlertDescription | undefined {
  if (scheme !== ECDSA_SECP256R1_SHA256) return ALERT_ILLEGAL_PARAMETER;
  return verifyEcdsa(key, signed, signature) ? undefined : ALERT_DECRYPT_ERROR;
}
