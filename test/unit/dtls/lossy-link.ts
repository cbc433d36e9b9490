import type { Party } from "./support.ts";

/** What may happen to one datagram on its way: the datagrams that arrive in its place, each after an extra delay. */
export type Fault = (
  datagram: Uint8Array,
  now: number,
  from: "client" | "server",
) => { datagram: Uint8Array; extraMs: number }[];

export const FAULTS: Record<string, Fault> = {
  lost: () => [],
  duplicated: (datagram) => [
    { datagram, extraMs: 0 },
    { datagram, extraMs: 3 },
  ],
  "overtaken by the next ones": (datagram) => [{ datagram, extraMs: 30 }],
  "damaged, and so dropped by the UDP checksum": () => [],
};

export interface Outcome {
  readonly client: Party;
  readonly server: Party;
  /** Virtual milliseconds until both were connected; `Infinity` where they never were. */
  readonly connectedMs: number;
  /** Datagrams that were sent until then. */
  readonly datagrams: number;
}

/**
 * A client and a server over a link in virtual time, `delayMs` each way, on which `fault` strikes the `count` datagrams from
 * number `struck` on (counted over both directions). Runs until both are connected or closed, or nothing will ever happen any more.
 */
export function runOverLink(
  client: Party,
  server: Party,
  { delayMs = 10, struck = -1, count = 1, fault = FAULTS.lost, untilMs = 60_000 } = {},
): Outcome {
  const queue: { at: number; to: Party; datagram: Uint8Array }[] = [];
  let now = 0;
  let datagrams = 0;
  let connectedMs = Number.POSITIVE_INFINITY;
  client.connection.start(now);
  while (now <= untilMs) {
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      for (const datagram of from.take()) {
        const strikes = datagrams >= struck && datagrams < struck + count;
        datagrams++;
        const arrivals = strikes
          ? fault(datagram, now, from === client ? "client" : "server")
          : [{ datagram, extraMs: 0 }];
        for (const { datagram: arriving, extraMs } of arrivals) {
          queue.push({ at: now + delayMs + extraMs, to, datagram: arriving });
        }
      }
    }
    const states = [client.connection.state, server.connection.state];
    if (connectedMs === Number.POSITIVE_INFINITY && states.every((state) => state === "connected")) connectedMs = now;
    queue.sort((a, b) => a.at - b.at);
    const next = queue[0];
    const deadline = Math.min(client.connection.nextDeadline, server.connection.nextDeadline);
    if (next === undefined && deadline === Number.POSITIVE_INFINITY) break;
    if (next !== undefined && next.at <= deadline) {
      queue.shift();
      now = next.at;
      next.to.connection.handleDatagram(now, next.datagram);
    } else {
      now = deadline;
      for (const { connection } of [client, server]) if (connection.nextDeadline <= now) connection.handleTimeout(now);
    }
  }
  return { client, server, connectedMs, datagrams };
}
