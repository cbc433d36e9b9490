import { Random } from "../../sim/random.ts";
import type { LossyLink } from "./udp-peer.ts";

const CHANGE_CIPHER_SPEC = 20;

/** The same link, but a server's last flight of DTLS 1.2 always arrives: for a peer that sends it once and never again. */
export function sparingLastFlight(link: LossyLink): LossyLink {
  return (direction, datagram) =>
    link(direction, datagram) && !(direction === "in" && datagram[0] === CHANGE_CIPHER_SPEC);
}

/** Loses each datagram with this probability. */
export function randomLoss(share: number, seed: string): LossyLink {
  const random = new Random(seed);
  return () => random.chance(share);
}

/**
 * Loses everything for `durationMs` from the first datagram of a flight on. Flights are counted from 1, the first hello; a new one
 * begins where a datagram goes the other way than the last.
 */
export class Blackout {
  readonly #flight: number;
  readonly #durationMs: number;
  #flights = 0;
  #last = "";
  #until: number | undefined;

  constructor(flight: number, durationMs: number) {
    this.#flight = flight;
    this.#durationMs = durationMs;
  }

  get began(): boolean {
    return this.#until !== undefined;
  }

  readonly loses: LossyLink = (direction) => {
    if (direction !== this.#last) this.#flights++;
    this.#last = direction;
    if (this.#until === undefined && this.#flights === this.#flight) this.#until = performance.now() + this.#durationMs;
    return this.#until !== undefined && performance.now() < this.#until;
  };
}
