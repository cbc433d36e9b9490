/**
 * Whether these bytes are UTF-8 (RFC 3629 §4), in one pass and without an exception:
 *
 * ```
 * 00–7F
 * C2–DF  tail
 * E0     A0–BF  tail          E1–EC, EE, EF  tail  tail          ED  80–9F  tail
 * F0     90–BF  tail  tail    F1–F3          tail  tail  tail    F4  80–8F  tail  tail
 * ```
 */
export function isUtf8(bytes: Uint8Array): boolean {
  const { length } = bytes;
  for (let at = 0; at < length; ) {
    const lead = bytes[at++];
    if (lead < 0x80) continue;
    // 80–C1 begin nothing: tails, and what would be an overlong form of ASCII; beyond F4 there are no characters.
    if (lead < 0xc2 || lead > 0xf4) return false;
    const tails = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (at + tails > length) return false;
    const second = bytes[at];
    // Overlong forms, surrogates, and what is beyond U+10FFFF.
    if (lead === 0xe0 && second < 0xa0) return false;
    if (lead === 0xed && second > 0x9f) return false;
    if (lead === 0xf0 && second < 0x90) return false;
    if (lead === 0xf4 && second > 0x8f) return false;
    for (const end = at + tails; at < end; at++) if ((bytes[at] & 0xc0) !== 0x80) return false;
  }
  return true;
}
