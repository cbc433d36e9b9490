/** Calls a function of the application. What it throws is the application's bug and surfaces as an uncaught error. */
export function callUserCode<Argument>(code: (argument: Argument) => void, argument: Argument): void {
  try {
    code(argument);
  } catch (error) {
    surface(error);
  }
}

/** The same function, for code that must not be disturbed by what it throws. `undefined` where there is none. */
export function guarded<Argument>(code: ((argument: Argument) => void) | undefined) {
  return code && ((argument: Argument) => callUserCode(code, argument));
}

/** Throws it where nobody catches it: the process hears of it, and whoever calls is not disturbed. */
export function surface(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
