import { PROFILES } from "./browser-peer/profile.ts";
import { UNRELIABLE, World } from "./world.ts";

export interface OpeningOptions {
  seed: string;
  trials: number;
  loss: number;
  rttMs: number;
}

export interface OpeningResult {
  trials: number;
  /** Seeds of the trials that did not open. */
  failed: string[];
  /** Sorted; from the first check to the channel being open at both ends, ms. */
  setupMs: number[];
}

/** Browsers give up their checks after 11 to 16 s; a page waits no longer than this for its channel. */
const PATIENCE_MS = 30_000;

/** Opens connections, each in a world of its own, over a line that loses datagrams from the first one on. */
export function runOpenings(options: OpeningOptions, onTrial: (done: number) => void = () => {}): OpeningResult {
  const { seed, trials, loss, rttMs } = options;
  const profiles = Object.values(PROFILES);
  const result: OpeningResult = { trials, failed: [], setupMs: [] };
  for (let trial = 0; trial < trials; trial++) {
    const trialSeed = `${seed}/opening ${trial}`;
    const time = setupTime(trialSeed, profiles[trial % profiles.length].name, { loss, rttMs });
    if (time === undefined) result.failed.push(trialSeed);
    else result.setupMs.push(time);
    onTrial(trial + 1);
  }
  result.setupMs.sort((a, b) => a - b);
  return result;
}

/** Milliseconds until the channel is open at both ends; `undefined` where it does not open. */
export function setupTime(
  seed: string,
  browser: keyof typeof PROFILES,
  line: { loss: number; rttMs: number },
): number | undefined {
  const world = new World(seed);
  const { peer } = world.addBrowser({ profile: PROFILES[browser], line });
  const channel = peer.createChannel(0, "data", UNRELIABLE);
  const bothOpen = () => channel.state === "open" && world.server.opened.length > 0;
  return world.network.runUntil(PATIENCE_MS, bothOpen) ? world.network.now : undefined;
}

/** The value below which this share of the sorted values lies; NaN for none. */
export function quantile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
