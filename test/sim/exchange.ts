import { Flow } from "./flow.ts";
import type { Host, Network } from "./network.ts";

/** One end of an open connection, as an application sees it. */
export interface End {
  readonly host: Host;
  /** Sends an unreliable, unordered message. */
  send(now: number, message: Uint8Array): void;
  /** Called with each message that arrives. */
  onMessage: (message: string | Uint8Array) => void;
}

export interface ExchangeOptions {
  messages: number;
  messageBytes: number;
  intervalMs: number;
}

export interface Exchange {
  /** Messages of the first end. */
  readonly there: Flow;
  /** Messages of the second end. */
  readonly back: Flow;
}

/** After the last message, everything that may still arrive does so: round trips, retransmissions, closed windows. */
const SETTLE_MS = 10_000;

/** Both ends send at a steady rate, each in its own phase, and count what arrives. */
export function exchange(network: Network, one: End, other: End, options: ExchangeOptions): Exchange {
  const { messages, messageBytes, intervalMs } = options;
  const there = new Flow(messageBytes);
  const back = new Flow(messageBytes);
  one.onMessage = (message) => back.receive(message);
  other.onMessage = (message) => there.receive(message);
  const start = network.now;
  const random = network.random.fork("phase");
  for (const [end, flow] of [
    [one, there],
    [other, back],
  ] as const) {
    const phase = random.unit() * intervalMs;
    network.every(start + phase, intervalMs, messages, end.host, (_, now) => end.send(now, flow.next()));
  }
  network.runUntil(start + messages * intervalMs + SETTLE_MS);
  return { there, back };
}
