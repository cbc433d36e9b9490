/**
 * Serial number arithmetic (RFC 1982) for the modular numbers of SCTP. The types have no ordering of their own:
 * compare and subtract through these functions only.
 */
export type Tsn = number & { readonly __brand: "Tsn" };
/** Number of a message in its stream: its SSN in DATA, its MID in I-DATA (RFC 8260 §2.1). The functions are told which. */
export type MessageNumber = number & { readonly __brand: "MessageNumber" };
/** Place of a fragment in its message, from 0 (RFC 8260 §2.1). Those of one message may wrap around. */
export type Fsn = number & { readonly __brand: "Fsn" };

/** Which message numbers: by the bits that they leave unused of 32. */
export const SSN = 16;
export const MID = 0;
export type NumberKind = typeof SSN | typeof MID;

/**
 * The TSN with this value modulo 2^32. As a number it is the one from −2^31 to 2^31 − 1: V8 keeps those in the field itself, all
 * others in a box beside the object.
 */
export function tsn(value: number): Tsn {
  return (value | 0) as Tsn;
}

export function tsnAdd(a: Tsn, n: number): Tsn {
  return ((a + n) | 0) as Tsn;
}

/** How far `a` is ahead of `b`: −2^31 … 2^31 − 1. Negative when `a` is behind. */
export function tsnDistance(a: Tsn, b: Tsn): number {
  return (a - b) | 0;
}

/** True when `a` is later than `b` in the sense of RFC 1982 §3.2. */
export function tsnAfter(a: Tsn, b: Tsn): boolean {
  return ((a - b) | 0) > 0;
}

/** The message number with this value modulo 2^16 or 2^32. */
export function messageNumber(value: number, kind: NumberKind): MessageNumber {
  return ((value << kind) >> kind) as MessageNumber;
}

export function messageNumberAdd(a: MessageNumber, n: number, kind: NumberKind): MessageNumber {
  return (((a + n) << kind) >> kind) as MessageNumber;
}

/** How far `a` is ahead of `b`: −2^15 … 2^15 − 1, or −2^31 … 2^31 − 1. */
export function messageNumberDistance(a: MessageNumber, b: MessageNumber, kind: NumberKind): number {
  return ((a - b) << kind) >> kind;
}

export function fsn(value: number): Fsn {
  return (value | 0) as Fsn;
}

export function fsnAdd(a: Fsn, n: number): Fsn {
  return ((a + n) | 0) as Fsn;
}

/** How far `a` is ahead of `b`: −2^31 … 2^31 − 1. */
export function fsnDistance(a: Fsn, b: Fsn): number {
  return (a - b) | 0;
}
