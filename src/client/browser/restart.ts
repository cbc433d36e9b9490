import { isFinal } from "../redial.ts";

/** For one request: on a network that has just gone it would hang for much longer. */
const ATTEMPT_MS = 2_000;
/** Between a failed attempt and the next one: the network may not be there yet. */
const PAUSE_MS = 250;
/** By then the server has forgotten the connection. */
const MAX_ATTEMPTS = 40;

/**
 * ICE begins anew over whatever networks there are now (RFC 8445 §9), and the connection is kept.
 *
 * @param restart one attempt
 * @param stop aborts when the connection has ended
 * @param refused called when the server has no such connection any more
 * @returns what makes it happen; while it is happening, it begins anew
 */
export function restarter(
  restart: (signal: AbortSignal) => Promise<void>,
  stop: AbortSignal,
  refused: () => void,
): () => Promise<void> {
  let attempt: AbortController | undefined;
  let isWanted = false;
  stop.addEventListener("abort", () => attempt?.abort());
  return async () => {
    isWanted = true;
    if (attempt) {
      attempt.abort();
      return;
    }
    for (let attempts = 0; isWanted && attempts < MAX_ATTEMPTS && !stop.aborted; attempts++) {
      isWanted = false;
      const present = new AbortController();
      attempt = present;
      const timer = setTimeout(() => present.abort(), ATTEMPT_MS);
      try {
        await restart(present.signal);
      } catch (error) {
        if (isFinal(error)) refused();
        isWanted = true;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
      clearTimeout(timer);
    }
    attempt = undefined;
  };
}
