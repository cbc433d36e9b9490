import { BLOCK_WEIGHTS } from "../wire/address.ts";
import { WorkBudget, type WorkRate } from "../wire/work-budget.ts";
import type { Blocks } from "./shares.ts";

export interface HandshakeRates {
  /** Of all together. */
  readonly server: WorkRate;
  /** Of one IPv4 address or /64. A /56 may begin twice and a /48 four times as many. */
  readonly perAddress: WorkRate;
}

interface Account {
  readonly budget: WorkBudget;
  readonly burstUnits: number;
}

/** A block is forgotten once its budget is full again. So many are remembered at once, about 200 bytes each. */
const MAX_BLOCKS = 4_096;
/** This part of the server's budget is not for those who have used up their own. */
const RESERVED = 1 / 2;

/**
 * How many handshakes may begin: each costs signatures and key agreements, a thousand times what a message does. An address has a
 * budget, and the server has one. The less the server has left, the less an address must have begun of late for another one:
 * so those who begin many leave something for those who begin few.
 */
export class HandshakeBudget {
  readonly #rates: HandshakeRates;
  readonly #server: WorkBudget;
  /** By block, used longest ago first. */
  readonly #sources = new Map<string, Account>();
  readonly #signalled = new Map<string, Account>();

  constructor(rates: HandshakeRates) {
    this.#rates = rates;
    this.#server = new WorkBudget(rates.server);
  }

  /** How many blocks it remembers. */
  get size(): number {
    return this.#sources.size + this.#signalled.size;
  }

  /**
   * Whether work for a handshake may be done, which is then taken from the budgets.
   *
   * @param source blocks of the address that the handshake is with, which may be pretended
   * @param signalled those of the address that signalled
   * @param units how much of a handshake's work it is, at most 1
   */
  begin(now: number, source: Blocks, signalled: Blocks, units = 1): boolean {
    const sources = this.#accounts(now, this.#sources, source);
    const signallers = this.#accounts(now, this.#signalled, signalled);
    if (sources.some(({ budget }) => budget.available(now) < units)) return false;
    const used = (usedOf(now, sources) + usedOf(now, signallers)) / 2;
    const { burstUnits } = this.#rates.server;
    if (this.#server.available(now) < units + used * RESERVED * (burstUnits - 1)) return false;
    // Who signals is not limited by it, since it may be a proxy for many; but what it has used counts.
    for (const { budget } of [...sources, ...signallers]) budget.spend(now, Math.min(units, budget.available(now)));
    return this.#server.spend(now, units);
  }

  /** A handshake that has begun turns out to cost so much more than others. */
  owe(now: number, source: Blocks, units: number): void {
    for (const { budget } of this.#accounts(now, this.#sources, source)) budget.owe(now, units);
    this.#server.owe(now, units);
  }

  #accounts(now: number, known: Map<string, Account>, blocks: Blocks): Account[] {
    const accounts = blocks.map((block, level) => {
      const account = known.get(block) ?? this.#open(BLOCK_WEIGHTS[level]);
      known.delete(block);
      known.set(block, account);
      return account;
    });
    for (const [block, { budget, burstUnits }] of known) {
      if (blocks.includes(block) || (known.size <= MAX_BLOCKS && budget.available(now) < burstUnits)) break;
      known.delete(block);
    }
    return accounts;
  }

  #open(weight: number): Account {
    const { burstUnits, unitsPerSecond } = this.#rates.perAddress;
    const rate = { burstUnits: burstUnits * weight, unitsPerSecond: unitsPerSecond * weight };
    return { budget: new WorkBudget(rate), burstUnits: rate.burstUnits };
  }
}

/** Which part of its budget the block has used that has used most, 0 to 1. */
function usedOf(now: number, accounts: readonly Account[]): number {
  return 1 - Math.min(...accounts.map(({ budget, burstUnits }) => budget.available(now) / burstUnits));
}
