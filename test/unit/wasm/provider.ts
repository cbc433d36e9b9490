// AES-128-GCM records twice: by the kernels, and by node:crypto. One test body runs over both.
import "./relaxed.ts";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { Datapath } from "../../../src/wasm/datapath.ts";
import type { KernelBuild } from "../../../src/wasm/kernels.ts";

/** What a record layer needs, on plain arrays. `null` is a record that does not verify. */
export interface RecordProvider {
  readonly name: string;
  seal12(
    key: Uint8Array,
    salt: Uint8Array,
    type: number,
    epoch: number,
    sequence: number,
    text: Uint8Array,
  ): Uint8Array;
  open12(key: Uint8Array, salt: Uint8Array, record: Uint8Array): Uint8Array | null;
  seal13(key: Uint8Array, iv: Uint8Array, sequence: number, header: Uint8Array, inner: Uint8Array): Uint8Array;
  open13(
    key: Uint8Array,
    iv: Uint8Array,
    sequence: number,
    headerLength: number,
    record: Uint8Array,
  ): Uint8Array | null;
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): Uint8Array;
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null;
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

/** What the kernels must leave alone: the bytes around what they work on. */
const CANARY = 0xa5;
const MARGIN = 64;

export class KernelProvider implements RecordProvider {
  readonly name: string;
  readonly path: Datapath;

  constructor(build: KernelBuild) {
    this.name = `the ${build} kernels`;
    this.path = new Datapath({ build, keySlots: 4 });
  }

  seal12(
    key: Uint8Array,
    salt: Uint8Array,
    type: number,
    epoch: number,
    sequence: number,
    text: Uint8Array,
  ): Uint8Array {
    return this.#with(key, salt, concat(new Uint8Array(21), text, new Uint8Array(16)), (slot, at) =>
      this.path.seal12(slot, at, type, epoch, sequence, text.length),
    ) as Uint8Array;
  }

  open12(key: Uint8Array, salt: Uint8Array, record: Uint8Array): Uint8Array | null {
    const opened = this.#with(key, salt, record, (slot, at) => this.path.open12(slot, at, record.length), 21);
    return opened;
  }

  seal13(key: Uint8Array, iv: Uint8Array, sequence: number, header: Uint8Array, inner: Uint8Array): Uint8Array {
    return this.#with(key, iv, concat(header, inner, new Uint8Array(16)), (slot, at) =>
      this.path.seal13(slot, at, header.length, sequence, inner.length),
    ) as Uint8Array;
  }

  open13(
    key: Uint8Array,
    iv: Uint8Array,
    sequence: number,
    headerLength: number,
    record: Uint8Array,
  ): Uint8Array | null {
    const length = record.length - headerLength;
    return this.#with(
      key,
      iv,
      record,
      (slot, at) => this.path.open13(slot, at, headerLength, sequence, length),
      headerLength,
    );
  }

  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): Uint8Array {
    const { path } = this;
    const other = path.nextTx();
    path.memory.set(nonce, other);
    path.memory.set(aad, other + 16);
    return this.#with(key, nonce, concat(text, new Uint8Array(16)), (slot, at) =>
      path.sealRaw(slot, other, other + 16, aad.length, at, text.length),
    ) as Uint8Array;
  }

  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    const { path } = this;
    const other = path.nextTx();
    path.memory.set(nonce, other);
    path.memory.set(aad, other + 16);
    return this.#with(key, nonce, sealed, (slot, at) =>
      path.openRaw(slot, other, other + 16, aad.length, at, sealed.length - 16),
    );
  }

  /** Runs `work` over `bytes` between canaries, at every alignment in turn, and returns what it leaves from `skip` on. */
  #with(
    key: Uint8Array,
    iv: Uint8Array,
    bytes: Uint8Array,
    work: (slot: number, at: number) => number,
    skip = 0,
  ): Uint8Array | null {
    const { memory, rxOffset } = this.path;
    const slot = this.path.acquireKey(key, iv);
    const at = rxOffset + MARGIN + (bytes.length % 19);
    memory.fill(CANARY, at - MARGIN, at + bytes.length + MARGIN);
    memory.set(bytes, at);
    const length = work(slot, at);
    this.path.releaseKey(slot);
    for (let i = 1; i <= MARGIN; i++) {
      if (memory[at - i] !== CANARY) throw new Error(`byte ${-i} before the record was written`);
      if (memory[at + bytes.length + i - 1] !== CANARY) throw new Error(`byte ${i} behind the record was written`);
    }
    if (length < 0) {
      if (Buffer.compare(memory.subarray(at, at + bytes.length), bytes) !== 0)
        throw new Error("a refused record was changed");
      return null;
    }
    return memory.slice(at + skip, at + skip + length);
  }
}

export class NodeProvider implements RecordProvider {
  readonly name = "node:crypto";

  seal12(
    key: Uint8Array,
    salt: Uint8Array,
    type: number,
    epoch: number,
    sequence: number,
    text: Uint8Array,
  ): Uint8Array {
    const header = Buffer.alloc(13);
    header[0] = type;
    header.writeUInt16BE(0xfefd, 1);
    header.writeUInt16BE(epoch, 3);
    header.writeUIntBE(sequence, 5, 6);
    header.writeUInt16BE(text.length + 24, 11);
    const explicit = header.subarray(3, 11);
    return concat(header, explicit, this.seal(key, concat(salt, explicit), aad12(header, text.length), text));
  }

  open12(key: Uint8Array, salt: Uint8Array, record: Uint8Array): Uint8Array | null {
    if (record.length < 37) return null;
    const header = Buffer.from(record.subarray(0, 13));
    if (header.readUInt16BE(11) + 13 !== record.length) return null;
    const nonce = concat(salt, record.subarray(13, 21));
    return this.open(key, nonce, aad12(header, record.length - 37), record.subarray(21));
  }

  seal13(key: Uint8Array, iv: Uint8Array, sequence: number, header: Uint8Array, inner: Uint8Array): Uint8Array {
    return concat(header, this.seal(key, nonce13(iv, sequence), header, inner));
  }

  open13(
    key: Uint8Array,
    iv: Uint8Array,
    sequence: number,
    headerLength: number,
    record: Uint8Array,
  ): Uint8Array | null {
    if (record.length < headerLength + 16) return null;
    const header = record.subarray(0, headerLength);
    return this.open(key, nonce13(iv, sequence), header, record.subarray(headerLength));
  }

  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): Uint8Array {
    const cipher = createCipheriv("aes-128-gcm", key, nonce);
    cipher.setAAD(aad);
    return concat(cipher.update(text), cipher.final(), cipher.getAuthTag());
  }

  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    const decipher = createDecipheriv("aes-128-gcm", key, nonce, { authTagLength: 16 });
    decipher.setAAD(aad);
    decipher.setAuthTag(sealed.subarray(sealed.length - 16));
    try {
      return concat(decipher.update(sealed.subarray(0, -16)), decipher.final());
    } catch {
      return null;
    }
  }
}

/** RFC 5246 section 6.2.3.3. */
function aad12(header: Buffer, length: number): Uint8Array {
  const aad = concat(header.subarray(3, 11), header.subarray(0, 3), new Uint8Array(2));
  Buffer.from(aad.buffer).writeUInt16BE(length, 11);
  return aad;
}

/** RFC 8446 section 5.3. */
function nonce13(iv: Uint8Array, sequence: number): Uint8Array {
  const nonce = Buffer.from(iv);
  const padded = Buffer.alloc(12);
  padded.writeBigUInt64BE(BigInt(sequence), 4);
  return nonce.map((byte, index) => byte ^ (padded[index] as number));
}
