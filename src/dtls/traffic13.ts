import { ALERT_INTERNAL_ERROR } from "./alert.ts";
import { FIRST_APPLICATION_EPOCH } from "./epochs.ts";
import type { HandshakeMessage } from "./handshake.ts";
import { exportKeyingMaterial13, nextTrafficSecret } from "./keys13.ts";
import { type HandshakeHost, type HandshakeMachine, MALFORMED, type Outcome, UNEXPECTED } from "./machine.ts";
import { encodeKeyUpdate, KEY_UPDATE, NEW_SESSION_TICKET, parseKeyUpdate } from "./messages.ts";

/** A DTLS 1.3 connection after its handshake, the same for both roles: key updates, tickets, the exporter. */
export class Traffic13 implements HandshakeMachine {
  readonly #host: HandshakeHost;
  #ours: Uint8Array;
  #theirs: Uint8Array;
  #exporter: Uint8Array | undefined;
  #writeEpoch = FIRST_APPLICATION_EPOCH;
  #readEpoch = FIRST_APPLICATION_EPOCH;
  #updating = false;

  constructor(host: HandshakeHost, ours: Uint8Array, theirs: Uint8Array, exporter: Uint8Array) {
    this.#host = host;
    this.#ours = ours;
    this.#theirs = theirs;
    this.#exporter = exporter;
  }

  handle(message: HandshakeMessage): Outcome {
    if (message.epoch < FIRST_APPLICATION_EPOCH) return UNEXPECTED;
    // Tickets are for resumption, which we never do. They are acknowledged like every message.
    if (message.type === NEW_SESSION_TICKET) return undefined;
    if (message.type !== KEY_UPDATE) return UNEXPECTED;
    const requested = parseKeyUpdate(message.body);
    if (requested === undefined) return MALFORMED;
    // RFC 9147 §8: the peer changes over once it has our acknowledgement; its old key is kept for what is on its way.
    this.#theirs = replace(this.#theirs);
    if (!this.#host.installRead13(++this.#readEpoch, this.#theirs)) return ALERT_INTERNAL_ERROR;
    // RFC 8446 §4.6.3: "the receiver MUST send a KeyUpdate of its own with request_update set to update_not_requested".
    if (requested) this.updateKey(false);
    return undefined;
  }

  /** Replaces our key. Does nothing while an earlier change is not acknowledged. */
  updateKey(requestPeer: boolean): void {
    // RFC 9147 §8: "MUST NOT send records with the new keys or send a new KeyUpdate until the previous KeyUpdate has been
    // acknowledged".
    if (this.#updating) return;
    this.#updating = true;
    const update = this.#host.message(KEY_UPDATE, encodeKeyUpdate(requestPeer), this.#writeEpoch);
    this.#host.sendFlight([update], undefined, { acknowledged: () => this.#changeOver() });
  }

  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array {
    if (this.#exporter === undefined) throw new Error("no keying material is kept");
    return exportKeyingMaterial13(this.#exporter, label, length, context);
  }

  forgetExporter(): void {
    this.#exporter?.fill(0);
    this.#exporter = undefined;
  }

  wipe(): void {
    this.#ours.fill(0);
    this.#theirs.fill(0);
    this.#exporter?.fill(0);
  }

  #changeOver(): void {
    this.#ours = replace(this.#ours);
    // Without room for another key the old one serves on until its limit ends the connection; there is no further update.
    if (!this.#host.installWrite13(this.#writeEpoch + 1, this.#ours)) return;
    this.#writeEpoch++;
    this.#updating = false;
  }
}

function replace(secret: Uint8Array): Uint8Array {
  const next = nextTrafficSecret(secret);
  secret.fill(0);
  return next;
}
