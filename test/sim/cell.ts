import { type BrowserProfile, CHROMIUM } from "./browser-peer/profile.ts";
import { browserEnd, serverEnd } from "./ends.ts";
import { exchange } from "./exchange.ts";
import type { Link } from "./link.ts";
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
  datagrams: number;
  /** Share of the direction's datagrams that the line lost during the exchange. */
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
}

/** The product's promise: link loss in, message loss out. */
export function withinBound({ linkLoss, messageLoss, duplicates, damaged }: DirectionResult): boolean {
  return messageLoss <= linkLoss * 1.1 + 0.001 && duplicates === 0 && damaged === 0;
}

export function runCell(options: CellOptions): CellResult {
  const { seed, loss, lossBurst, rttMs, messages, messageBytes, rateHz, profile = CHROMIUM } = options;
  const world = new World(seed);
  const browser = world.openBrowser({ profile, line: { rttMs } });
  const { peer, host } = browser;
  host.setLine({ loss, lossBurst });
  const ends = [browserEnd(browser), serverEnd(world, world.server.opened[0])] as const;
  const before = [lossCounters(host.up), lossCounters(host.down)];
  const flows = exchange(world.network, ...ends, { messages, messageBytes, intervalMs: 1000 / rateHz });
  const ended = world.server.closed[0];
  if (ended !== undefined || peer.state === "closed") {
    throw new Error(`the connection ended at ${ended?.at ?? "?"} ms (${ended?.reason ?? peer.state}) [seed "${seed}"]`);
  }
  const [up, down] = [host.up, host.down].map((link, i) => {
    const flow = i === 0 ? flows.there : flows.back;
    const { sent, lost } = lossCounters(link);
    const datagrams = sent - before[i].sent;
    return {
      datagrams,
      linkLoss: (lost - before[i].lost) / datagrams,
      messages: flow.sent,
      messageLoss: flow.loss,
      duplicates: flow.duplicates,
      damaged: flow.damaged,
    };
  });
  return { up, down };
}

function lossCounters({ counters }: Link): { sent: number; lost: number } {
  return { sent: counters.sent, lost: counters.lost };
}
