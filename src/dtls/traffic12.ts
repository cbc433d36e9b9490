import type { HandshakeMachine, Outcome } from "./machine.ts";
import { UNEXPECTED } from "./machine.ts";
import { exportKeyingMaterial12 } from "./keys12.ts";

const MASTER_SECRET_BYTES = 48;
const RANDOM_BYTES = 32;

/** A DTLS 1.2 connection after its handshake, the same for both roles: nothing follows, and only the exporter is left. */
export class Traffic12 implements HandshakeMachine {
  /** Master secret, client's random, server's random; in one, since each array costs more than its content. */
  #secrets: Uint8Array | undefined;

  /** @param masterSecret copied and wiped */
  constructor(masterSecret: Uint8Array, clientRandom: Uint8Array, serverRandom: Uint8Array) {
    this.#secrets = new Uint8Array(MASTER_SECRET_BYTES + 2 * RANDOM_BYTES);
    this.#secrets.set(masterSecret);
    this.#secrets.set(clientRandom, MASTER_SECRET_BYTES);
    this.#secrets.set(serverRandom, MASTER_SECRET_BYTES + RANDOM_BYTES);
    masterSecret.fill(0);
  }

  handle(): Outcome {
    return UNEXPECTED;
  }

  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array {
    if (this.#secrets === undefined) throw new Error("no keying material is kept");
    const clientRandomAt = MASTER_SECRET_BYTES;
    const serverRandomAt = MASTER_SECRET_BYTES + RANDOM_BYTES;
    return exportKeyingMaterial12(
      this.#secrets.subarray(0, clientRandomAt),
      this.#secrets.subarray(clientRandomAt, serverRandomAt),
      this.#secrets.subarray(serverRandomAt),
      label,
      length,
      context,
    );
  }

  forgetExporter(): void {
    this.wipe();
    this.#secrets = undefined;
  }

  wipe(): void {
    this.#secrets?.fill(0);
  }
}
