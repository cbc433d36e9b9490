/** A game beside a download on the same connection. The full size is `npm run bulk:browsers`. */
import { describe, expect, test } from "vitest";
import { measureBulk } from "./bulk-table.ts";

const OPTIONS = { seconds: 5, loss: 0.02, delayMs: 20, seed: "bulk" };
/** The connection takes four messages of bulk before it says that its queue is full. */
const QUEUED = 4;

describe.concurrent.each(["chromium", "chromium-interleaving", "firefox"])("%s", (kind) => {
  test("60 messages a second overtake the bulk that was sent before them", async () => {
    const [, down] = await measureBulk(kind, "download", OPTIONS);
    expect(down.sent).toBe(60 * OPTIONS.seconds);
    expect(down.arrived, JSON.stringify(down)).toBeGreaterThan(0.8 * down.sent);
    expect(down.overtaken, JSON.stringify(down)).toBeGreaterThanOrEqual(QUEUED - 2);
    expect(down.bulkMbits).toBeGreaterThan(0);
  });
});
