import { type Blocks, type Holding, heaviness, type Share, Shares } from "./shares.ts";

/** Where the holder of a place comes from. */
export interface Origin {
  /** The blocks of the address that signalled. Nobody can pretend to have another one than he has. */
  readonly signalled: Blocks;
  /** Those of the address that checks come from, which may be pretended; `undefined` before the first. */
  readonly source?: Blocks | undefined;
}

/** Someone who holds a place for a while. */
export interface Occupant {
  /** How far it has come. Where somebody has to go, it is someone who has come least far. Default 0. */
  readonly progress?: number;
  // Kept by `Places`, in fields of the holder itself, since there are thousands of them.
  /** What it counts as by the address that signalled; empty where it holds no place. */
  signalled: Share;
  /** What it counts as by the address of its checks. */
  source: Share;
  /** Since when it has its place, in whole ms. */
  since: number;
  /** Its index among those who are looked at in turn. Means nothing where it holds no place. */
  turn: number;
}

export interface PlacesOptions {
  /** Places that one IPv4 address or /64 may hold as a source. A /56 may hold twice and a /48 four times as many. */
  readonly perAddress: number;
  /** By progress: for how long an occupant is left alone by those who hold no less than it does, ms. */
  readonly patienceMs: readonly number[];
}

export const NOWHERE: Share = [];
/** So many places are looked at for one newcomer, the next ones for the next: to look at all would cost more than a check does. */
const LOOKS = 64;
/** An occupant holds much where it holds more than so many times what the newcomer would. */
const MUCH = 2;

/**
 * A table with a limited number of places, in which those who come from one address have a share and a newcomer finds a place.
 * In a full table somebody goes:
 *
 * - at once, whoever holds much more than the newcomer would, by the address that signalled, or where these are equal by that of
 *   the checks; the one that has come least far, the oldest first;
 * - otherwise one that has had time to come further and has not, if it holds no less than the newcomer;
 * - otherwise nobody: then the newcomer has to try again.
 *
 * So those who hold most make room, and where all hold alike, as with spoofed addresses, those who do not get on.
 */
export class Places<Item extends Occupant> {
  readonly #options: PlacesOptions;
  /** The oldest first. */
  readonly #holders = new Set<Item>();
  /**
   * The same ones, in the order in which they are looked at. An iterator over the set, kept from one newcomer to the next, would
   * hold everything that was ever deleted from it: V8 chains the tables that a set has outgrown, with what was in them.
   */
  readonly #turns: Item[] = [];
  /** The index from where the next look goes on. */
  #hand = 0;
  readonly #signalled = new Shares();
  readonly #sources = new Shares();

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#holders.size;
  }

  /** The oldest first. */
  values(): IterableIterator<Item> {
    return this.#holders.values();
  }

  enter(now: number, item: Item, { signalled, source }: Origin): void {
    this.#holders.add(item);
    item.turn = this.#turns.push(item) - 1;
    item.signalled = this.#signalled.take(signalled);
    item.source = source === undefined ? NOWHERE : this.#sources.take(source);
    item.since = Math.floor(now);
  }

  /** Does nothing for one that holds no place. */
  leave(item: Item): void {
    if (!this.#holders.delete(item)) return;
    this.#giveUpTurn(item);
    this.#signalled.give(item.signalled);
    this.#sources.give(item.source);
    item.signalled = NOWHERE;
    item.source = NOWHERE;
  }

  /** Who has to leave before one from there can enter; `undefined` for nobody, `later` where nobody has to make room for it. */
  inTheWayOf(now: number, origin: Origin, places: number): Item | "later" | undefined {
    const { source } = origin;
    const full = source === undefined ? undefined : this.#sources.full(source, this.#options.perAddress);
    if (full === undefined && this.#holders.size < places) return undefined;
    const newcomer = {
      signalled: this.#signalled.heavinessOf(origin.signalled),
      source: source === undefined ? 0 : this.#sources.heavinessOf(source),
    };
    return this.#worst(now, newcomer, full) ?? "later";
  }

  #worst(now: number, newcomer: Weight, full: Holding | undefined): Item | undefined {
    let heaviest: Candidate<Item> | undefined;
    let stuck: Candidate<Item> | undefined;
    for (let looks = Math.min(LOOKS, this.#holders.size); looks > 0; looks--) {
      const item = this.#next();
      const { since, signalled, source } = item;
      if (full !== undefined && !source.includes(full)) continue;
      const { progress = 0 } = item;
      const candidate = { item, progress, since, signalled: heaviness(signalled), source: heaviness(source) };
      if (heaviest === undefined || isWorse(candidate, heaviest)) heaviest = candidate;
      if (now - since < this.#patience(progress) || isLighter(candidate, newcomer)) continue;
      if (stuck === undefined || isSlower(candidate, stuck)) stuck = candidate;
    }
    return heaviest !== undefined && holdsMuchMore(heaviest, newcomer) ? heaviest.item : stuck?.item;
  }

  /** One place after the other, again and again. There must be one. */
  #next(): Item {
    if (this.#hand >= this.#turns.length) this.#hand = 0;
    return this.#turns[this.#hand++];
  }

  /** The last one takes its turn. */
  #giveUpTurn(item: Item): void {
    const last = this.#turns.pop()!;
    if (last === item) return;
    this.#turns[item.turn] = last;
    last.turn = item.turn;
  }

  #patience(progress: number): number {
    const { patienceMs } = this.#options;
    return patienceMs[Math.min(progress, patienceMs.length - 1)];
  }
}

/** What the addresses hold that somebody comes from. */
interface Weight {
  readonly signalled: number;
  readonly source: number;
}

interface Candidate<Item> extends Weight {
  readonly item: Item;
  readonly progress: number;
  readonly since: number;
}

function isLighter(a: Weight, b: Weight): boolean {
  return a.signalled < b.signalled || (a.signalled === b.signalled && a.source < b.source);
}

function isSlower(a: Candidate<unknown>, b: Candidate<unknown>): boolean {
  return a.progress < b.progress || (a.progress === b.progress && a.since < b.since);
}

function isWorse(a: Candidate<unknown>, b: Candidate<unknown>): boolean {
  return isLighter(b, a) || (!isLighter(a, b) && isSlower(a, b));
}

/** Whether it holds much, even once the newcomer has its place. */
function holdsMuchMore(occupant: Weight, newcomer: Weight): boolean {
  if (occupant.signalled > MUCH * (newcomer.signalled + 1)) return true;
  return MUCH * occupant.signalled >= newcomer.signalled && occupant.source > MUCH * (newcomer.source + 1);
}
