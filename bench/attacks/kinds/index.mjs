/**
 * All attacks. Each says in which group it runs (those of a group share a server, and so its mode), and prepares what it sends:
 * `prepare({ url, to, rate })` resolves with `{ run() }`, which attacks at the pace of `rate` until that is over; and where newcomers have
 * to come to the attacker, `newcomerUrl`.
 */
import { dtlsAttacks } from "./dtls.mjs";
import { iceAttacks } from "./ice.mjs";
import { relayAttacks } from "./relay.mjs";
import { sctpAttacks } from "./sctp.mjs";
import { signallingAttacks } from "./signalling.mjs";

/** Modes of the server, see `server.mjs`; in this order. */
export const GROUPS = {
  authenticated: { mode: "echo", title: "one hostile authenticated client" },
  "create-channel": { mode: "create-channel", title: "the same, with an application that opens channels" },
  iterate: { mode: "iterate", title: "the same, with an application that reads one message after the other" },
  address: { mode: "echo", title: "one hostile address" },
};

export const ATTACKS = [...sctpAttacks, ...dtlsAttacks, ...iceAttacks, ...relayAttacks, ...signallingAttacks];

export function findAttack(name) {
  return ATTACKS.find((attack) => attack.name === name);
}
