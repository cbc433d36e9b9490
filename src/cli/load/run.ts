import { setMaxListeners } from "node:events";
import { type ClientConnection, connect } from "../../client/native/connect.ts";
import { ConnectError } from "../../errors.ts";
import { Flows } from "./flows.ts";
import { Measurements, type Report, type Second } from "./measurements.ts";
import type { LoadOptions } from "./options.ts";

/** Clients on their way to open at once: an overloaded machine opens more slowly, instead of not at all. */
const MAX_OPENING = 32;
/**
 * Messages are sent in bursts of this many milliseconds' worth at least: what is sent in one is still in the processor's caches
 * when it is flushed (at 1,000 clients × 20 Hz 4 ms cost 3 % more, and twice the round trip).
 */
const TICK_MS = 2;
/** Of a slow run: to notice that it was interrupted. */
const MAX_TICK_MS = 50;
/** After the last message, for those that are under way. */
const DRAIN_MS = 1_000;
const DRAIN_STEP_MS = 50;
/** For the server to say how much CPU time it has used. */
const STATS_MS = 1_000;
/** A tick that came later than this does not make up for all that it missed. */
const MAX_BEHIND_MS = 1_000;

export type Phase = "opening" | "sending" | "draining" | "done";

/** One run: opens the clients, sends at an even pace over all of them, waits for the last echoes, closes. */
export class LoadRun {
  readonly options: LoadOptions;
  readonly measurements = new Measurements();
  phase: Phase = "opening";
  /** The open connections, and beside each its number among the flows. */
  readonly #connections: ClientConnection[] = [];
  readonly #numbers: number[] = [];
  readonly #flows: Flows;
  readonly #stop = new AbortController();
  /** Whose turn it was to send. */
  #turn = 0;
  #startedAt = 0;
  #sentMs = 0;
  #lostAll = false;
  #cpuMicroseconds = 0;
  #serverCpuMicroseconds: number | undefined;

  constructor(options: LoadOptions) {
    this.options = options;
    this.#flows = new Flows(options.clients, options.bytes);
    // One for each client that is being opened: not the leak that Node would suspect.
    setMaxListeners(0, this.#stop.signal);
  }

  get openCount(): number {
    return this.#connections.length;
  }

  /** Milliseconds into sending. */
  get elapsedMs(): number {
    return this.phase === "sending" ? performance.now() - this.#startedAt : this.#sentMs;
  }

  /** Ends the run early; what was measured so far counts. */
  interrupt(): void {
    this.#stop.abort();
  }

  /** @throws ConnectError where the very first client does not open: then no other will; RangeError where the messages are too long */
  async run(): Promise<Report> {
    try {
      await this.#open();
      const serverCpu = this.#isStopped ? undefined : await this.#serverCpuMs();
      const cpu = process.cpuUsage();
      await this.#send();
      await this.#drain();
      const { user, system } = process.cpuUsage(cpu);
      this.#cpuMicroseconds = user + system;
      const serverCpuAfter = serverCpu === undefined ? undefined : await this.#serverCpuMs();
      if (serverCpuAfter !== undefined) this.#serverCpuMicroseconds = 1_000 * (serverCpuAfter - serverCpu!);
    } finally {
      this.phase = "done";
      for (const connection of this.#connections.splice(0)) connection.close();
    }
    return this.#report();
  }

  async #open(): Promise<void> {
    const { clients, rampMs } = this.options;
    const start = performance.now();
    const first = await this.#openOne(0);
    if (first !== undefined && !this.#isStopped) throw first;
    const opening = new Set<Promise<unknown>>();
    for (let i = 1; i < clients && !this.#isStopped; i++) {
      await this.#sleep(start + (i * rampMs) / Math.max(1, clients - 1) - performance.now());
      if (opening.size >= MAX_OPENING) await Promise.race(opening);
      if (this.#isStopped) break;
      const one: Promise<unknown> = this.#openOne(i).finally(() => opening.delete(one));
      opening.add(one);
    }
    await Promise.all(opening);
  }

  async #openOne(number: number): Promise<unknown> {
    const { url, timeoutMs, conditioner, bytes } = this.options;
    const start = performance.now();
    try {
      const connection = await connect(url, {
        timeoutMs,
        signal: this.#stop.signal,
        // Else all clients would lose the same datagrams at the same time.
        ...(conditioner && { conditioner: { ...conditioner, seed: `${conditioner.seed ?? "load"} ${number}` } }),
        onMessage: ({ data }) => this.#receive(number, data),
      });
      if (bytes > connection.maxMessageBytes) {
        connection.close();
        throw new RangeError(`--size ${bytes} is more than the server takes: ${connection.maxMessageBytes} bytes`);
      }
      this.measurements.connect.record(performance.now() - start);
      this.#connections.push(connection);
      this.#numbers.push(number);
      connection.on("close", (reason) => this.#lose(connection, reason));
      return undefined;
    } catch (error) {
      if (!this.#isStopped) this.measurements.countError(`connect: ${reasonOf(error)}`);
      return error;
    }
  }

  #lose(connection: ClientConnection, reason: string): void {
    const at = this.#connections.indexOf(connection);
    if (at < 0 || this.phase === "done") return;
    this.#connections.splice(at, 1);
    this.#numbers.splice(at, 1);
    this.measurements.countError(`close: ${reason}`);
  }

  /** All clients in turn, as many messages a tick as are due: so each client's messages are evenly spread, too. */
  async #send(): Promise<void> {
    const { rateHz, durationMs } = this.options;
    this.phase = "sending";
    this.#startedAt = performance.now();
    const end = this.#startedAt + durationMs;
    let last = this.#startedAt;
    let due = 0.5; // What is due is rounded, so that a second at 1 Hz has its message.
    await new Promise<void>((resolve) => {
      const tick = () => {
        if (this.#isStopped || this.#connections.length === 0 || last >= end) {
          resolve();
          return;
        }
        const now = Math.min(performance.now(), end);
        due += (Math.min(now - last, MAX_BEHIND_MS) / 1_000) * rateHz * this.#connections.length;
        last = now;
        this.#secondAt(now).open = this.#connections.length;
        this.#sendBurst(Math.floor(due));
        due %= 1;
        const untilNextMs = ((1 - due) * 1_000) / (rateHz * this.#connections.length);
        setTimeout(tick, Math.max(TICK_MS, Math.min(untilNextMs, end - now, MAX_TICK_MS)));
      };
      tick();
    });
    this.#sentMs = last - this.#startedAt;
    this.#lostAll = this.#connections.length === 0 && !this.#isStopped;
  }

  #sendBurst(messages: number): void {
    const { measurements } = this;
    // Sending may bring out that a connection is closed, which then is none of them any more.
    for (let i = 0; i < messages && this.#connections.length > 0; i++) {
      this.#turn = (this.#turn + 1) % this.#connections.length;
      const now = performance.now();
      if (this.#connections[this.#turn].trySend(this.#flows.next(this.#numbers[this.#turn], now))) {
        // By the time that the message itself bears, as its echo is.
        this.#secondAt(now).sent++;
        measurements.sent++;
      } else measurements.countError("send: refused");
    }
  }

  /** The last messages leave a moment after the end, and belong to the last second. */
  #secondAt(time: number): Second {
    return this.measurements.secondAt(Math.min(time - this.#startedAt, this.options.durationMs - 1));
  }

  async #drain(): Promise<void> {
    this.phase = "draining";
    const { measurements } = this;
    for (let waited = 0; waited < DRAIN_MS && measurements.received < measurements.sent; waited += DRAIN_STEP_MS) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP_MS));
    }
  }

  #receive(number: number, data: Uint8Array | string): void {
    const { measurements } = this;
    const now = performance.now();
    const arrival = this.#flows.receive(number, now, data);
    if (arrival === "duplicate") measurements.duplicates++;
    else if (arrival === "foreign") measurements.foreign++;
    else {
      measurements.received++;
      if (arrival === "late") measurements.reordered++;
      const { roundTripMs } = this.#flows;
      const second = this.#secondAt(now - roundTripMs);
      second.received++;
      second.rtt.record(roundTripMs);
    }
  }

  #report(): Report {
    const { measurements } = this;
    const { url, clients, rateHz, bytes } = this.options;
    const { sent, received, reordered, duplicates, connect: connected } = measurements;
    const seconds = this.#sentMs / 1_000;
    const perMessage = (microseconds: number) => microseconds / Math.max(1, received);
    return {
      url,
      clients,
      rateHz,
      bytes,
      seconds,
      interrupted: this.#isStopped,
      lostAll: this.#lostAll,
      opened: connected.count,
      connectMs: connected.quantiles(),
      rttMs: measurements.rtt().quantiles(),
      sent,
      received,
      lost: sent - received,
      lostShare: sent === 0 ? 0 : (sent - received) / sent,
      reordered,
      duplicates,
      messagesPerSecond: seconds === 0 ? 0 : received / seconds,
      bytesPerSecond: seconds === 0 ? 0 : (received * bytes) / seconds,
      errors: measurements.errors,
      cpu: {
        microsecondsPerMessage: perMessage(this.#cpuMicroseconds),
        serverMicrosecondsPerMessage:
          this.#serverCpuMicroseconds === undefined ? undefined : perMessage(this.#serverCpuMicroseconds),
      },
      series: measurements.series(),
    };
  }

  /** CPU time of our own echo server, which tells at /stats; of others nothing is known. */
  async #serverCpuMs(): Promise<number | undefined> {
    try {
      const response = await fetch(new URL("/stats", this.options.url), { signal: AbortSignal.timeout(STATS_MS) });
      const { cpuMs } = (await response.json()) as { cpuMs?: unknown };
      return typeof cpuMs === "number" ? cpuMs : undefined;
    } catch {
      return undefined;
    }
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Wakes early where the run is interrupted. */
  #sleep(ms: number): Promise<void> {
    const { signal } = this.#stop;
    if (ms <= 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener("abort", wake);
    });
  }
}

/** The code of a `ConnectError`, with the status or the system's code behind it: `refused (503)`, `unreachable (ECONNRESET)`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof ConnectError)) return String(error);
  const { code, status } = error;
  // What `fetch` throws has the system's error as its own cause.
  const cause = error.cause as { code?: string; cause?: { code?: string } } | undefined;
  const detail = status ?? cause?.code ?? cause?.cause?.code;
  return detail === undefined ? code : `${code} (${detail})`;
}
