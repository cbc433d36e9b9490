import { CHANNEL_KINDS, CONTROL_KINDS, DATA_KINDS, RESET_KINDS } from "./sctp-kinds.mjs";
/** Every kind of input that is measured, by group. */
export const GROUPS = {
  "SCTP: DATA": DATA_KINDS,
  "SCTP: control": CONTROL_KINDS,
  "SCTP: stream reset": RESET_KINDS,
  "data channels": CHANNEL_KINDS,
};
