import type { Datapath } from "../wasm/datapath.ts";
import type { Prefetchable } from "../wire/prefetch.ts";
import type { TrafficKey } from "./keys12.ts";
import { trafficKeys } from "./keys13.ts";
import { ReplayWindow } from "./replay.ts";

/** RFC 9147 §6.1: the epochs of DTLS 1.3; each KeyUpdate adds one to the last. */
export const HANDSHAKE_EPOCH = 2;
export const FIRST_APPLICATION_EPOCH = 3;

/** How an epoch protects its records. */
export type Protection = "none" | "1.2" | "1.3";

/** Our side of one epoch. */
export interface WriteEpoch {
  readonly epoch: number;
  readonly protection: Protection;
  readonly keySlot: number;
  /** Number of the next record. */
  sequence: number;
  /** The epoch installed before it. */
  older: WriteEpoch | undefined;
}

/** The peer's side of one protected epoch, and which of its records were taken: one object, as every record needs both. */
export class ReadEpoch extends ReplayWindow {
  readonly epoch: number;
  readonly protection: Protection;
  readonly keySlot: number;
  /** Records that failed to open. */
  forgeries = 0;
  /** The epoch installed before it. */
  older: ReadEpoch | undefined;

  constructor(epoch: number, protection: Protection, keySlot: number, older: ReadEpoch | undefined) {
    super();
    this.epoch = epoch;
    this.protection = protection;
    this.keySlot = keySlot;
    this.older = older;
  }
}

interface Chained<Side> {
  readonly epoch: number;
  readonly keySlot: number;
  older: Side | undefined;
}

const NO_KEY = -1;

/** The epochs in use on both sides, with their keys in slots of the datapath. */
export class Epochs implements Prefetchable {
  readonly #datapath: Datapath;
  /** The newest first, chained: two of a kind are the rule, four the most. */
  #write: WriteEpoch | undefined;
  #read: ReadEpoch | undefined;
  #current: WriteEpoch = { epoch: 0, protection: "none", keySlot: NO_KEY, sequence: 0, older: undefined };

  constructor(datapath: Datapath) {
    this.#datapath = datapath;
    this.#write = this.#current;
  }

  /** See `Prefetchable`. */
  prefetch(): number {
    return this.#current.keySlot + (this.#read === undefined ? 0 : this.#read.keySlot);
  }

  /** The epoch of what we send now, except for flights, whose messages know theirs. */
  get current(): WriteEpoch {
    return this.#current;
  }

  /** Sends in this epoch from now on. */
  use(epoch: number): void {
    this.#current = this.write(epoch);
  }

  write(epoch: number): WriteEpoch {
    for (let write = this.#write; write !== undefined; write = write.older) if (write.epoch === epoch) return write;
    throw new Error(`no keys for epoch ${epoch}`); // our own bug
  }

  /** The newest epoch of the peer with these bits of its number. */
  findRead(protection: Protection, bits: number, mask: number): ReadEpoch | undefined {
    for (let read = this.#read; read !== undefined; read = read.older) {
      if ((read.epoch & mask) === bits && read.protection === protection) return read;
    }
    return undefined;
  }

  /** Installs both keys of the one protected epoch of DTLS 1.2. False where the datapath has no free key slot. */
  install12(write: TrafficKey, read: TrafficKey): boolean {
    return (
      this.#addWrite(1, "1.2", this.#datapath.acquireKey(write.key, write.salt)) &&
      this.#addRead(1, "1.2", this.#datapath.acquireKey(read.key, read.salt))
    );
  }

  /** Installs our key of an epoch of DTLS 1.3 and uses it. False where the datapath has no free key slot. */
  installWrite13(epoch: number, trafficSecret: Uint8Array): boolean {
    if (!this.#addWrite(epoch, "1.3", this.#acquire13(trafficSecret))) return false;
    this.use(epoch);
    return true;
  }

  /** Installs the peer's key of an epoch of DTLS 1.3. False where the datapath has no free key slot. */
  installRead13(epoch: number, trafficSecret: Uint8Array): boolean {
    return this.#addRead(epoch, "1.3", this.#acquire13(trafficSecret));
  }

  /** Wipes our key of an epoch, if it is there. */
  releaseWrite(epoch: number): void {
    this.#write = this.#release(this.#write, epoch);
  }

  /** Wipes the peer's key of an epoch, if it is there. */
  releaseRead(epoch: number): void {
    this.#read = this.#release(this.#read, epoch);
  }

  /** Wipes all keys. */
  close(): void {
    while (this.#write !== undefined) this.#write = this.#release(this.#write, this.#write.epoch);
    while (this.#read !== undefined) this.#read = this.#release(this.#read, this.#read.epoch);
  }

  #acquire13(trafficSecret: Uint8Array): number {
    const { key, iv, numberKey } = trafficKeys(trafficSecret);
    const slot = this.#datapath.acquireKey(key, iv);
    if (slot >= 0) this.#datapath.setRecordNumberKey(slot, numberKey);
    for (const secret of [key, iv, numberKey]) secret.fill(0);
    return slot;
  }

  #addWrite(epoch: number, protection: Protection, keySlot: number): boolean {
    if (keySlot < 0) return false;
    this.#write = { epoch, protection, keySlot, sequence: 0, older: this.#write };
    return true;
  }

  #addRead(epoch: number, protection: Protection, keySlot: number): boolean {
    if (keySlot < 0) return false;
    this.#read = new ReadEpoch(epoch, protection, keySlot, this.#read);
    return true;
  }

  /** The chain without the epoch, whose key is wiped. */
  #release<Side extends Chained<Side>>(newest: Side | undefined, epoch: number): Side | undefined {
    if (newest === undefined) return undefined;
    if (newest.epoch !== epoch) {
      newest.older = this.#release(newest.older, epoch);
      return newest;
    }
    if (newest.keySlot !== NO_KEY) this.#datapath.releaseKey(newest.keySlot);
    return newest.older;
  }
}
