import { expect, test } from "vitest";
import { blocksOf, heaviness, type Share, Shares } from "../../../src/core/shares.ts";
import { Random } from "../../sim/random.ts";

test.each([
  ["192.0.2.1", ["192.0.2.1"]],
  ["::ffff:192.0.2.1", ["192.0.2.1"]],
  ["64:ff9b::192.0.2.1", ["64:ff9b:0:0:0:0:c000:201"]],
  ["2001:db8:1:2:3::4", ["2001:db8:1:2::/64", "2001:db8:1:0::/56", "2001:db8:1::/48"]],
  ["2001:db8:1:1ff::%eth0", ["2001:db8:1:1ff::/64", "2001:db8:1:100::/56", "2001:db8:1::/48"]],
  ["no address", [""]],
  [undefined, [""]],
])("%s counts in its own blocks", (address, blocks) => {
  expect(new Shares().take(blocksOf(address)).map(({ block }) => block)).toEqual(blocks);
});

test.each([
  ["an IPv4 address", 3, () => "192.0.2.1"],
  ["a /64", 3, (i: number) => `2001:db8::${i}`],
  ["a /56 whose addresses have each a /64", 6, (i: number) => `2001:db8:0:${i}::`],
  ["a /48 whose addresses have each a /56", 12, (i: number) => `2001:db8:0:${i}00::`],
])("where an address may have three places, %s may have %i", (_, places, address) => {
  const shares = new Shares();
  let taken = 0;
  while (shares.full(blocksOf(address(taken)), 3) === undefined) shares.take(blocksOf(address(taken++)));
  expect(taken).toBe(places);
});

test("what is given back is forgotten, whatever the order (20 seeds)", () => {
  for (let i = 0; i < 20; i++) {
    const random = new Random(`shares ${i}`);
    const shares = new Shares();
    const held: Share[] = [];
    const addresses = () =>
      random.chance(0.5) ? `192.0.2.${random.below(9)}` : `2001:db8:${random.below(3)}:${random.below(999)}::`;
    for (let step = 0; step < 500; step++) {
      if (random.chance(0.5)) held.push(shares.take(blocksOf(addresses())));
      else for (const share of held.splice(random.below(held.length + 1), 1)) shares.give(share);
      expect(shares.size, `[seed ${i}]`).toBeLessThanOrEqual(3 * held.length);
    }
    for (const share of held) shares.give(share);
    expect(shares.size, `[seed ${i}]`).toBe(0);
  }
});

test("how heavy somebody is, is said in places of one address", () => {
  const shares = new Shares();
  const one = shares.take(blocksOf("2001:db8::1"));
  expect(heaviness(one)).toBe(1);
  for (let i = 1; i <= 7; i++) shares.take(blocksOf(`2001:db8:0:${i}::1`));
  expect(heaviness(one)).toBe(4);
  expect(["2001:db8::2", "192.0.2.1"].map((address) => shares.heavinessOf(blocksOf(address)))).toEqual([4, 0]);
});
