import { describe, expect, it } from "vitest";
import { type MemoryAccount, MemoryLedger } from "../../../src/wire/memory-ledger.ts";
import { Random } from "../../sim/random.ts";

/** Shares of 100 bytes; each block has four of them. */
const LIMITS = {
  maxMemoryBytes: 1_000,
  maxMemoryBytesPerConnection: 350,
  maxConnections: 10,
  maxConnectionsPerAddress: 4,
};

function ledgerOf(limits: Partial<typeof LIMITS> = {}) {
  const ledger = new MemoryLedger<string>({ ...LIMITS, ...limits });
  const open = (name: string, ...blocks: string[]) => ledger.open(blocks.length > 0 ? blocks : [name], name);
  return { ledger, open };
}

describe("the memory ledger", () => {
  it("lets a connection hold more than its share while there is room, up to the connection's own limit", () => {
    const { ledger, open } = ledgerOf();
    const account = open("a");
    expect([account.take(350), account.take(1)]).toEqual([true, false]);
    expect([account.bytes, ledger.bytes]).toEqual([350, 350]);
    account.give(350);
    expect([account.bytes, ledger.bytes]).toEqual([0, 0]);
  });

  it("refuses more than a share where the whole is full, and names nobody as long as everybody else leaves theirs", () => {
    const { ledger, open } = ledgerOf();
    const accounts = ["a", "b", "c"].map((name) => open(name));
    for (const account of accounts) expect(account.take(300)).toBe(true);
    const late = open("d");
    expect([late.take(100), late.take(1)]).toEqual([true, false]);
    expect(ledger.overdrawn()).toBeUndefined();
  });

  it("names the heaviest connection where another one claims its share of a full whole", () => {
    const { ledger, open } = ledgerOf();
    const [a, b] = [open("a"), open("b")];
    for (const [account, bytes] of [
      [a, 320],
      [b, 340],
      [open("c"), 300],
    ] as const) {
      expect(account.take(bytes)).toBe(true);
    }
    expect(open("d").take(90)).toBe(true);
    expect(ledger.overdrawn()).toBe("b");
    b.give(340);
    ledger.close(b);
    expect(ledger.overdrawn()).toBeUndefined();
  });

  it("gives one address block the shares of its connections, and ends the heaviest of that block only", () => {
    const { ledger, open } = ledgerOf({ maxMemoryBytesPerConnection: 1_000 });
    expect(open("outside").take(390)).toBe(true);
    const first = open("first", "block");
    expect(first.take(380)).toBe(true);
    const second = open("second", "block");
    expect([second.hasRoomFor(100), second.hasRoomFor(101)]).toEqual([true, false]);
    expect(second.take(60)).toBe(true);
    expect(ledger.overdrawn()).toBe("first");
    first.give(380);
    ledger.close(first);
    expect(ledger.overdrawn()).toBeUndefined();
  });

  it("gives a wider block twice and four times as much as a single one, and ends the heaviest within it", () => {
    const { ledger, open } = ledgerOf({ maxConnectionsPerAddress: 1, maxMemoryBytesPerConnection: 1_000 });
    const site = (subnet: number, half: number) => [`subnet ${subnet}`, `half ${half}`, "site"];
    const [a, b, c, d, e] = [1, 2, 3, 4, 5].map((n) => open(`${n}`, ...site(n, n < 3 ? 1 : 2)));
    expect([a.take(100), a.take(1), b.take(90), b.hasRoomFor(11)]).toEqual([true, false, true, false]);
    // The other half has as much.
    expect([c.take(100), d.take(100), ledger.overdrawn()]).toEqual([true, true, undefined]);
    e.add(101);
    expect(ledger.overdrawn()).toBe("5");
    e.give(101);
    ledger.close(e);
    expect(ledger.overdrawn()).toBeUndefined();
    expect(open("elsewhere").take(100)).toBe(true);
  });

  it("forgets a block with its last connection, and its wider ones with theirs", () => {
    const { open, ledger } = ledgerOf({ maxConnectionsPerAddress: 1 });
    const accounts = ["a", "b"].map((name) => open(name, name, "half", "site"));
    for (const account of accounts) account.add(100);
    for (const account of accounts) {
      ledger.close(account);
      account.give(100);
    }
    const again = open("c", "c", "half", "site");
    expect(again.take(100)).toBe(true);
    expect(again.pool.wider?.bytes).toBe(100);
    expect(again.pool.wider?.accounts).toBe(1);
  });

  it("counts what an ended connection still holds until it is given back", () => {
    const { ledger, open } = ledgerOf();
    const account = open("a");
    account.add(200);
    ledger.close(account);
    expect(ledger.bytes).toBe(200);
    expect(ledger.overdrawn()).toBeUndefined();
    account.give(200);
    expect(ledger.bytes).toBe(0);
  });

  it("keeps its rules for seeded random connections, and is empty when they have given everything back", () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = new Random(`ledger ${seed}`);
      const ledger = new MemoryLedger<number>(LIMITS);
      const open = new Map<number, MemoryAccount>();
      for (let step = 0; step < 400; step++) {
        const id = random.uint32() % 10;
        let account = open.get(id);
        if (account === undefined) {
          account = ledger.open([`block ${id % 3}`, `site ${id % 3 < 2}`], id);
          open.set(id, account);
        }
        const bytes = 1 + (random.uint32() % 120);
        const action = random.uint32() % 10;
        const isWithinShare = account.bytes + bytes <= ledger.share;
        if (action < 6) {
          const taken = account.take(bytes);
          if (isWithinShare) expect(taken, `seed ${seed}`).toBe(true);
          if (taken) expect(account.bytes, `seed ${seed}`).toBeLessThanOrEqual(LIMITS.maxMemoryBytesPerConnection);
        } else if (action < 9) account.give(Math.min(bytes, account.bytes));
        else end(id);
        for (let heaviest = ledger.overdrawn(); heaviest !== undefined; heaviest = ledger.overdrawn()) {
          expect(open.get(heaviest)!.bytes, `seed ${seed}`).toBeGreaterThan(ledger.share);
          end(heaviest);
        }
        expect(ledger.bytes, `seed ${seed}`).toBeLessThanOrEqual(LIMITS.maxMemoryBytes);
        expect(ledger.bytes, `seed ${seed}`).toBe([...open.values()].reduce((sum, { bytes: held }) => sum + held, 0));
      }
      for (const id of [...open.keys()]) end(id);
      expect(ledger.bytes, `seed ${seed}`).toBe(0);

      function end(id: number): void {
        const account = open.get(id)!;
        open.delete(id);
        account.give(account.bytes);
        ledger.close(account);
      }
    }
  });
});
