import assert from "node:assert/strict";
import { concatBytes } from "../../../src/wire/bytes.ts";

/** One entry point as a fuzzer sees it: bytes go in, and whatever breaks an invariant is thrown. */
export interface CoverageTarget {
  /** Also the name of its corpus. */
  readonly name: string;
  /** Folders and files under `src/` that the target is there for; coverage is reported for them. */
  readonly covers: readonly string[];
  /** Inputs to start from. */
  readonly seeds: readonly Uint8Array[];
  /** Feeds one input to the code under test. The same input does the same each time, apart from fresh keys. */
  run(input: Uint8Array): void | Promise<void>;
}

/** A step of an input: what to do, a number with it, and bytes. */
export interface Step {
  readonly operation: number;
  readonly argument: number;
  readonly bytes: Uint8Array;
}

const STEP_HEADER_BYTES = 4;
const MAX_STEPS = 48;

/**
 * Reads a list of steps. Any bytes are one, so a mutated list still is, and the last step takes what there is.
 *
 *     | operation 1 | argument 1 | length 2 | bytes ... |
 */
export function readSteps(input: Uint8Array): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at + STEP_HEADER_BYTES <= input.length && steps.length < MAX_STEPS; ) {
    const [operation, argument, high, low] = input.subarray(at, at + STEP_HEADER_BYTES);
    at += STEP_HEADER_BYTES;
    const bytes = input.slice(at, at + ((high << 8) | low));
    at += bytes.length;
    steps.push({ operation, argument, bytes });
  }
  return steps;
}

export function writeSteps(steps: readonly (readonly [number, number, Uint8Array])[]): Uint8Array {
  return concatBytes(
    ...steps.map(([operation, argument, bytes]) =>
      concatBytes(Uint8Array.of(operation, argument, bytes.length >>> 8, bytes.length & 0xff), bytes),
    ),
  );
}

/** What has timers: a connection, an association, an endpoint. */
interface Timed {
  readonly nextDeadline: number;
  handleTimeout(now: number): void;
}

/**
 * Lets timers run until the given time.
 *
 * @returns the time that is reached: the last deadline, where none is left
 */
export function runTimers(timed: Timed, until: number, afterEach: (now: number) => void = () => {}): number {
  let now = 0;
  for (let fired = 0; timed.nextDeadline <= until; fired++) {
    assert(fired < 500, "timers that never end");
    now = timed.nextDeadline;
    if (now === Number.POSITIVE_INFINITY) break;
    timed.handleTimeout(now);
    afterEach(now);
    assert(timed.nextDeadline > now, "a deadline that does not move on");
  }
  return now;
}

const encoder = new TextEncoder();

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}
