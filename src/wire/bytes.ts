/**
 * Reading and writing of network byte order (big-endian) fields.
 *
 * A `ByteReader` never throws on short input: the first read past the end sets `failed`, and that and every later read
 * returns 0 or an empty view. A parser reads all fields, then asks `failed` once.
 */
const EMPTY = new Uint8Array(0);

export class ByteReader {
  readonly bytes: Uint8Array;
  offset: number;
  readonly end: number;
  failed = false;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  get remaining(): number {
    return this.failed ? 0 : this.end - this.offset;
  }

  u8(): number {
    return this.#take(1) ? this.bytes[this.offset - 1] : 0;
  }

  u16(): number {
    if (!this.#take(2)) return 0;
    const at = this.offset - 2;
    return (this.bytes[at] << 8) | this.bytes[at + 1];
  }

  u24(): number {
    const high = this.u8();
    return (high << 16) | this.u16();
  }

  u32(): number {
    const high = this.u16();
    return high * 0x10000 + this.u16();
  }

  /** 48 bits, as in DTLS record sequence numbers: always a safe integer. */
  u48(): number {
    const high = this.u16();
    return high * 0x1_0000_0000 + this.u32();
  }

  /** A view (not a copy) of the next `length` bytes. */
  take(length: number): Uint8Array {
    return this.#take(length) ? this.bytes.subarray(this.offset - length, this.offset) : EMPTY;
  }

  /** A view of a vector with a 1-, 2- or 3-byte length in front (RFC 8446 §3.4). */
  vector(lengthBytes: 1 | 2 | 3): Uint8Array {
    return this.take(lengthBytes === 1 ? this.u8() : lengthBytes === 2 ? this.u16() : this.u24());
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** True when everything was read and nothing was missing. */
  get finished(): boolean {
    return !this.failed && this.offset === this.end;
  }

  #take(length: number): boolean {
    if (this.failed || length > this.end - this.offset) {
      this.failed = true;
      return false;
    }
    this.offset += length;
    return true;
  }
}

/** More room than this is not kept behind what was written. */
const MAX_UNUSED_BYTES = 64;

/** A growing big-endian writer. `finish()` returns exactly what was written. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    // Reserve first: growing replaces the array.
    const at = this.#reserve(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#reserve(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
    return this;
  }

  u24(value: number): this {
    return this.u8(value >>> 16).u16(value & 0xffff);
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value & 0xffff);
  }

  u48(value: number): this {
    return this.u16(Math.floor(value / 0x1_0000_0000)).u32(value % 0x1_0000_0000);
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** Writes what `body` writes, with its length in 1, 2 or 3 bytes in front (RFC 8446 §3.4). */
  vector(lengthBytes: 1 | 2 | 3, body: (writer: this) => void): this {
    const lengthAt = this.#reserve(lengthBytes);
    body(this);
    const length = this.#length - lengthAt - lengthBytes;
    for (let i = 0; i < lengthBytes; i++) {
      this.#bytes[lengthAt + i] = length >>> (8 * (lengthBytes - 1 - i));
    }
    return this;
  }

  finish(): Uint8Array {
    const isTight = this.#bytes.length - this.#length <= MAX_UNUSED_BYTES;
    return isTight ? this.#bytes.subarray(0, this.#length) : this.#bytes.slice(0, this.#length);
  }

  #reserve(length: number): number {
    const at = this.#length;
    if (at + length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, at + length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#length = at + length;
    return at;
  }
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function toHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return hex;
}

export function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >>> 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** The bytes that a text in base64 stands for; `undefined` where it is none. */
export function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
