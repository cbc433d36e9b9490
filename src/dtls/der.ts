/**
 * DER (X.690), as far as a certificate needs it: a bounded reader for elements of untrusted input and a writer.
 *
 *     | tag 1 B | length: 1 B below 0x80, else 0x80 + n and n bytes | content |
 */
export const DER_INTEGER = 0x02;
export const DER_BIT_STRING = 0x03;
export const DER_OBJECT_IDENTIFIER = 0x06;
export const DER_UTF8_STRING = 0x0c;
export const DER_UTC_TIME = 0x17;
export const DER_GENERALIZED_TIME = 0x18;
export const DER_SEQUENCE = 0x30;
export const DER_SET = 0x31;
/** `[0]` and `[3]`, constructed. */
export const DER_CONTEXT_0 = 0xa0;

export interface DerElement {
  readonly tag: number;
  /** Where its tag stands. */
  readonly start: number;
  readonly contentStart: number;
  readonly end: number;
}

/** The element at `start`; `undefined` where it does not fit before `end`. */
export function readDer(bytes: Uint8Array, start: number, end: number): DerElement | undefined {
  if (start + 2 > end) return undefined;
  let length = bytes[start + 1];
  let contentStart = start + 2;
  if (length >= 0x80) {
    const lengthBytes = length & 0x7f;
    // X.690 §10.1: definite form only. More than 3 bytes of length cannot be a certificate in a handshake message.
    if (lengthBytes === 0 || lengthBytes > 3 || contentStart + lengthBytes > end) return undefined;
    length = 0;
    for (let i = 0; i < lengthBytes; i++) length = (length << 8) | bytes[contentStart + i];
    contentStart += lengthBytes;
  }
  if (length > end - contentStart) return undefined;
  return { tag: bytes[start], start, contentStart, end: contentStart + length };
}

/** Reads the element at `start` and demands its tag. */
export function expectDer(bytes: Uint8Array, start: number, end: number, tag: number): DerElement | undefined {
  const element = readDer(bytes, start, end);
  return element?.tag === tag ? element : undefined;
}

/** One element around the given contents. */
export function writeDer(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const content of contents) length += content.length;
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, (length >>> 8) & 0xff, length & 0xff];
  const element = new Uint8Array(header.length + length);
  element.set(header);
  let at = header.length;
  for (const content of contents) {
    element.set(content, at);
    at += content.length;
  }
  return element;
}
