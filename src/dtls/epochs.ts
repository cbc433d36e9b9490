import type { Datapath } from "../wasm/datapath.ts";
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
}

/** The peer's side of one protected epoch. */
export interface ReadEpoch {
  readonly epoch: number;
  readonly protection: Protection;
  readonly keySlot: number;
  readonly replay: ReplayWindow;
  /** Records that failed to open. */
  forgeries: number;
}

const NO_KEY = -1;

/** The epochs in use on both sides, with their keys in slots of the datapath. */
export class Epochs {
  readonly #datapath: Datapath;
  readonly #write: WriteEpoch[] = [{ epoch: 0, protection: "none", keySlot: NO_KEY, sequence: 0 }];
  readonly #read: ReadEpoch[] = [];
  #current: WriteEpoch = this.#write[0];

  constructor(datapath: Datapath) {
    this.#datapath = datapath;
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
    const found = this.#write.find((candidate) => candidate.epoch === epoch);
    if (found === undefined) throw new Error(`no keys for epoch ${epoch}`); // our own bug
    return found;
  }

  /** The newest epoch of the peer with these bits of its number. */
  findRead(protection: Protection, bits: number, mask: number): ReadEpoch | undefined {
    for (let i = this.#read.length - 1; i >= 0; i--) {
      if ((this.#read[i].epoch & mask) === bits && this.#read[i].protection === protection) return this.#read[i];
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
    this.#release(this.#write, epoch);
  }

  /** Wipes the peer's key of an epoch, if it is there. */
  releaseRead(epoch: number): void {
    this.#release(this.#read, epoch);
  }

  /** Wipes all keys. */
  close(): void {
    for (const { keySlot } of [...this.#write, ...this.#read]) {
      if (keySlot !== NO_KEY) this.#datapath.releaseKey(keySlot);
    }
    this.#write.length = 0;
    this.#read.length = 0;
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
    this.#write.push({ epoch, protection, keySlot, sequence: 0 });
    return true;
  }

  #addRead(epoch: number, protection: Protection, keySlot: number): boolean {
    if (keySlot < 0) return false;
    this.#read.push({ epoch, protection, keySlot, replay: new ReplayWindow(), forgeries: 0 });
    return true;
  }

  #release(epochs: { readonly epoch: number; readonly keySlot: number }[], epoch: number): void {
    const index = epochs.findIndex((candidate) => candidate.epoch === epoch);
    if (index < 0 || epochs[index].keySlot === NO_KEY) return;
    this.#datapath.releaseKey(epochs[index].keySlot);
    epochs.splice(index, 1);
  }
}
