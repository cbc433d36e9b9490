import { isFinal } from "../redial.ts";

/**
 * For each of the first two requests, the next two have twice as long, and so on up to the most. They go out by HTTP connections from
 * before, and hang where the address of those is gone with the network (Firefox, measured: one or two of them).
 */
const FIRST_ATTEMPTS_MS = 400;
const ATTEMPT_MS = 2_000;
/**
 * From one of the first four attempts to the next, at the least: the network may not be there yet. Each four later it is twice as long,
 * so that the pages of a server that has ended ask it 16 times in 15 s and not 60 times.
 */
const PAUSE_MS = 250;
/** Half a minute. By then the server has forgotten the connection. */
const MAX_ATTEMPTS = 20;

/**
 * ICE begins anew over whatever networks there are now (RFC 8445 §9), and the connection is kept.
 *
 * @param restart one attempt
 * @param stop aborts when the connection has ended
 * @param refused called when the server has no such connection any more
 * @returns what makes it happen. While it is happening, only news of the network makes it begin anew
 */
export function restarter(
  restart: (signal: AbortSignal) => Promise<void>,
  stop: AbortSignal,
  refused: () => void,
): (news?: unknown) => Promise<void> {
  let attempt: AbortController | undefined;
  let isWanted = false;
  stop.addEventListener("abort", () => attempt?.abort());
  return async (news) => {
    if (attempt && !news) return;
    isWanted = true;
    if (attempt) {
      attempt.abort();
      return;
    }
    for (let attempts = 0; isWanted && attempts < MAX_ATTEMPTS && !stop.aborted; attempts++) {
      isWanted = false;
      const present = new AbortController();
      attempt = present;
      const timer = setTimeout(() => present.abort(), Math.min(ATTEMPT_MS, FIRST_ATTEMPTS_MS * 2 ** (attempts >> 1)));
      const paused = new Promise((resolve) => setTimeout(resolve, PAUSE_MS * 2 ** (attempts >> 2)));
      try {
        await restart(present.signal);
      } catch (error) {
        if (isFinal(error)) refused();
        isWanted = true;
        await paused;
      }
      clearTimeout(timer);
    }
    attempt = undefined;
  };
}
