import { ByteWriter } from "../wire/bytes.ts";
import {
  ABORT,
  CAUSE_INVALID_STREAM,
  CAUSE_MISSING_PARAMETER,
  CAUSE_NO_USER_DATA,
  CAUSE_OUT_OF_RESOURCE,
  CAUSE_PROTOCOL_VIOLATION,
  CAUSE_STALE_COOKIE,
  CAUSE_UNRECOGNIZED_CHUNK,
  CAUSE_UNRECOGNIZED_PARAMETERS,
  CAUSE_UNRESOLVABLE_ADDRESS,
  CAUSE_USER_ABORT,
  chunkEnd,
  ERROR,
  parseParameters,
  STATE_COOKIE,
  writeChunk,
  writeParameter,
} from "./packet.ts";
import type { Tsn } from "../wire/serial.ts";

/** An ABORT (RFC 9260 §3.3.7) with its causes; `flags` may hold FLAG_TAG_REFLECTED. */
export function writeAbort(flags: number, ...causes: readonly Uint8Array[]): Uint8Array {
  return writeChunk(ABORT, flags, ...chunkEnd(causes));
}

/** An ERROR (RFC 9260 §3.3.10): reports, ends nothing. */
export function writeError(...causes: readonly Uint8Array[]): Uint8Array {
  return writeChunk(ERROR, 0, ...chunkEnd(causes));
}

/** §3.3.10.1: a stream identifier that was never agreed on. */
export function invalidStream(streamId: number): Uint8Array {
  return writeParameter(CAUSE_INVALID_STREAM, new ByteWriter(4).u16(streamId).u16(0).finish());
}

/** §3.3.10.2: an INIT ACK without a state cookie. */
export function missingCookie(): Uint8Array {
  return writeParameter(CAUSE_MISSING_PARAMETER, new ByteWriter(6).u32(1).u16(STATE_COOKIE).finish());
}

/** §3.3.10.3: how much too late the cookie came, in µs. */
export function staleCookie(stalenessMs: number): Uint8Array {
  const microseconds = Math.min(0xffff_ffff, Math.round(stalenessMs * 1000));
  return writeParameter(CAUSE_STALE_COOKIE, new ByteWriter(4).u32(microseconds).finish());
}

/** §3.3.10.4: what the association needs cannot be held. */
export function outOfResource(): Uint8Array {
  return writeParameter(CAUSE_OUT_OF_RESOURCE);
}

/** §3.3.10.5: a host name where an address should be, given back as it came. */
export function unresolvableAddress(): Uint8Array {
  return writeParameter(CAUSE_UNRESOLVABLE_ADDRESS);
}

/** §3.3.10.6: a chunk whose type asks to be reported, given back as it came. */
export function unrecognizedChunk(chunk: Uint8Array): Uint8Array {
  return writeParameter(CAUSE_UNRECOGNIZED_CHUNK, chunk);
}

/** §3.3.10.8: parameters of an INIT ACK that ask to be reported. */
export function unrecognizedParameters(raw: readonly Uint8Array[]): Uint8Array {
  return writeParameter(CAUSE_UNRECOGNIZED_PARAMETERS, ...raw.map(paddedCopy));
}

/** §3.3.10.9: a DATA chunk that carries none. */
export function noUserData(tsn: Tsn): Uint8Array {
  return writeParameter(CAUSE_NO_USER_DATA, new ByteWriter(4).u32(tsn).finish());
}

/** §3.3.10.12: the application ends the association, and why. */
export function userAbort(reason: string): Uint8Array {
  return writeParameter(CAUSE_USER_ABORT, asciiBytes(reason));
}

/** §3.3.10.13 */
export function protocolViolation(what: string): Uint8Array {
  return writeParameter(CAUSE_PROTOCOL_VIOLATION, asciiBytes(what));
}

/** The codes of the causes in an ABORT or ERROR, as far as they can be read. */
export function causeCodes(body: Uint8Array): number[] {
  return (parseParameters(body) ?? []).map((cause) => cause.type);
}

function paddedCopy(raw: Uint8Array): Uint8Array {
  const copy = new Uint8Array((raw.length + 3) & ~3);
  copy.set(raw);
  return copy;
}

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0x7f);
}
