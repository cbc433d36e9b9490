import type { ConnectError } from "../errors.ts";
import type { Reconnecting, ReconnectOptions } from "./options.ts";

/**
 * Dials again, after delays that double, until it works. Both clients do it so; the page's has to be small.
 *
 * @param stop aborts when nobody wants the connection any more
 * @returns whether it worked
 */
export async function redial(
  options: boolean | ReconnectOptions | undefined,
  stop: AbortSignal,
  announce: (next: Reconnecting) => unknown,
  dial: () => Promise<void>,
): Promise<boolean> {
  const { minDelayMs = 500, maxDelayMs = 15_000, maxAttempts } = options as ReconnectOptions; // Of `true` there is nothing to take.
  for (let attempt = 1; !(attempt > maxAttempts!); attempt++) {
    // Half of it at random, so that the clients of a restarted server do not come back all at once.
    const full = Math.min(maxDelayMs, minDelayMs * 2 ** (attempt - 1));
    const delayMs = full * (1 - crypto.getRandomValues(new Uint8Array(1))[0] / 512);
    // Begun before it is announced: the listener may end it.
    const waited = new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      // A timer that nobody waits for any more would keep the process alive.
      stop.onabort = () => resolve(clearTimeout(timer));
    });
    announce({ attempt, delayMs });
    await waited;
    if (stop.aborted) break;
    try {
      await dial();
      return true;
    } catch (error) {
      if (stop.aborted || isFinal(error)) break;
    }
  }
  return false;
}

/** Whether the server has said no, and would say no again: HTTP 4xx but for those that mean "later". */
export function isFinal(error: unknown): boolean {
  return /^4(?!08|29)/.test(String((error as ConnectError).status));
}
