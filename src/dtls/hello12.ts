import { ALERT_HANDSHAKE_FAILURE, ALERT_ILLEGAL_PARAMETER, type AlertDescription } from "./alert.ts";
import {
  EXTENSION_EC_POINT_FORMATS,
  EXTENSION_EXTENDED_MASTER_SECRET,
  EXTENSION_RENEGOTIATION_INFO,
  type Extensions,
  includesByte,
  POINT_FORMAT_UNCOMPRESSED,
} from "./extensions.ts";

/** The alert for what neither side of DTLS 1.2 accepts in the other's hello. */
export function refuseExtensions12(extensions: Extensions): AlertDescription | undefined {
  // RFC 7627 §5.2, §5.3: who does not interoperate with legacy peers "MUST abort the handshake". Every WebRTC client has offered it
  // for years, and without it the exporter and the fingerprints are not bound to one connection.
  if (!extensions.has(EXTENSION_EXTENDED_MASTER_SECRET)) return ALERT_HANDSHAKE_FAILURE;
  // RFC 5746 §3.4, §3.6: not empty in a first handshake is a sign of an attack, and "MUST" end it.
  const renegotiation = extensions.get(EXTENSION_RENEGOTIATION_INFO);
  if (renegotiation !== undefined && !(renegotiation.length === 1 && renegotiation[0] === 0)) {
    return ALERT_HANDSHAKE_FAILURE;
  }
  // RFC 8422 §5.1.2: a list without the uncompressed format is an illegal_parameter.
  const formats = extensions.get(EXTENSION_EC_POINT_FORMATS);
  if (formats !== undefined && !includesByte(formats, POINT_FORMAT_UNCOMPRESSED)) return ALERT_ILLEGAL_PARAMETER;
  return undefined;
}
