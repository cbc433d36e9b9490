import { expect, it } from "vitest";
import { NOWHERE, type Occupant, Places } from "../../../src/core/places.ts";
import { blocksOf, type Share } from "../../../src/core/shares.ts";
import { usedBytes } from "../../hostile/support/memory.ts";

const PLACES = 32;
const HELD_BYTES = 10_000;

class Guest implements Occupant {
  progress = 0;
  signalled: Share = NOWHERE;
  source: Share = NOWHERE;
  since = 0;
  turn = 0;
  readonly held = new Uint8Array(HELD_BYTES);
}

function originOf(index: number) {
  const blocks = blocksOf(`10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`);
  return { signalled: blocks, source: blocks };
}

/** A full table in which somebody had to make room once. */
function fullTable() {
  const places = new Places<Guest>({ perAddress: PLACES, patienceMs: [1_000] });
  const guests = Array.from({ length: PLACES }, () => new Guest());
  for (const [index, guest] of guests.entries()) places.enter(0, guest, originOf(index));
  return { places, guests };
}

it("a table holds nothing of those who have left, though nobody had to make room since", () => {
  const { places, guests } = fullTable();
  expect(places.inTheWayOf(5_000, originOf(PLACES), PLACES)).toBeInstanceOf(Guest);
  const before = usedBytes();
  const passing = 2_000;
  for (let index = 0; index < passing; index++) {
    const guest = new Guest();
    places.leave(guests.shift()!);
    places.enter(index, guest, originOf(index));
    guests.push(guest);
  }
  expect(usedBytes() - before).toBeLessThan((passing * HELD_BYTES) / 10);
});

it("everybody in a full table is looked at in turn, whoever leaves and comes meanwhile", () => {
  const { places, guests } = fullTable();
  const gone = new Set<Guest>();
  // Each newcomer displaces one who has been there for long, until all of the first have gone.
  for (let index = PLACES; index < 2 * PLACES; index++) {
    const out = places.inTheWayOf(5_000, originOf(index), PLACES) as Guest;
    expect(guests).toContain(out);
    gone.add(out);
    places.leave(out);
    places.enter(5_000, new Guest(), originOf(index));
  }
  expect(gone.size).toBe(PLACES);
  expect(places.inTheWayOf(5_500, originOf(3 * PLACES), PLACES)).toBe("later");
  expect(places.size).toBe(PLACES);
});
