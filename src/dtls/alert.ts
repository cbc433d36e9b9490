/**
 * Alerts (RFC 5246 §7.2, RFC 8446 §6).
 *
 *     | level 1 B | description 1 B |
 */
export const ALERT_LEVEL_WARNING = 0x01;
export const ALERT_LEVEL_FATAL = 0x02;

export const ALERT_CLOSE_NOTIFY = 0x00;
export const ALERT_UNEXPECTED_MESSAGE = 0x0a;
export const ALERT_RECORD_OVERFLOW = 0x16;
export const ALERT_HANDSHAKE_FAILURE = 0x28;
export const ALERT_BAD_CERTIFICATE = 0x2a;
export const ALERT_UNSUPPORTED_CERTIFICATE = 0x2b;
export const ALERT_ILLEGAL_PARAMETER = 0x2f;
export const ALERT_DECODE_ERROR = 0x32;
export const ALERT_DECRYPT_ERROR = 0x33;
export const ALERT_PROTOCOL_VERSION = 0x46;
export const ALERT_INTERNAL_ERROR = 0x50;
export const ALERT_INAPPROPRIATE_FALLBACK = 0x56;
export const ALERT_USER_CANCELED = 0x5a;
export const ALERT_NO_RENEGOTIATION = 0x64;
export const ALERT_MISSING_EXTENSION = 0x6d;
export const ALERT_UNSUPPORTED_EXTENSION = 0x6e;
export const ALERT_CERTIFICATE_REQUIRED = 0x74;

/** The number of an alert; the names of those we send are constants of this file. */
export type AlertDescription = number;

export interface Alert {
  readonly level: number;
  readonly description: AlertDescription;
}

/** An alert record's content, or `undefined` where it is not one. */
export function parseAlert(content: Uint8Array): Alert | undefined {
  // RFC 8446 §6: both fields are one byte, and an alert is never fragmented (RFC 8446 §5.1).
  return content.length === 2 ? { level: content[0], description: content[1] } : undefined;
}

const NAMES: Readonly<Record<AlertDescription, string>> = {
  [ALERT_CLOSE_NOTIFY]: "close_notify",
  [ALERT_UNEXPECTED_MESSAGE]: "unexpected_message",
  [ALERT_RECORD_OVERFLOW]: "record_overflow",
  [ALERT_HANDSHAKE_FAILURE]: "handshake_failure",
  [ALERT_BAD_CERTIFICATE]: "bad_certificate",
  [ALERT_UNSUPPORTED_CERTIFICATE]: "unsupported_certificate",
  [ALERT_ILLEGAL_PARAMETER]: "illegal_parameter",
  [ALERT_DECODE_ERROR]: "decode_error",
  [ALERT_DECRYPT_ERROR]: "decrypt_error",
  [ALERT_PROTOCOL_VERSION]: "protocol_version",
  [ALERT_INTERNAL_ERROR]: "internal_error",
  [ALERT_INAPPROPRIATE_FALLBACK]: "inappropriate_fallback",
  [ALERT_USER_CANCELED]: "user_canceled",
  [ALERT_NO_RENEGOTIATION]: "no_renegotiation",
  [ALERT_MISSING_EXTENSION]: "missing_extension",
  [ALERT_UNSUPPORTED_EXTENSION]: "unsupported_extension",
  [ALERT_CERTIFICATE_REQUIRED]: "certificate_required",
};

/** The name in the RFCs, for messages to people; `alert 22` for one without a constant here. */
export function alertName(description: AlertDescription): string {
  return NAMES[description] ?? `alert ${description}`;
}
