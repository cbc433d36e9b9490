/** Pages that change between IPv4 and IPv6 paths. The full size is `npm run paths:browsers`. */
import { expect, test } from "vitest";
import { loadPages } from "./paths-table.ts";

test.each(["chromium", "firefox"] as const)("%s loses no echo while it settles on a path", async (name) => {
  const { lost, unproven } = await loadPages(name, 3);
  expect({ lost, unproven }).toEqual({ lost: 0, unproven: 0 });
});
