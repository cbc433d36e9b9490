import { type BrowserProfile, CHROMIUM } from "./browser-peer/profile.ts";
import { browserEnd, serverEnd } from "./ends.ts";
import { exchange } from "./exchange.ts";
import type { Link, LinkCounters } from "./link.ts";
import { World } from "./world.ts";

/** One cell of the table: a line, and steady messages both ways over it. */
export interface CellOptions {
  seed: string;
  /** Share of datagrams lost, each way. */
  loss: number;
  /** Mean number of datagrams lost in a row; 1: independent losses. */
  lossBurst: number;
  rttMs: number;
  messages: number;
  messageBytes: number;
  /** Messages per second, each way. */
  rateHz: number;
  profile?: BrowserProfile;
}

/** What one direction of a cell gave. */
export interface DirectionResult {
  /** All datagrams of the direction during the exchange. */
  datagrams: number;
  /** Share of all datagrams that the line lost. */
  datagramLoss: number;
  /**
   * Share of the datagrams that were large enough to carry a message that the line lost: what bare UDP messages, sent at
   * the same moments, would have suffered. The others are acknowledgements. They answer what got through, so fewer of them
   * leave while the line is bad, and with bursty losses the line looks better to them than it is.
   */
  linkLoss: number;
  messages: number;
  /** Share of the messages that did not reach the application. */
  messageLoss: number;
  duplicates: number;
  damaged: number;
}

export interface CellResult {
  /** Browser to server. */
  up: DirectionResult;
  /** Server to browser. */
  down: DirectionResult;
  /** Why and when the connection ended, where it did not last for all messages. */
  ended: string | undefined;
}

/** The product's promise: link loss in, message loss out. */
export function withinBound({ linkLoss, messageLoss, duplicates, damaged }: DirectionResult): boolean {
  return messageLoss <= linkLoss * 1.1 + 0.001 && duplicates === 0 && damaged === 0;
}

export function runCell(options: CellOptions): CellResult {
  const { seed, loss, lossBurst, rttMs, messages, messageBytes, rateHz, profile = CHROMIUM } = options;
  const world = new World(seed);
  const browser = world.openBrowser({ profile, line: { rttMs } });
  const { host } = browser;
  host.setLine({ loss, lossBurst });
  const ends = [browserEnd(browser), serverEnd(world, world.server.opened[0])] as const;
  // SCTP's headers and the shortest of the record overheads: DTLS 1.3 without a length.
  const watch = [host.up, host.down].map((link) => new LossWatch(link, messageBytes + 28 + 20));
  const flows = exchange(world.network, ...ends, { messages, messageBytes, intervalMs: 1000 / rateHz });
  const end = world.server.closed[0];
  const ended = end === undefined ? undefined : `ended by ${end.reason} after ${(end.at / 1000).toFixed(1)} s`;
  const [up, down] = [flows.there, flows.back].map((flow, i) => ({
    ...watch[i].result(),
    messages: flow.sent,
    messageLoss: flow.loss,
    duplicates: flow.duplicates,
    damaged: flow.damaged,
  }));
  return { up, down, ended };
}

/** What a link loses from now on. */
class LossWatch {
  readonly #link: Link;
  readonly #before: LinkCounters;

  constructor(link: Link, largeBytes: number) {
    link.countLargeFrom = largeBytes;
    this.#link = link;
    this.#before = { ...link.counters };
  }

  result(): { datagrams: number; datagramLoss: number; linkLoss: number } {
    const { sent, lost, largeSent, largeLost } = this.#link.counters;
    const datagrams = sent - this.#before.sent;
    return {
      datagrams,
      datagramLoss: (lost - this.#before.lost) / datagrams,
      linkLoss: (largeLost - this.#before.largeLost) / (largeSent - this.#before.largeSent),
    };
  }
}
