import { createRequire } from "node:module";

/** A package from `bench/peers`, which has a lock file of its own: no dependency of ours. */
export const peers = createRequire(new URL("../peers/package.json", import.meta.url));
