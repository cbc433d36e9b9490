/** Of `stepsOf`; here, because a module that is replaced must not need one that imports it. */
export const counter = { steps: 0 };

/** A module whose functions count their calls, for `vi.mock`. */
export function countedModule<Module extends object>(module: Module): Module {
  const entries = Object.entries(module).map(([name, value]) => [
    name,
    typeof value === "function"
      ? (...args: unknown[]) => {
          counter.steps++;
          return value(...args);
        }
      : value,
  ]);
  return Object.fromEntries(entries) as Module;
}
