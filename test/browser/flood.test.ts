/** Unwanted input beside a connected browser. The full size is `npm run flood`. */
import { expect, test } from "vitest";
import { flood, MEMORY_BOUND_BYTES } from "./flood-table.ts";

test("a flood of bad checks, hellos and offers leaves memory as it was and a browser's echo flowing", async () => {
  const { idle, flooded, heapGrowth, drops, statuses } = await flood("chromium", 0.05);
  expect(drops["stun-bad-integrity"]).toBeGreaterThan(5_000);
  expect(drops["unknown-address"]).toBeGreaterThan(5_000);
  expect(statuses.get(200)).toBe(500);
  expect(heapGrowth).toBeLessThan(MEMORY_BOUND_BYTES);
  expect(idle.distinct).toBe(idle.sent);
  // An unreliable message may be lost where the socket's buffer is full; a browser that is shut out loses them all.
  expect(flooded.distinct).toBeGreaterThan(0.9 * flooded.sent);
});
