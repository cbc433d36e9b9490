/** Channels that are closed and opened again at once, on a line that loses. The full size is `npm run reopen:browsers`. */
import { expect, test } from "vitest";
import { BROWSERS } from "../support/browsers.ts";
import { withScene } from "../support/scene.ts";
import { KINDS, reopen } from "./reopen-table.ts";

const SEED = "reopen";
const OPTIONS = { channels: 20, atOnce: 4, loss: 0.1, patienceMs: 30_000 };

test.concurrent.each(BROWSERS)(
  "%s: none is dead, and no message comes by another channel than its own",
  async (name) => {
    const kinds = KINDS.filter(({ order }) => order === "in turn");
    const rows = await withScene(name, { conditions: { delayMs: 5, seed: `${SEED} ${name}` } }, (scene) =>
      Promise.all(kinds.map((kind) => reopen(scene, kind, OPTIONS))),
    );
    const found = rows.map(({ kind, reopened, dead, misdelivered }) => ({ ...kind, reopened, dead, misdelivered }));
    const good = { reopened: OPTIONS.channels, dead: [], misdelivered: [] };
    expect(found).toEqual(kinds.map((kind) => ({ ...kind, ...good })));
  },
);
