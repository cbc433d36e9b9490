/** PEM text (RFC 7468): DER in base64 between two labelled lines. */

/** The DER of the first block with this label; `undefined` where there is none or its base64 is broken. */
export function decodePem(pem: string, label: string): Uint8Array | undefined {
  const begin = `-----BEGIN ${label}-----`;
  const from = pem.indexOf(begin);
  const to = pem.indexOf(`-----END ${label}-----`, from);
  if (from < 0 || to < 0) return undefined;
  try {
    return Uint8Array.from(atob(pem.slice(from + begin.length, to).replace(/\s+/g, "")), (character) =>
      character.charCodeAt(0),
    );
  } catch {
    return undefined;
  }
}

export function encodePem(der: Uint8Array, label: string): string {
  let binary = "";
  for (const byte of der) binary += String.fromCharCode(byte);
  // RFC 7468 §2: lines of exactly 64 characters, except the last.
  const lines = btoa(binary).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
