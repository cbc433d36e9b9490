import {
  ALERT_HANDSHAKE_FAILURE,
  ALERT_ILLEGAL_PARAMETER,
  ALERT_MISSING_EXTENSION,
  type AlertDescription,
} from "./alert.ts";
import {
  EXTENSION_KEY_SHARE,
  EXTENSION_SIGNATURE_ALGORITHMS,
  EXTENSION_SUPPORTED_GROUPS,
  type KeyShareEntry,
  parseKeyShares,
  parseNumbers,
} from "./extensions.ts";
import { MALFORMED } from "./machine.ts";
import { type ClientHello, COMPRESSION_NULL, TLS_AES_128_GCM_SHA256 } from "./messages.ts";
import { ECDSA_SECP256R1_SHA256 } from "./signature-schemes.ts";

/** What of a ClientHello decides about the answer of DTLS 1.3. */
export interface Offer13 {
  readonly groups: readonly number[];
  readonly shares: readonly KeyShareEntry[];
}

/** The offer in a ClientHello that can be answered, or why it cannot. */
export function readOffer13(hello: ClientHello): Offer13 | AlertDescription | typeof MALFORMED {
  const { extensions } = hello;
  // RFC 8446 §4.1.2: in a hello of 1.3 "this vector MUST contain exactly one byte, set to zero".
  if (!(hello.compressionMethods.length === 1 && hello.compressionMethods[0] === COMPRESSION_NULL)) {
    return ALERT_ILLEGAL_PARAMETER;
  }
  // RFC 9147 §5.3: legacy_cookie "received with any other value … MUST abort the handshake with an illegal_parameter".
  if (hello.cookie.length > 0) return ALERT_ILLEGAL_PARAMETER;
  if (!hello.cipherSuites.includes(TLS_AES_128_GCM_SHA256)) return ALERT_HANDSHAKE_FAILURE;
  const schemes = extensions.get(EXTENSION_SIGNATURE_ALGORITHMS);
  const groups = extensions.get(EXTENSION_SUPPORTED_GROUPS);
  const shares = extensions.get(EXTENSION_KEY_SHARE);
  // RFC 8446 §9.2.
  if (schemes === undefined || groups === undefined || shares === undefined) return ALERT_MISSING_EXTENSION;
  const offer = { groups: parseNumbers(groups), shares: parseKeyShares(shares) };
  const offeredSchemes = parseNumbers(schemes);
  if (offer.groups === undefined || offer.shares === undefined || offeredSchemes === undefined) return MALFORMED;
  if (!offeredSchemes.includes(ECDSA_SECP256R1_SHA256)) return ALERT_HANDSHAKE_FAILURE;
  return { groups: offer.groups, shares: offer.shares };
}

/** The share of the first group that has one. A round trip for a better group is not worth it. */
export function chooseShare(groups: readonly number[], { shares }: Offer13): KeyShareEntry | undefined {
  for (const group of groups) {
    const share = shares.find((candidate) => candidate.group === group);
    if (share !== undefined) return share;
  }
  return undefined;
}
