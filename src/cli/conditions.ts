import type { ConditionerOptions } from "../runtime/conditioner.ts";
import { UsageError } from "./usage.ts";

/** Flags of a bad network, for `parseArgs`: the same for all commands. */
export const CONDITION_FLAGS = {
  loss: { type: "string" },
  latency: { type: "string" },
  jitter: { type: "string" },
  reorder: { type: "string" },
  duplicate: { type: "string" },
  bandwidth: { type: "string" },
  seed: { type: "string" },
} as const;

export const CONDITION_USAGE = `    --loss 2% --reorder 1% --duplicate 1%   a bad network, in both directions: shares of datagrams,
    --latency 50 --jitter 20                milliseconds on each way,
    --bandwidth 100000 --seed TEXT          bytes per second; equal seeds lose the same datagrams`;

/** What the flags say, or `undefined` where none was given. @throws UsageError */
export function parseConditions(
  values: Partial<Record<keyof typeof CONDITION_FLAGS, string>>,
): ConditionerOptions | undefined {
  const { loss, latency, jitter, reorder, duplicate, bandwidth, seed } = values;
  const given: ConditionerOptions = {
    ...(loss !== undefined && { loss: parseShare("--loss", loss) }),
    ...(reorder !== undefined && { reorder: parseShare("--reorder", reorder) }),
    ...(duplicate !== undefined && { duplicate: parseShare("--duplicate", duplicate) }),
    ...(latency !== undefined && { latencyMs: parseAmount("--latency", latency, 60_000) }),
    ...(jitter !== undefined && { jitterMs: parseAmount("--jitter", jitter, 60_000) }),
    ...(bandwidth !== undefined && { bytesPerSecond: parseAmount("--bandwidth", bandwidth, Number.MAX_SAFE_INTEGER) }),
  };
  if (Object.keys(given).length === 0) {
    if (seed !== undefined) throw new UsageError("--seed is of use with --loss and the like only");
    return undefined;
  }
  return { ...given, ...(seed !== undefined && { seed }) };
}

/** `2%` or `0.02`. */
export function parseShare(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?|\.\d+)(%?)$/.exec(text);
  const share = match === null ? Number.NaN : Number(match[1]) / (match[2] === "%" ? 100 : 1);
  if (!(share >= 0 && share <= 1)) {
    throw new UsageError(`${flag} must be a share such as 2% or 0.02, not ${JSON.stringify(text)}`);
  }
  return share;
}

export function parseAmount(flag: string, text: string, limit: number, least = 0): number {
  const amount = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(amount >= least && amount <= limit)) {
    throw new UsageError(`${flag} must be a number from ${least} to ${limit}, not ${JSON.stringify(text)}`);
  }
  return amount;
}
