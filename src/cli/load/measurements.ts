import { Histogram, type Quantiles } from "./histogram.ts";

/** One second of the run, by the time at which its messages were sent. */
export interface Second {
  sent: number;
  received: number;
  readonly rtt: Histogram;
  /** Connections that were open at its end. */
  open: number;
}

/** The same in numbers, for files. */
export interface SecondReport {
  readonly sent: number;
  readonly received: number;
  readonly open: number;
  readonly rttP50Ms: number | null;
  readonly rttP99Ms: number | null;
  readonly rttMaxMs: number | null;
}

/**
 * CPU time of this process, and of the server where it tells: user and system, of all threads, from the first message to the
 * last echo, by the echoes that came. What opening and closing took is not in it, everything else is.
 */
export interface CpuReport {
  readonly microsecondsPerMessage: number;
  readonly serverMicrosecondsPerMessage: number | undefined;
}

export interface Report {
  readonly url: string;
  readonly clients: number;
  readonly rateHz: number;
  readonly bytes: number;
  /** Seconds in which messages were sent. */
  readonly seconds: number;
  readonly interrupted: boolean;
  /** It ended early, as no client was open any more. */
  readonly lostAll: boolean;
  readonly opened: number;
  readonly connectMs: Quantiles;
  readonly rttMs: Quantiles;
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly lostShare: number;
  readonly reordered: number;
  readonly duplicates: number;
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  /** By reason: `connect: udp-blocked`, `close: remote`, `send: refused`. */
  readonly errors: Readonly<Record<string, number>>;
  readonly cpu: CpuReport;
  readonly series: readonly SecondReport[];
}

/** All that is counted while a load runs. */
export class Measurements {
  readonly connect = new Histogram();
  readonly seconds: Second[] = [];
  readonly #errors = new Map<string, number>();
  sent = 0;
  received = 0;
  reordered = 0;
  duplicates = 0;
  foreign = 0;

  countError(reason: string): void {
    this.#errors.set(reason, (this.#errors.get(reason) ?? 0) + 1);
  }

  get errors(): Record<string, number> {
    return Object.fromEntries([...this.#errors].sort(([, a], [, b]) => b - a));
  }

  get errorCount(): number {
    let count = 0;
    for (const occurrences of this.#errors.values()) count += occurrences;
    return count;
  }

  /** The second in which something was sent, `elapsedMs` after the start. */
  secondAt(elapsedMs: number): Second {
    const index = Math.max(0, Math.floor(elapsedMs / 1_000));
    while (this.seconds.length <= index) this.seconds.push({ sent: 0, received: 0, rtt: new Histogram(), open: 0 });
    return this.seconds[index];
  }

  /** Round trips of all seconds. */
  rtt(): Histogram {
    const all = new Histogram();
    for (const { rtt } of this.seconds) all.add(rtt);
    return all;
  }

  series(): SecondReport[] {
    return this.seconds.map(({ sent, received, rtt, open }) => ({
      sent,
      received,
      open,
      rttP50Ms: orNull(rtt.quantile(0.5)),
      rttP99Ms: orNull(rtt.quantile(0.99)),
      rttMaxMs: orNull(rtt.quantile(1)),
    }));
  }
}

/** JSON has no NaN. */
function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
