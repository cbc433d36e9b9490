import type { Random } from "./random.ts";

/** Decides for one datagram after the other whether it is lost. */
export type LossModel = () => boolean;

/** Every datagram is lost with the same probability, independent of the others. */
export function randomLoss(rate: number, random: Random): LossModel {
  return () => random.chance(rate);
}

/**
 * The two-state Markov model of Gilbert and Elliott: a good state that loses nothing and a bad one that loses everything,
 * so that losses come in bursts.
 *
 * @param rate share of datagrams lost in the long run, 0 … 1 (excluded)
 * @param burst mean number of datagrams lost in a row, 1 or more
 */
export function burstyLoss(rate: number, burst: number, random: Random): LossModel {
  const recover = 1 / burst;
  // In balance, share(bad) = fail / (fail + recover) = rate.
  const fail = (recover * rate) / (1 - rate);
  let bad = random.chance(rate);
  return () => {
    const lost = bad;
    bad = bad ? !random.chance(recover) : random.chance(fail);
    return lost;
  };
}
