import { CHANNEL_KINDS, CONTROL_KINDS, DATA_KINDS, RESET_KINDS } from "./sctp-kinds.mjs";
import { HANDSHAKE_KINDS, OFFER_KINDS, RECORD_KINDS, STUN_KINDS } from "./path-kinds.mjs";

/** Every kind of input that is measured, by group. */
export const GROUPS = {
  STUN: STUN_KINDS,
  "DTLS: records": RECORD_KINDS,
  "DTLS: handshake": HANDSHAKE_KINDS,
  "signalling: offers": OFFER_KINDS,
  "SCTP: DATA": DATA_KINDS,
  "SCTP: control": CONTROL_KINDS,
  "SCTP: stream reset": RESET_KINDS,
  "data channels": CHANNEL_KINDS,
};
