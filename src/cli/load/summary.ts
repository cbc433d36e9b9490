import type { Quantiles } from "./histogram.ts";
import type { Report } from "./measurements.ts";
import type { Thresholds } from "./options.ts";

/** The run in a table of text. */
export function summary(report: Report): string {
  const { opened, clients, connectMs, rttMs, cpu } = report;
  const rows: [string, string][] = [
    ["clients", `${opened} of ${clients} opened${opened > 0 ? `, ${quantiles(connectMs)}` : ""}`],
    ["sent", `${count(report.sent)} messages of ${report.bytes} B in ${report.seconds.toFixed(1)} s`],
    ["lost", `${count(report.lost)} (${percent(report.lostShare)})`],
    ["reordered", `${count(report.reordered)}, duplicates ${count(report.duplicates)}`],
    ["round trip", report.received > 0 ? quantiles(rttMs) : "none"],
    ["throughput", `${count(Math.round(report.messagesPerSecond))} echoes/s, ${bits(report.bytesPerSecond)} each way`],
    ["CPU time", cpuText(cpu.microsecondsPerMessage, cpu.serverMicrosecondsPerMessage)],
    ["errors", errors(report.errors)],
  ];
  const title = report.interrupted ? "interrupted; until then:" : `${report.url}:`;
  return [title, ...rows.map(([name, text]) => `  ${name.padEnd(11)} ${text}`)].join("\n");
}

/** One sentence for each threshold that was missed, and for a run that lost all its clients. */
export function missedThresholds(report: Report, thresholds: Thresholds): string[] {
  const { loss, p50, p99, connectP99, errors: maxErrors } = thresholds;
  const missed: string[] = [];
  const check = (name: string, value: number, limit: number | undefined, text: (value: number) => string) => {
    // Where nothing came back at all there is no round trip, and that misses every limit.
    if (limit !== undefined && !(value <= limit)) missed.push(`${name} ${text(value)} is over ${text(limit)}`);
  };
  if (report.lostAll) missed.push(`no client was left after ${report.seconds.toFixed(1)} s`);
  check("loss", report.lostShare, loss, percent);
  check("round trip p50", report.rttMs.p50, p50, milliseconds);
  check("round trip p99", report.rttMs.p99, p99, milliseconds);
  check("time to open p99", report.connectMs.p99, connectP99, milliseconds);
  const occurred = Object.values(report.errors).reduce((sum, occurrences) => sum + occurrences, 0);
  check("number of errors", occurred, maxErrors, String);
  return missed;
}

export function milliseconds(value: number): string {
  if (Number.isNaN(value)) return "–";
  return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 3 : 1)} %`;
}

export function count(value: number): string {
  return value.toLocaleString("en");
}

function quantiles({ p50, p90, p99, p999, max }: Quantiles): string {
  const parts = { p50, p90, p99, "p99.9": p999, max };
  return Object.entries(parts)
    .map(([name, value]) => `${name} ${milliseconds(value)}`)
    .join(", ");
}

function bits(bytesPerSecond: number): string {
  const megabits = (8 * bytesPerSecond) / 1e6;
  return `${megabits < 10 ? megabits.toFixed(2) : megabits.toFixed(1)} Mbit/s`;
}

function cpuText(own: number, server: number | undefined): string {
  const text = `${own.toFixed(1)} µs an echo in this process`;
  if (server === undefined) return `${text}, opening and closing not included`;
  const ratio = (own / server).toFixed(2);
  return `${text}, ${server.toFixed(1)} µs in the server's (ratio ${ratio}), opening and closing not included`;
}

function errors(byReason: Readonly<Record<string, number>>): string {
  const reasons = Object.entries(byReason);
  return reasons.length === 0 ? "none" : reasons.map(([reason, times]) => `${count(times)} × ${reason}`).join(", ");
}
