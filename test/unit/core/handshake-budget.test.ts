import { expect, test } from "vitest";
import { HandshakeBudget } from "../../../src/core/handshake-budget.ts";
import { blocksOf, UNKNOWN } from "../../../src/core/shares.ts";
import { Random } from "../../sim/random.ts";
import { ScriptedPage, ScriptedServer } from "./support/scripted-page.ts";

const RATES = {
  server: { burstUnits: 100, unitsPerSecond: 50 },
  perAddress: { burstUnits: 20, unitsPerSecond: 10 },
};
const in48 = (i: number) => `2001:db8:1:${(i % 65_536).toString(16)}::1`;

function count(budget: HandshakeBudget, now: number, tries: number, address: (i: number) => string): number {
  let begun = 0;
  for (let i = 0; i < tries; i++) if (budget.begin(now, blocksOf(address(i)), UNKNOWN)) begun++;
  return begun;
}

test.each([
  ["an IPv4 address", 20, () => "192.0.2.1"],
  ["a /64", 20, (i: number) => `2001:db8::${i}`],
  ["a /56", 40, (i: number) => `2001:db8:0:${i % 100}::`],
])("%s may begin %i at once, and then as many as are refilled", (_, atOnce, address) => {
  const budget = new HandshakeBudget(RATES);
  expect(count(budget, 0, 1_000, address)).toBe(atOnce);
  expect(count(budget, 1_000, 1_000, address)).toBe(atOnce / 2);
});

test("a part of a handshake's work takes that part of the budgets", () => {
  const budget = new HandshakeBudget(RATES);
  const blocks = blocksOf("192.0.2.1");
  const ask = (tries: number, units: number) => {
    return Array.from({ length: tries }, () => budget.begin(0, blocks, UNKNOWN, units)).filter(Boolean).length;
  };
  expect([ask(19, 1), ask(100, 1 / 8), ask(1, 1)]).toEqual([19, 8, 0]);
});

test("a block that begins what it may leaves half of the server's budget to others", () => {
  const budget = new HandshakeBudget(RATES);
  let begun = 0;
  for (let second = 0; second < 20; second++) begun += count(budget, second * 1_000, 500, (i) => `192.0.2.${i % 50}`);
  // They have what the server refills, and the part of its burst that is not reserved.
  expect(begun).toBeLessThanOrEqual(100 + 20 * 50);
  expect(begun).toBeGreaterThanOrEqual(19 * 50);
  expect(count(budget, 19_000, 1, () => "203.0.113.1")).toBe(1);
});

test("whoever signals all of it has less than those who signal little, though the sources are spoofed (10 seeds)", () => {
  for (let run = 0; run < 10; run++) {
    const seed = `budget ${run}`;
    const random = new Random(seed);
    const budget = new HandshakeBudget(RATES);
    const attacker = blocksOf("198.18.0.1");
    let refused = 0;
    for (let now = 0; now < 10_000; now += 5) {
      budget.begin(now, blocksOf(`10.${random.below(256)}.${random.below(256)}.${random.below(256)}`), attacker);
      const newcomer = blocksOf(`192.0.2.${random.below(250)}`);
      if (now % 100 === 0 && !budget.begin(now, newcomer, newcomer)) refused++;
    }
    expect(refused, `[seed ${seed}]`).toBe(0);
  }
});

test("what a handshake has cost beyond its unit is owed by its blocks and by the server", () => {
  const budget = new HandshakeBudget({ ...RATES, server: { burstUnits: 25, unitsPerSecond: 10 } });
  const dear = (now: number, tries: number) => {
    let begun = 0;
    for (let i = 0; i < tries; i++) {
      if (!budget.begin(now, blocksOf("192.0.2.1"), UNKNOWN)) continue;
      begun++;
      budget.owe(now, blocksOf("192.0.2.1"), 3);
    }
    return begun;
  };
  expect(dear(0, 100)).toBeLessThanOrEqual(20 / 4);
  let later = 0;
  for (let now = 10; now <= 10_000; now += 10) later += dear(now, 10);
  expect(later).toBeLessThanOrEqual((10 * 10) / 4 + 1);
  expect(later).toBeGreaterThan((10 * 10) / 8);
});

test("a handshake with secp384r1 counts as sixteen", () => {
  const X25519 = 0x1d;
  const SECP384R1 = 0x18;
  const limits = { maxHandshakes: 100, maxHandshakesPerAddress: 17, maxHandshakesPerSecondPerAddress: 1 };
  const established = (group: number) => {
    const server = new ScriptedServer("dear", { ...limits, maxConnections: 100 });
    for (let port = 1; port <= 20; port++) {
      const page = new ScriptedPage(server, false, {}, ["1.3"], undefined, [group]);
      page.open({ address: "192.0.2.1", port });
      page.dtls.close(0);
    }
    return [...server.endpoint.connections()].filter((connection) => connection.established).length;
  };
  expect(established(X25519)).toBe(17);
  expect(established(SECP384R1)).toBe(2);
});

test("it forgets blocks whose budget is full again, and remembers no more than so many", () => {
  const budget = new HandshakeBudget({ ...RATES, server: { burstUnits: 1e6, unitsPerSecond: 1e6 } });
  for (let i = 0; i < 20_000; i++) budget.begin(0, blocksOf(in48(i)), blocksOf(`10.0.${i >> 8}.${i & 255}`));
  expect(budget.size).toBeLessThan(10_000);
  budget.begin(60_000, blocksOf("192.0.2.1"), UNKNOWN);
  budget.begin(60_000, blocksOf("192.0.2.1"), blocksOf("192.0.2.1"));
  expect(budget.size).toBeLessThan(10);
});

test("a hello beyond the budget of its address is counted and not answered, and one that is repeated later is", () => {
  const server = new ScriptedServer("budget", { maxHandshakesPerAddress: 1, maxHandshakesPerSecondPerAddress: 2 });
  const [first, second] = [new ScriptedPage(server), new ScriptedPage(server)];
  const at = (port: number) => ({ address: "192.0.2.1", port });
  first.open(at(1));
  second.check(at(2), true);
  second.dtls.start(0);
  const [hello] = second.outbox;
  second.converse(at(2));
  expect(second.connection.established).toBe(false);
  expect(server.endpoint.drops.get("handshake-budget")).toBe(1);
  server.runUntil(500);
  second.outbox.push(hello);
  second.converse(at(2));
  expect(second.connection.established).toBe(true);
});
