import type { AlertDescription } from "./alert.ts";
import type { FlightItem } from "./flight.ts";
import type { HandshakeMessage } from "./handshake.ts";
import type { TrafficKey } from "./keys12.ts";

/**
 * What a state machine makes of a message: `undefined` where it went on, an alert where the handshake has failed, or one
 * of the two ways to leave a message alone.
 */
export type Outcome = AlertDescription | typeof MALFORMED | typeof UNEXPECTED | undefined;
/** Cannot be parsed. Dropped if anybody could have sent it (epoch 0), a decode_error otherwise. */
export const MALFORMED = "malformed";
/** Not what comes next, or not in the epoch it belongs in. Dropped if anybody could have sent it. */
export const UNEXPECTED = "unexpected";

/** One role in one version: takes the peer's messages in sequence and says what to send. */
export interface HandshakeMachine {
  /** Sends the first flight, where this side speaks first. */
  start?(): void;
  handle(message: HandshakeMessage): Outcome;
  /** After the handshake, RFC 5705. */
  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array;
  /** Overwrites the secrets it holds. */
  wipe(): void;
}

/** What the connection does for its state machine. */
export interface HandshakeHost {
  readonly settings: HandshakeSettings;
  /** What `stats` shows; filled in by the machine as it learns it. */
  readonly facts: HandshakeFacts;
  /** Gives our next message its number. */
  message(type: number, body: Uint8Array, epoch?: number): HandshakeMessage;
  /** Sends a flight in answer to `answered`. `last`: the peer has no more to say, so no timer repeats it. */
  sendFlight(items: readonly FlightItem[], answered: HandshakeMessage | undefined, last?: boolean): void;
  /** Makes epoch 1 usable in both directions. False where there is no room for more keys. */
  installKeys12(write: TrafficKey, read: TrafficKey): boolean;
  /** The peer is authenticated and its Finished verified. */
  complete(): void;
  /** Another machine carries on with the peer's next message. */
  become(machine: HandshakeMachine): void;
  /** Writes a line of the key log, where one is wanted. */
  logSecret(label: "CLIENT_RANDOM", clientRandom: Uint8Array, secret: Uint8Array): void;
}

export interface HandshakeSettings {
  readonly certificate: { readonly der: Uint8Array; sign(data: Uint8Array): Uint8Array };
  readonly verifyPeerCertificate: (der: Uint8Array) => boolean;
  readonly requireClientCertificate: boolean;
  readonly helloVerify: { readonly secret: Uint8Array; readonly peer: Uint8Array } | undefined;
  readonly random: (length: number) => Uint8Array;
}

export interface HandshakeFacts {
  version: "1.2" | undefined;
  /** The number of the cipher suite (IANA). */
  cipherSuite: number | undefined;
  /** The number of the key exchange's group (IANA). */
  group: number | undefined;
  /** DER of the peer's certificate. */
  peerCertificate: Uint8Array | undefined;
}
