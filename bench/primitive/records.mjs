// One DTLS 1.2 record (AES-128-GCM, RFC 5288) sealed or opened at its place in a buffer, by each implementation. All do the
// same work: write or read the 13-byte header, form nonce and additional data, and leave record or plaintext in the buffer.
import { createCipheriv, createDecipheriv } from "node:crypto";
import { gcm } from "@noble/ciphers/aes.js";
import { Datapath } from "../../build/wasm/datapath.js";

const HEADER = 13;
const OVERHEAD = 37;

export const key = Uint8Array.from({ length: 16 }, (_, i) => 3 * i + 1);
const salt = Uint8Array.of(1, 2, 3, 4);

/** @returns {{ seal(length: number): void, open(record: Uint8Array): void, sealed(length: number): Uint8Array }} */
export function kernels(build) {
  const path = new Datapath({ build, keySlots: 2 });
  const slot = path.acquireKey(key, salt);
  const { rxOffset, memory } = path;
  let sequence = 0;
  return {
    seal(length) {
      path.seal12(slot, path.nextTx(), 23, 1, sequence++, length);
    },
    open(record) {
      memory.set(record, rxOffset);
      if (path.open12(slot, rxOffset, record.length) < 0) throw new Error("the record does not open");
    },
    sealed(length) {
      const record = path.nextTx();
      return memory.slice(record, record + path.seal12(slot, record, 23, 1, sequence++, length));
    },
  };
}

/** What the two others share: buffers made once, filled for each record. */
class Buffers {
  record = new Uint8Array(2432);
  nonce = new Uint8Array(12);
  aad = new Uint8Array(13);
  #view = new DataView(this.record.buffer);
  #sequence = 0;

  constructor() {
    this.nonce.set(salt);
  }

  writeHeader(length) {
    const view = this.#view;
    view.setUint8(0, 23);
    view.setUint16(1, 0xfefd);
    view.setUint16(3, 1);
    view.setUint16(5, 0);
    view.setUint32(7, this.#sequence++);
    view.setUint16(11, length + 24);
    this.record.copyWithin(HEADER, 3, 11);
  }

  /** Nonce and additional data from the header in the buffer. */
  readHeader(length) {
    const { record, nonce, aad } = this;
    for (let i = 0; i < 8; i++) {
      nonce[4 + i] = record[HEADER + i];
      aad[i] = record[3 + i];
    }
    aad[8] = record[0];
    aad[9] = record[1];
    aad[10] = record[2];
    aad[11] = length >> 8;
    aad[12] = length & 0xff;
  }
}

export function nodeCrypto() {
  const buffers = new Buffers();
  const { record, nonce, aad } = buffers;
  const options = { authTagLength: 16 };
  function seal(length) {
    buffers.writeHeader(length);
    buffers.readHeader(length);
    const cipher = createCipheriv("aes-128-gcm", key, nonce, options);
    cipher.setAAD(aad);
    record.set(cipher.update(record.subarray(21, 21 + length)), 21);
    cipher.final();
    record.set(cipher.getAuthTag(), 21 + length);
  }
  return {
    seal,
    open(sealed) {
      record.set(sealed);
      const length = sealed.length - OVERHEAD;
      buffers.readHeader(length);
      const decipher = createDecipheriv("aes-128-gcm", key, nonce, options);
      decipher.setAAD(aad);
      decipher.setAuthTag(record.subarray(21 + length, OVERHEAD + length));
      record.set(decipher.update(record.subarray(21, 21 + length)), 21);
      decipher.final();
    },
    sealed(length) {
      seal(length);
      return record.slice(0, length + OVERHEAD);
    },
  };
}

export function noble() {
  const buffers = new Buffers();
  const { record, nonce, aad } = buffers;
  function seal(length) {
    buffers.writeHeader(length);
    buffers.readHeader(length);
    record.set(gcm(key, nonce, aad).encrypt(record.subarray(21, 21 + length)), 21);
  }
  return {
    seal,
    open(sealed) {
      record.set(sealed);
      buffers.readHeader(sealed.length - OVERHEAD);
      record.set(gcm(key, nonce, aad).decrypt(record.subarray(21, sealed.length)), 21);
    },
    sealed(length) {
      seal(length);
      return record.slice(0, length + OVERHEAD);
    },
  };
}
