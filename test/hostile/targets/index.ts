import { dcepTarget } from "./dcep.ts";
import { dtlsTarget } from "./dtls.ts";
import { answerTarget, offerTarget } from "./sdp.ts";
import { sctpTarget } from "./sctp.ts";
import { sessionTarget } from "./session.ts";
import { stunTarget } from "./stun.ts";
import type { CoverageTarget } from "./target.ts";

export type { CoverageTarget } from "./target.ts";

/** Each entry point by its name. Made when it is asked for, as some take a moment. */
export const TARGETS: Readonly<Record<string, () => CoverageTarget>> = {
  stun: stunTarget,
  "dtls-server": () => dtlsTarget("server"),
  "dtls-client": () => dtlsTarget("client"),
  sctp: sctpTarget,
  dcep: dcepTarget,
  offer: offerTarget,
  answer: answerTarget,
  session: sessionTarget,
};
