import { BLOCK_WEIGHTS } from "./address.ts";

/** The limits that a ledger keeps; see `EndpointLimits`. */
export interface MemoryLimits {
  readonly maxMemoryBytes: number;
  readonly maxMemoryBytesPerConnection: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
}

/** A budget and what is taken of it: the whole ledger's, or that of one address block. */
interface Pool {
  /** The address block; empty for the whole. */
  readonly block: string;
  readonly limit: number;
  bytes: number;
  /** Accounts that are open, or closed and not empty yet. */
  accounts: number;
  /** That of the next wider address block. */
  readonly wider: Pool | undefined;
}

/** What an account needs of the ledger it belongs to. */
interface Budget {
  /** What each connection may hold at any time. */
  readonly share: number;
  /** What one connection may hold where there is room. */
  readonly most: number;
  readonly whole: Pool;
  readonly crowded: Set<Pool>;
  removed(account: MemoryAccount): void;
}

/**
 * The memory that one connection holds on its peer's word: messages that wait to be sent or acknowledged, fragments, messages whose
 * turn has not come, messages that the application has not taken yet. Whoever keeps such a thing takes its bytes here, and gives
 * them back when it lets go of it.
 *
 * @example
 * if (!memory.take(bytes)) return false; // refused: the queue is full, or the chunk is beyond the window
 * …
 * memory.give(bytes);
 */
export class MemoryAccount {
  #bytes = 0;
  #isClosed = false;
  readonly #budget: Budget;
  /** The budget of its narrowest address block. Owned by the ledger. */
  readonly pool: Pool;

  constructor(budget: Budget, pool: Pool) {
    this.#budget = budget;
    this.pool = pool;
    for (let block: Pool | undefined = pool; block !== undefined; block = block.wider) block.accounts++;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether {@link take} would succeed. */
  hasRoomFor(bytes: number): boolean {
    const { share, most, whole } = this.#budget;
    const held = this.#bytes + bytes;
    if (held <= share) return true;
    if (held > most || whole.bytes + bytes > whole.limit) return false;
    for (let pool: Pool | undefined = this.pool; pool !== undefined; pool = pool.wider) {
      if (pool.bytes + bytes > pool.limit) return false;
    }
    return true;
  }

  /** False, and nothing taken, where the connection holds its share already and there is no room for more. */
  take(bytes: number): boolean {
    if (!this.hasRoomFor(bytes)) return false;
    this.add(bytes);
    return true;
  }

  /** Takes bytes without asking: for the little that cannot be refused, and is bounded otherwise. */
  add(bytes: number): void {
    const { whole, crowded } = this.#budget;
    this.#bytes += bytes;
    whole.bytes += bytes;
    for (let pool: Pool | undefined = this.pool; pool !== undefined; pool = pool.wider) {
      pool.bytes += bytes;
      if (pool.bytes > pool.limit) crowded.add(pool);
    }
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
    this.#budget.whole.bytes -= bytes;
    for (let pool: Pool | undefined = this.pool; pool !== undefined; pool = pool.wider) pool.bytes -= bytes;
    if (this.#isClosed && this.#bytes === 0) this.#budget.removed(this);
  }

  /** The connection has ended. What is still held counts until it is given back. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#bytes === 0) this.#budget.removed(this);
  }
}

const UNLIMITED: Budget = {
  share: Number.POSITIVE_INFINITY,
  most: Number.POSITIVE_INFINITY,
  whole: { block: "", limit: Number.POSITIVE_INFINITY, bytes: 0, accounts: 0, wider: undefined },
  crowded: new Set(),
  removed() {},
};

/** For whoever has no budget. */
export function unlimitedAccount(): MemoryAccount {
  return new MemoryAccount(UNLIMITED, UNLIMITED.whole);
}

/**
 * One byte budget for all connections of an endpoint, divided into shares.
 *
 * Each connection may always hold its share, an equal part of the whole. Beyond it a connection may hold more while there is room: up
 * to its own limit, that of each of its address blocks, and that of the whole. The shares of all fill the whole exactly. So where the whole is
 * full and somebody takes what is his by right, somebody else holds more than his share: {@link overdrawn} names the one that
 * holds the most, who is to be ended. The same goes for one address block, whose budget is the shares of the connections that it may
 * have.
 */
export class MemoryLedger<Holder> {
  readonly #budget: Budget;
  readonly #limits: MemoryLimits;
  readonly #pools = new Map<string, Pool>();
  readonly #holders = new Map<MemoryAccount, Holder>();

  constructor(limits: MemoryLimits) {
    const { maxMemoryBytes, maxMemoryBytesPerConnection, maxConnections } = limits;
    const share = Math.floor(maxMemoryBytes / maxConnections);
    this.#limits = limits;
    this.#budget = {
      share,
      most: Math.max(share, maxMemoryBytesPerConnection),
      whole: { block: "", limit: maxMemoryBytes, bytes: 0, accounts: 0, wider: undefined },
      crowded: new Set(),
      removed: ({ pool }) => this.#leave(pool),
    };
  }

  /** What all connections hold together. */
  get bytes(): number {
    return this.#budget.whole.bytes;
  }

  /** What a connection may hold at any time. */
  get share(): number {
    return this.#budget.share;
  }

  /** @param blocks of the address from which the connection began, the narrowest first, at least one; see `addressBlocks` */
  open(blocks: readonly string[], holder: Holder): MemoryAccount {
    const account = new MemoryAccount(this.#budget, this.#poolOf(blocks, 0));
    this.#holders.set(account, holder);
    return account;
  }

  /** The account is somebody else's from now on. */
  assign(account: MemoryAccount, holder: Holder): void {
    this.#holders.set(account, holder);
  }

  /** The connection has ended, and holds no share any more. */
  close(account: MemoryAccount): void {
    this.#holders.delete(account);
    account.close();
  }

  /**
   * Who is to be ended, because more is held than the whole or its address block has: of those beyond their share the one that holds
   * the most. Its account must be closed before the next question. To be asked once a turn: until then what is taken by right may
   * exceed the budget by as much as one turn brings.
   */
  overdrawn(): Holder | undefined {
    const { whole, crowded } = this.#budget;
    if (whole.bytes > whole.limit) return this.#heaviest(undefined);
    if (crowded.size === 0) return undefined;
    for (const pool of crowded) {
      const heaviest = pool.bytes > pool.limit ? this.#heaviest(pool) : undefined;
      if (heaviest !== undefined) return heaviest;
      crowded.delete(pool);
    }
    return undefined;
  }

  #poolOf(blocks: readonly string[], level: number): Pool {
    const block = blocks[level];
    const known = this.#pools.get(block);
    if (known !== undefined) return known;
    const { maxConnections, maxConnectionsPerAddress } = this.#limits;
    const limit = this.share * Math.min(maxConnections, maxConnectionsPerAddress * BLOCK_WEIGHTS[level]);
    const wider = level + 1 < blocks.length ? this.#poolOf(blocks, level + 1) : undefined;
    const pool = { block, limit, bytes: 0, accounts: 0, wider };
    this.#pools.set(block, pool);
    return pool;
  }

  #heaviest(pool: Pool | undefined): Holder | undefined {
    let most = this.#budget.share;
    let heaviest: Holder | undefined;
    for (const [account, holder] of this.#holders) {
      if (account.bytes <= most || (pool !== undefined && !isWithin(account.pool, pool))) continue;
      most = account.bytes;
      heaviest = holder;
    }
    return heaviest;
  }

  #leave(narrowest: Pool): void {
    for (let pool: Pool | undefined = narrowest; pool !== undefined; pool = pool.wider) {
      if (--pool.accounts > 0) continue;
      this.#pools.delete(pool.block);
      this.#budget.crowded.delete(pool);
    }
  }
}

function isWithin(pool: Pool, block: Pool): boolean {
  return pool === block || (pool.wider !== undefined && isWithin(pool.wider, block));
}
