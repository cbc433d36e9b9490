import { appendFileSync } from "node:fs";
import { emitWarning, env } from "node:process";

/** Files that could not be written: nothing is tried with them again, and nobody is told twice. */
const unwritable = new Set<string>();

/**
 * Appends key log lines to the file that `$SSLKEYLOGFILE` names, as browsers and OpenSSL do; `undefined` where it is not set. A file
 * that cannot be written is no reason to end a handshake, or the process: there is one warning, and no key log.
 */
export function sslKeyLog(): ((line: string) => void) | undefined {
  const file = keyLogFile();
  return file ? (line) => append(file, line) : undefined;
}

function append(file: string, line: string): void {
  if (unwritable.has(file)) return;
  try {
    appendFileSync(file, `${line}\n`, { mode: 0o600 });
  } catch (error) {
    unwritable.add(file);
    emitWarning(`no key log: SSLKEYLOGFILE ${file} cannot be written: ${(error as Error).message}`);
  }
}

function keyLogFile(): string | undefined {
  try {
    return env.SSLKEYLOGFILE;
  } catch {
    return undefined; // Deno may forbid to look.
  }
}
