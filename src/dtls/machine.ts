import type { AlertDescription } from "./alert.ts";
import type { FlightItem } from "./flight.ts";
import type { HandshakeMessage } from "./reassembly.ts";
import type { KeyLogLabel } from "./keylog.ts";
import type { TrafficKey } from "./keys12.ts";
import type { HelloVerify } from "./retry-cookie.ts";

/** Versions of the protocol, as options and statistics name them. */
export type DtlsVersion = "1.2" | "1.3";

/**
 * What a state machine makes of a message: `undefined` where it went on; an alert, with which the handshake ends; or one of
 * two reasons that stand for an alert or a drop.
 */
export type Outcome = AlertDescription | typeof MALFORMED | typeof UNEXPECTED | undefined;
/** Cannot be parsed: decode_error (RFC 8446 §6.2). */
export const MALFORMED = "malformed";
/** Not in the epoch it belongs in: dropped where anybody could have sent it (epoch 0), unexpected_message otherwise. */
export const UNEXPECTED = "unexpected";

/** One role in one version: takes the peer's messages in sequence and says what to send. */
export interface HandshakeMachine {
  /** Sends the first flight, where this side speaks first. */
  start?(): void;
  handle(message: HandshakeMessage): Outcome;
  /** Replaces our key for application data (DTLS 1.3). */
  updateKey?(requestPeer: boolean): void;
  /** After the handshake, RFC 5705. */
  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array;
  /** Wipes what only the exporter needs. Nothing else is lost. */
  forgetExporter?(): void;
  /** Overwrites the secrets it holds. */
  wipe(): void;
}

/** How a flight is to be treated. */
export interface FlightPlan {
  /** No timer repeats it: the peer asks for it again if need be. */
  readonly onDemand?: boolean;
  /** Called once all of it is acknowledged (DTLS 1.3). */
  readonly acknowledged?: () => void;
}

/** What the connection does for its state machine. */
export interface HandshakeHost {
  readonly settings: HandshakeSettings;
  /** What `stats` shows; filled in by the machine as it learns it. */
  readonly facts: HandshakeFacts;
  /** The time of the call that is under way, ms. */
  readonly now: number;
  /** Gives our next message its number. */
  message(type: number, body: Uint8Array, epoch?: number): HandshakeMessage;
  /** Sends a flight in answer to `answered`. */
  sendFlight(items: readonly FlightItem[], answered: HandshakeMessage | undefined, plan?: FlightPlan): void;
  /** Makes epoch 1 of DTLS 1.2 usable in both directions. False where there is no room for more keys. */
  installKeys12(write: TrafficKey, read: TrafficKey): boolean;
  /** Our key of an epoch of DTLS 1.3, used from now on. False where there is no room for more keys. */
  installWrite13(epoch: number, trafficSecret: Uint8Array): boolean;
  /** The peer's key of an epoch of DTLS 1.3. False where there is no room for more keys. */
  installRead13(epoch: number, trafficSecret: Uint8Array): boolean;
  /** Our last flight of DTLS 1.3 was acknowledged: the keys of the handshake are not needed any more. */
  releaseHandshakeKeys(): void;
  /** Data may be sent from now on, though the peer is not verified yet (DTLS 1.3 server). */
  writable(): void;
  /** The peer is authenticated and its Finished verified. `keepFlight`: our last flight may be needed again. */
  complete(keepFlight: boolean): void;
  /** Another machine carries on with the peer's next message. */
  become(machine: HandshakeMachine): void;
  /** Writes a line of the key log, where one is wanted. */
  logSecret(label: KeyLogLabel, clientRandom: Uint8Array, secret: Uint8Array): void;
}

export interface HandshakeSettings {
  readonly certificate: { readonly der: Uint8Array; sign(data: Uint8Array): Uint8Array };
  readonly verifyPeerCertificate: (der: Uint8Array) => boolean;
  readonly requireClientCertificate: boolean;
  readonly helloVerify: HelloVerify | undefined;
  readonly random: (length: number) => Uint8Array;
  readonly versions: readonly DtlsVersion[];
  /** Groups for DTLS 1.3 by their IANA numbers, the preferred first. */
  readonly groups: readonly number[];
}

export interface HandshakeFacts {
  version: DtlsVersion | undefined;
  /** The number of the cipher suite (IANA). */
  cipherSuite: number | undefined;
  /** The number of the key exchange's group (IANA). */
  group: number | undefined;
  /** DER of the peer's certificate. */
  peerCertificate: Uint8Array | undefined;
}
