import { WorkBudget, type WorkRate } from "../wire/work-budget.ts";
import { ALERT_ILLEGAL_PARAMETER, ALERT_INTERNAL_ERROR, ALERT_UNEXPECTED_MESSAGE } from "./alert.ts";
import { FIRST_APPLICATION_EPOCH } from "./epochs.ts";
import type { HandshakeMessage } from "./reassembly.ts";
import { exportKeyingMaterial13, nextTrafficSecret } from "./keys13.ts";
import { type HandshakeHost, type HandshakeMachine, MALFORMED, type Outcome, UNEXPECTED } from "./machine.ts";
import { encodeKeyUpdate, KEY_UPDATE, NEW_SESSION_TICKET, parseKeyUpdate } from "./messages.ts";

/**
 * KeyUpdates of the peer: each costs as much as ten messages, though it has 13 bytes. AES-128-GCM wants one every 2^24 records (RFC 9147
 * §4.5.3), which are minutes at any rate that UDP can carry. BoringSSL and Go also end a connection with unexpected_message over too many.
 */
const KEY_UPDATE_RATE: WorkRate = { burstUnits: 16, unitsPerSecond: 1 / 10 };

/** Secrets of both sides; they belong to {@link Traffic13} from then on, which wipes them. */
export interface TrafficState {
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
  readonly exporter: Uint8Array;
  /** The peer is a server, which may send tickets. */
  readonly takesTickets: boolean;
}

/** A DTLS 1.3 connection after its handshake, the same for both roles: key updates, tickets, the exporter. */
export class Traffic13 implements HandshakeMachine {
  readonly #host: HandshakeHost;
  #ours: Uint8Array;
  #theirs: Uint8Array;
  #exporter: Uint8Array | undefined;
  #writeEpoch = FIRST_APPLICATION_EPOCH;
  #readEpoch = FIRST_APPLICATION_EPOCH;
  /** A KeyUpdate of ours is not acknowledged yet. */
  #updating = false;
  /** The peer has asked for one meanwhile; however often, one answers it. */
  #isOwed = false;
  readonly #takesTickets: boolean;
  /** For the peer's KeyUpdates, from the first one on. */
  #budget: WorkBudget | undefined;

  constructor(host: HandshakeHost, { ours, theirs, exporter, takesTickets }: TrafficState) {
    this.#host = host;
    this.#ours = ours;
    this.#theirs = theirs;
    this.#exporter = exporter;
    this.#takesTickets = takesTickets;
  }

  handle(message: HandshakeMessage): Outcome {
    if (message.epoch < FIRST_APPLICATION_EPOCH) return UNEXPECTED;
    // Tickets are for resumption, which we never do. They are acknowledged like every message.
    if (message.type === NEW_SESSION_TICKET && this.#takesTickets) return undefined;
    // RFC 9147 §8: the sender "MUST NOT send … a new KeyUpdate until the previous KeyUpdate has been acknowledged", and then it
    // sends in the next epoch: so there is one in each.
    if (message.type !== KEY_UPDATE || message.epoch !== this.#readEpoch) return UNEXPECTED;
    this.#budget ??= new WorkBudget(KEY_UPDATE_RATE);
    if (!this.#budget.spend(this.#host.now, 1)) return ALERT_UNEXPECTED_MESSAGE;
    const requested = parseKeyUpdate(message.body);
    // RFC 8446 §4.6.3: "any other value … illegal_parameter".
    if (requested === undefined) return message.body.length === 1 ? ALERT_ILLEGAL_PARAMETER : MALFORMED;
    // RFC 9147 §8: the peer changes over once it has our acknowledgement; its old key is kept for what is on its way.
    this.#theirs = replace(this.#theirs);
    if (!this.#host.installRead13(++this.#readEpoch, this.#theirs)) return ALERT_INTERNAL_ERROR;
    // RFC 8446 §4.6.3: "the receiver MUST send a KeyUpdate of its own with request_update set to update_not_requested".
    if (requested && this.#updating) this.#isOwed = true;
    else if (requested) this.updateKey(false);
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
    if (!this.#isOwed) return;
    this.#isOwed = false;
    this.updateKey(false);
  }
}

function replace(secret: Uint8Array): Uint8Array {
  const next = nextTrafficSecret(secret);
  secret.fill(0);
  return next;
}
