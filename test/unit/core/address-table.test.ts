import { expect, test } from "vitest";
import { AddressTable, type Route } from "../../../src/core/address-table.ts";
import { Random } from "../../sim/random.ts";

const MASK = 0x2f3c_51a7;

test.each(Array.from({ length: 5 }, (_, i) => `table ${i}`))(
  "whatever is added and removed, in whatever order, is found or not (%s)",
  (seed) => {
    const random = new Random(seed);
    const table = new AddressTable<string>(random.below(2 ** 30));
    const known = new Map<string, Route<string>>();
    for (let step = 0; step < 1_000; step++) {
      // Few ports, so that addresses share them. Without `via` it is the same as with 0.
      const via = [undefined, 1, 2, 63][random.below(4)];
      const at = { address: `192.0.2.${random.below(40)}`, port: 1 + random.below(4), via };
      const name = `${at.address}:${at.port} by ${via}`;
      expect(table.find(at), `${name} [seed ${seed}]`).toBe(known.get(name));
      const route = known.get(name);
      if (route === undefined) known.set(name, table.add(at));
      else if (random.chance(0.6)) {
        table.remove(route);
        known.delete(name);
      }
      expect(table.size).toBe(known.size);
    }
  },
);

test("a route that was removed stays away, and does no harm when it is removed again", () => {
  const table = new AddressTable<string>(MASK);
  const [first, second] = ["192.0.2.1", "192.0.2.2"].map((address) => table.add({ address, port: 7 }));
  table.remove(first);
  table.remove(first);
  expect(table.find({ address: "192.0.2.1", port: 7 })).toBeUndefined();
  expect(table.find({ address: "192.0.2.2", port: 7 })).toBe(second);
  expect(table.size).toBe(1);
});

test("with 4,000 routes on one port, one is found by looking at no more than one other", () => {
  const table = new AddressTable<number>(MASK);
  let looks = 0;
  for (let i = 0; i < 4_000; i++) {
    const route = table.add({ address: `2001:db8::${i.toString(16)}`, port: 50_000 });
    route.sole = i;
    const { address } = route;
    Object.defineProperty(route, "address", {
      get() {
        looks++;
        return address;
      },
    });
  }
  for (let i = 0; i < 4_000; i += 37) {
    looks = 0;
    expect(table.find({ address: `2001:db8::${i.toString(16)}`, port: 50_000 })?.sole).toBe(i);
    expect(looks).toBeLessThanOrEqual(1);
  }
});
