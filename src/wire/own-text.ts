const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A copy of a text in memory of its own: for whatever is cut from a longer text and outlives it.
 *
 * V8 and JavaScriptCore make a part of a string as a view that keeps the whole string alive, and no string method is certain to
 * copy. Bytes are certain: what is decoded from them cannot refer to what they were encoded from. It also brings text of one byte
 * per character back to that size where the whole had two. A surrogate without its other half becomes U+FFFD.
 */
export function ownText(text: string): string {
  return decoder.decode(encoder.encode(text));
}
