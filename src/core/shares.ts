import { addressBlocks, BLOCK_WEIGHTS } from "../wire/address.ts";

/** What one block of addresses holds of a table. */
export interface Holding {
  readonly block: string;
  /** How many times the share of a single address this block may hold. */
  readonly weight: number;
  count: number;
  /** Of those whose narrowest block this is: one list for all of them. */
  share: Share | undefined;
}

/** The blocks that one address counts in, the narrowest first. */
export type Blocks = readonly string[];

/** What an address holds by way of each of its blocks, the narrowest first. */
export type Share = readonly Holding[];

/** Those whose address is not known share one block. */
export const UNKNOWN: readonly string[] = [""];

/**
 * Who holds how many places of one table that everybody shares, by address: IPv4 address by address, IPv6 by /64, /56 and /48.
 * It remembers only blocks that hold something.
 */
export class Shares {
  readonly #holdings = new Map<string, Holding>();

  get size(): number {
    return this.#holdings.size;
  }

  /** Counts one place for those blocks; see {@link blocksOf}. */
  take(blocks: Blocks): Share {
    const known = this.#holdings.get(blocks[0])?.share;
    const share = known ?? blocks.map((block, level) => this.#holding(block, BLOCK_WEIGHTS[level]));
    share[0].share = share;
    for (const holding of share) holding.count++;
    return share;
  }

  give(share: Share): void {
    for (const holding of share) if (--holding.count === 0) this.#holdings.delete(holding.block);
  }

  /** The one of these blocks that holds as much as it may; `undefined` where there is room. */
  full(blocks: Blocks, perAddress: number): Holding | undefined {
    for (const block of blocks) {
      const holding = this.#holdings.get(block);
      if (holding !== undefined && holding.count >= perAddress * holding.weight) return holding;
    }
    return undefined;
  }

  /** As {@link heaviness}, for one that has no place yet. */
  heavinessOf(blocks: Blocks): number {
    let most = 0;
    for (const block of blocks) {
      const holding = this.#holdings.get(block);
      if (holding !== undefined) most = Math.max(most, holding.count / holding.weight);
    }
    return most;
  }

  #holding(block: string, weight: number): Holding {
    let holding = this.#holdings.get(block);
    if (holding === undefined) {
      holding = { block, weight, count: 0, share: undefined };
      this.#holdings.set(block, holding);
    }
    return holding;
  }
}

/** What the heaviest of its blocks holds, in places of a single address. */
export function heaviness(share: Share): number {
  let most = 0;
  for (const { count, weight } of share) if (count > most * weight) most = count / weight;
  return most;
}

/** Under which blocks an address counts. */
export function blocksOf(address: string | undefined): Blocks {
  const blocks = address === undefined ? UNKNOWN : addressBlocks(address);
  return blocks.length > 0 ? blocks : UNKNOWN;
}
