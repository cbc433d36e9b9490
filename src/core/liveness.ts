/**
 * Records must come at least this often, whatever checks say: a check can be overheard, and sent again by anybody to keep a
 * connection from its end.
 */
const RECORD_SILENCE_MS = 30_000;

/**
 * When a peer that stays silent has used up this share of its time. At one half a HEARTBEAT asks for a sign of life, because a
 * browser's checks are 3 to 6 s apart and one or two may be lost; at the whole it is gone.
 *
 * @param lastCheck when the last authentic check came, ms
 * @param lastRecord when the last authentic record came; `undefined` before the first
 * @param share 1/2 or 1
 */
export function silenceDeadline(
  lastCheck: number,
  lastRecord: number | undefined,
  idleTimeoutMs: number,
  share: number,
): number {
  if (lastRecord === undefined) return lastCheck + share * idleTimeoutMs;
  const silent = Math.max(lastCheck, lastRecord) + share * idleTimeoutMs;
  return Math.min(silent, lastRecord + share * Math.max(RECORD_SILENCE_MS, idleTimeoutMs));
}
