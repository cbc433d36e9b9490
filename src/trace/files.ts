import { closeSync, openSync, writeSync } from "node:fs";
import type { TraceSink } from "./sink.ts";

/** RFC 7464 §2.2: in front of each JSON text of a sequence. */
const RECORD_SEPARATOR = "\x1e";

/**
 * Writes a trace to `<path>.pcapng`, for Wireshark, and `<path>.sqlog`, a sequence of JSON texts. Both are made anew, and only
 * their owner may read them. Each write waits for the system: that is for looking into a connection, not for all of them.
 *
 * @throws the system's error where a file cannot be made
 *
 * @example
 * server.trace(connection.id, traceToFiles("player-7"));
 */
export function traceToFiles(path: string): TraceSink {
  const files: number[] = [];
  const close = () => {
    for (const file of files) closeSync(file);
  };
  try {
    for (const name of [`${path}.pcapng`, `${path}.sqlog`]) files.push(openSync(name, "w", 0o600));
  } catch (error) {
    close();
    throw error;
  }
  const [capture, events] = files;
  return {
    pcapng: (bytes) => writeAll(capture, bytes),
    events: (line) => writeAll(events, encoder.encode(`${RECORD_SEPARATOR}${line}\n`)),
    end: close,
  };
}

const encoder = new TextEncoder();

/** The system may take a part of it only. */
function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}
