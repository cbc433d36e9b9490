import { surface } from "../application/user-code.ts";
import { checkNames, type Names } from "../application/names.ts";

/**
 * Where a trace goes. Functions of the application, called when the call that gave rise to it is done, with as much as there is. What
 * they throw surfaces as an uncaught error and ends the trace, never the connection.
 *
 * @example
 * connection.trace({ events: (line) => console.log(line) });
 */
export interface TraceSink {
  /**
   * The next bytes of a capture in pcapng: the datagrams, the keys to decrypt them, and the SCTP packets in the clear. Wireshark opens
   * it without further settings. The bytes are yours to keep.
   */
  pcapng?: (bytes: Uint8Array) => void;
  /** One JSON text of a qlog sequence, without a line end: first a header, then one for each event. `docs/trace.md` lists them. */
  events?: (line: string) => void;
  /** Nothing follows. Called too where one of the others has thrown. */
  end?: () => void;
}

/** A session that may be traced: signalling has agreed on it, and no datagram of it has come yet. */
export interface TracedSession {
  /** That of the connection. Empty where a client's server does not say it. */
  readonly id: string;
  /** Of a server: what the application attached to the peer when it signalled. */
  readonly userData: unknown;
  /** Of a server: the IP address that the offer came from, where it is known. Of a client: the first address that it will try. */
  readonly remoteAddress: string | undefined;
}

/** Says where the trace of a session goes; `undefined` for none. */
export type ChooseTrace = (session: TracedSession) => TraceSink | undefined;

/** Asks the application; its bug is no reason to refuse a session. */
export function chooseTrace(choose: ChooseTrace | undefined, session: TracedSession): TraceSink | undefined {
  if (choose === undefined) return undefined;
  try {
    const sink = choose(session);
    if (sink !== undefined) checkTraceSink(sink);
    return sink;
  } catch (error) {
    surface(error);
    return undefined;
  }
}

const TRACE_SINK: Names<TraceSink> = { pcapng: true, events: true, end: true };

/** @throws TypeError that names what is wrong */
export function checkTraceSink(sink: TraceSink): void {
  checkNames("trace", sink, TRACE_SINK, "a function of a trace's sink");
  for (const [name, code] of Object.entries(sink)) {
    if (code !== undefined && typeof code !== "function") throw new TypeError(`trace.${name} must be a function`);
  }
}
