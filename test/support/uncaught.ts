/** Collects what surfaces as uncaught while `act` runs, in place of whoever listens otherwise. */
export async function uncaughtDuring(act: () => Promise<unknown>): Promise<unknown[]> {
  const errors: unknown[] = [];
  const collect = (error: unknown) => void errors.push(error);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", collect);
  try {
    await act();
    // What was thrown last surfaces in a microtask of its own.
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off("uncaughtException", collect);
    for (const other of others) process.on("uncaughtException", other);
  }
  return errors;
}
