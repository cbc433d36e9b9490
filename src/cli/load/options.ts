import type { ConditionerOptions } from "../../runtime/conditioner.ts";
import { CONDITION_FLAGS, parseAmount, parseConditions, parseShare } from "../conditions.ts";
import { parseFlags, UsageError } from "../usage.ts";
import { HEADER_BYTES } from "./flows.ts";

export interface LoadOptions {
  readonly url: string;
  readonly clients: number;
  /** Messages per second and client. */
  readonly rateHz: number;
  /** Of each message. */
  readonly bytes: number;
  readonly durationMs: number;
  /** Over which the clients are opened. */
  readonly rampMs: number;
  /** For one client to open. */
  readonly timeoutMs: number;
  readonly conditioner: ConditionerOptions | undefined;
  readonly jsonFile: string | undefined;
  readonly htmlFile: string | undefined;
  readonly thresholds: Thresholds;
}

/** What the run must not exceed. */
export interface Thresholds {
  /** Share of messages, 0 … 1. */
  readonly loss?: number;
  /** Round trips, ms. */
  readonly p50?: number;
  readonly p99?: number;
  /** Of the time to open, ms. */
  readonly connectP99?: number;
  /** Clients that did not open or were closed, messages that were refused. */
  readonly errors?: number;
}

export const LOAD_USAGE = `  load          opens many connections to an echo server, measures what comes back
    --url URL            where to signal, such as http://localhost:8080/new_rtc_session
    --clients N          how many (default 10)       --rate HZ     messages per second and client (default 20)
    --size BYTES         of a message (default 100)  --duration S  how long (default 10)
    --ramp S             to open the clients in (default: 100 a second)
    --timeout S          for one client to open (default 10)
    --json FILE          all numbers                 --html FILE   a page with charts
    --max-loss 0.1%  --max-p50 MS  --max-p99 MS  --max-connect-p99 MS  --max-errors N
                         exit code 1 where the run exceeds one of these, or loses all clients`;

const FLAGS = {
  url: { type: "string" },
  clients: { type: "string", default: "10" },
  rate: { type: "string", default: "20" },
  size: { type: "string", default: "100" },
  duration: { type: "string", default: "10" },
  ramp: { type: "string" },
  timeout: { type: "string", default: "10" },
  json: { type: "string" },
  html: { type: "string" },
  "max-loss": { type: "string" },
  "max-p50": { type: "string" },
  "max-p99": { type: "string" },
  "max-connect-p99": { type: "string" },
  "max-errors": { type: "string" },
} as const;

/** Clients that are opened in a second where --ramp does not say. */
const OPENED_PER_SECOND = 100;
const MAX_MS = 3_600_000;

/** @throws UsageError */
export function parseLoadOptions(args: string[]): LoadOptions {
  const values = parseFlags(args, { ...CONDITION_FLAGS, ...FLAGS });
  const { url } = values;
  if (url === undefined) throw new UsageError("load needs --url URL; try: webrtc-datagram help");
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw new UsageError(`--url must be an http(s) URL, not ${JSON.stringify(url)}`);
  const clients = parseWhole("--clients", values.clients, 100_000, 1);
  return {
    url,
    clients,
    rateHz: parseAmount("--rate", values.rate, 10_000, 0.01),
    bytes: parseWhole("--size", values.size, 65_536, HEADER_BYTES),
    durationMs: 1_000 * parseAmount("--duration", values.duration, MAX_MS / 1_000, 0.1),
    rampMs:
      values.ramp === undefined
        ? (1_000 * (clients - 1)) / OPENED_PER_SECOND
        : 1_000 * parseAmount("--ramp", values.ramp, MAX_MS / 1_000),
    timeoutMs: 1_000 * parseAmount("--timeout", values.timeout, 120, 0.1),
    conditioner: parseConditions(values),
    jsonFile: values.json,
    htmlFile: values.html,
    thresholds: withoutUndefined({
      loss: optional(values["max-loss"], (text) => parseShare("--max-loss", text)),
      p50: optional(values["max-p50"], (text) => parseAmount("--max-p50", text, MAX_MS)),
      p99: optional(values["max-p99"], (text) => parseAmount("--max-p99", text, MAX_MS)),
      connectP99: optional(values["max-connect-p99"], (text) => parseAmount("--max-connect-p99", text, MAX_MS)),
      errors: optional(values["max-errors"], (text) => parseWhole("--max-errors", text, 1e9, 0)),
    }),
  };
}

function parseWhole(flag: string, text: string, limit: number, least: number): number {
  const amount = parseAmount(flag, text, limit, least);
  if (!Number.isInteger(amount)) throw new UsageError(`${flag} must be a whole number, not ${text}`);
  return amount;
}

function optional<T>(text: string | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined ? undefined : parse(text);
}

/** Leaves out what was not given. */
function withoutUndefined<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}
