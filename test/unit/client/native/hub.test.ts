import { expect, test } from "vitest";
import { reserveHub } from "../../../../src/client/native/hub.ts";

test("a hub is shared until it is full, and again once one of its places is given back", () => {
  const hub = reserveHub();
  while (hub.hasRoom) expect(reserveHub()).toBe(hub);
  expect(reserveHub()).not.toBe(hub);
  hub.release();
  expect(reserveHub()).toBe(hub);
  expect(hub.hasRoom).toBe(false);
});
