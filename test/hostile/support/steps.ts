import { Outstanding } from "../../../src/sctp/outstanding.ts";
import { counter } from "./counted-module.ts";

/**
 * Counts the steps of a piece of work: calls of what work is made of in this code, each element of a list that is gone over
 * included. It is not time, but what takes time in proportion to something shows in it, the same in each run.
 *
 * Comparisons of serial numbers count where the test has replaced `wire/serial.ts` by {@link countedModule} of it.
 */
export function stepsOf(work: () => void): number {
  const undo = replaceMethods();
  const before = counter.steps;
  try {
    work();
  } finally {
    for (const restore of undo) restore();
  }
  return counter.steps - before;
}

// biome-ignore lint/suspicious/noExplicitAny: methods of all kinds
type Method = (this: any, ...args: any[]) => unknown;
type Methods = Record<string, Method>;

const ONE = () => 1;
const LENGTH = (self: { length: number }) => self.length;
const SIZE = (self: { size: number }) => self.size;

/** How many steps each method is. */
const COUNTED: readonly (readonly [object, readonly string[], (self: never) => number])[] = [
  [Map.prototype, ["get", "set", "has", "delete"], ONE],
  [Map.prototype, ["keys", "values", "entries"], SIZE],
  [Set.prototype, ["add", "has", "delete"], ONE],
  [Set.prototype, ["keys", "values"], SIZE],
  [Array.prototype, ["push", "pop", "shift"], ONE],
  [Array.prototype, ["filter", "map", "includes", "indexOf", "find", "some", "every", "sort", "slice"], LENGTH],
  [Object.getPrototypeOf(Uint8Array.prototype), ["slice", "subarray", "set", "fill"], ONE],
  [DataView.prototype, ["getUint16", "setUint16", "getUint32", "setUint32"], ONE],
  [TextDecoder.prototype, ["decode"], ONE],
  [Outstanding.prototype, ["at"], ONE],
];

function replaceMethods(): (() => void)[] {
  return COUNTED.flatMap(([prototype, names, count]) =>
    names.map((name) => {
      const methods = prototype as Methods;
      const original = methods[name];
      methods[name] = function (...args) {
        counter.steps += count(this as never);
        return original.apply(this, args);
      };
      return () => {
        methods[name] = original;
      };
    }),
  );
}
