import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/** Bytes in use after garbage collection: JavaScript heap, array buffers and other memory it owns. */
export function usedBytes(): number {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  // The first collection may leave objects that finalizers hold; the next ones take them.
  for (let round = 0; round < 3; round++) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** How much more memory is in use after `work` than before. Run the work once beforehand, so that code and caches are warm. */
export function growthOf(work: () => void): number {
  const before = usedBytes();
  work();
  return usedBytes() - before;
}
