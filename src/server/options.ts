import { checkChannels } from "../channel/channels.ts";
import type { Message } from "./connection.ts";
import type { NegotiatedChannel } from "../core/settings.ts";
import { Certificate } from "../dtls/certificate.ts";
import type { DtlsVersion } from "../dtls/connection.ts";
import {
  type AssociationLimits,
  checkTogether,
  DEFAULT_ASSOCIATION_LIMITS,
  DEFAULT_ENDPOINT_LIMITS,
  DEFAULT_SERVER_LIMITS,
  type EndpointLimits,
  reassemblyChunksOf,
  type ServerLimits,
} from "../limits.ts";
import { checkNames, type Names } from "../application/names.ts";
import { type ConditionerOptions, checkConditioner } from "../runtime/conditioner.ts";
import type { SessionEndpointOptions } from "../signalling/session-endpoint.ts";
import type { ChooseTrace } from "../trace/sink.ts";
import { addressBytes, type SocketAddress } from "../wire/address.ts";

/** Every limit of a server, each with its default; see `options.ts`. */
export type Limits = ServerLimits & EndpointLimits & AssociationLimits;

/** Options of `Server.listen`; all are optional. */
export interface ListenOptions {
  /** UDP port, 0 for any free one. Default 0. */
  port?: number;
  /** IP address to bind. Default `::`, which takes IPv4 too, or `0.0.0.0` on a machine without IPv6. */
  address?: string;
  /**
   * Where browsers reach this server: `203.0.113.7:42424`, `[2001:db8::1]:42424`, or an address alone for the bound port.
   * Default: the bound address, or for an unspecified one the addresses of this machine's interfaces and 127.0.0.1.
   */
  publicAddresses?: readonly string[];
  /** Default: a fresh one. Share one between the servers of a cluster, or to let clients pin it. */
  certificate?: Certificate;
  /** Versions of DTLS that are accepted, the preferred first. Default `["1.3", "1.2"]`. */
  dtlsVersions?: readonly DtlsVersion[];
  /** Whose pages may signal: `"*"`, one web origin, a list, or a function of the `Origin` header. Default `"*"`. */
  allowOrigin?: SessionEndpointOptions["allowOrigin"];
  /** Channels that pages create with `negotiated: true`: open on every connection without a word. Default: none. */
  negotiatedChannels?: readonly NegotiatedChannel[];
  /**
   * Called for each message, synchronously, instead of the queue behind `recv` and the iterator: the cheapest way to
   * receive. What it throws surfaces as an uncaught error.
   */
  onMessage?: (message: Message) => void;
  /**
   * Receives the TLS secrets as NSS key log lines, for Wireshark. What it throws surfaces as an uncaught error. Default: appended to
   * `$SSLKEYLOGFILE` where set; a file that cannot be written gives one warning, and no key log.
   */
  keyLog?: (line: string) => void;
  /**
   * Chooses connections to be traced from their first datagram on: asked for each session that signalling has agreed on, it says
   * where the trace goes. What it throws surfaces as an uncaught error. A trace holds keys and contents. Default: none.
   */
  trace?: ChooseTrace;
  /** A bad network between the socket and everybody, for trying things out. Default: none. */
  conditioner?: ConditionerOptions;
  /** Limits that differ from the defaults of `DEFAULT_LIMITS`. */
  limits?: Partial<Limits>;
}

export const DEFAULT_LIMITS: Readonly<Limits> = {
  ...DEFAULT_SERVER_LIMITS,
  ...DEFAULT_ENDPOINT_LIMITS,
  ...DEFAULT_ASSOCIATION_LIMITS,
};

const LISTEN_OPTIONS: Names<ListenOptions> = {
  port: true,
  address: true,
  publicAddresses: true,
  certificate: true,
  dtlsVersions: true,
  allowOrigin: true,
  negotiatedChannels: true,
  onMessage: true,
  keyLog: true,
  trace: true,
  conditioner: true,
  limits: true,
};

const LIMITS = Object.fromEntries(Object.keys(DEFAULT_LIMITS).map((name) => [name, true])) as Names<Limits>;

/** The least and greatest value of limits that have others than 1 … 2^31. */
const RANGES: Partial<Record<keyof Limits, readonly [number, number]>> = {
  maxConnections: [1, 400_000],
  maxHandshakes: [1, 100_000],
  maxHandshakesPerAddress: [1, 100_000],
  maxMemoryBytes: [1_048_576, 1_099_511_627_776],
  mtuBytes: [256, 1_472],
  maxOfferBytes: [1, 65_536],
  maxStreams: [1, 65_535],
  maxMessageBytes: [1, 16_777_216],
  // A window that cannot take one datagram would stop the association.
  receiveWindowBytes: [1_500, 268_435_456],
};

/**
 * Fills in defaults. Where only `maxMessageBytes` is given, what such a message needs is raised with it.
 *
 * @throws TypeError or RangeError that names the limit, or two that contradict each other
 */
export function resolveLimits(limits: Partial<Limits> = {}): Limits {
  checkNames("limits", limits, LIMITS, "a limit");
  const resolved = { ...DEFAULT_LIMITS };
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined) continue;
    const key = name as keyof Limits;
    const [least, greatest] = RANGES[key] ?? [1, 0x7fff_ffff];
    if (typeof value !== "number") throw new TypeError(`limits.${name} must be a number`);
    if (!Number.isInteger(value) || value < least || value > greatest) {
      throw new RangeError(`limits.${name} must be an integer from ${least} to ${greatest}, not ${value}`);
    }
    resolved[key] = value;
  }
  const { maxMessageBytes } = resolved;
  if (limits.receiveWindowBytes === undefined) {
    resolved.receiveWindowBytes = Math.max(resolved.receiveWindowBytes, maxMessageBytes);
  }
  if (limits.maxReassemblyChunks === undefined) {
    resolved.maxReassemblyChunks = Math.max(resolved.maxReassemblyChunks, reassemblyChunksOf(maxMessageBytes));
  }
  checkTogether(resolved);
  return resolved;
}

/** @throws TypeError or RangeError that names the option */
export function checkListenOptions(options: ListenOptions): void {
  checkNames("options", options, LISTEN_OPTIONS, "an option of Server.listen");
  const { port, address, publicAddresses, certificate, onMessage, keyLog, trace } = options;
  if (port !== undefined) checkPort("port", port, 0);
  if (address !== undefined && (typeof address !== "string" || addressBytes(address) === undefined)) {
    throw new TypeError(`address must be an IP address, not ${JSON.stringify(address)}`);
  }
  if (publicAddresses !== undefined) {
    if (!Array.isArray(publicAddresses) || publicAddresses.length === 0) {
      throw new TypeError("publicAddresses must be an array with at least one address");
    }
    if (publicAddresses.length > 32) throw new RangeError("publicAddresses must have at most 32 entries");
    for (const text of publicAddresses) parsePublicAddress(text, 1);
  }
  if (certificate !== undefined && !(certificate instanceof Certificate)) {
    throw new TypeError("certificate must be a Certificate");
  }
  checkDtlsVersions(options.dtlsVersions);
  if (options.conditioner !== undefined) checkConditioner(options.conditioner);
  if (onMessage !== undefined && typeof onMessage !== "function") throw new TypeError("onMessage must be a function");
  if (keyLog !== undefined && typeof keyLog !== "function") throw new TypeError("keyLog must be a function");
  if (trace !== undefined && typeof trace !== "function") throw new TypeError("trace must be a function");
}

/** @throws TypeError or RangeError that names what is wrong with one of them */
export function checkNegotiatedChannels(channels: readonly NegotiatedChannel[] | undefined, limits: Limits): void {
  if (channels === undefined) return;
  if (!Array.isArray(channels)) throw new TypeError("negotiatedChannels must be an array");
  try {
    checkChannels(
      limits,
      channels.map((channel) => ({ ...channel, negotiated: true })),
    );
  } catch (error) {
    (error as Error).message = `negotiatedChannels: ${(error as Error).message}`;
    throw error;
  }
}

/** @throws TypeError that names the option */
export function checkDtlsVersions(versions: readonly DtlsVersion[] | undefined): void {
  if (versions === undefined) return;
  const known = Array.isArray(versions) && versions.every((version) => version === "1.3" || version === "1.2");
  if (!known || versions.length === 0 || new Set(versions).size !== versions.length) {
    throw new TypeError('dtlsVersions must name "1.3", "1.2" or both');
  }
}

/** `a.b.c.d`, `a.b.c.d:port`, `x:y::z`, `[x:y::z]` or `[x:y::z]:port`. @throws TypeError, RangeError for the port */
export function parsePublicAddress(text: string, defaultPort: number): SocketAddress {
  const match = typeof text === "string" ? /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) : null;
  const address = match === null ? text : (match[1] ?? match[2]);
  if (typeof address !== "string" || addressBytes(address) === undefined) {
    throw new TypeError(`publicAddresses: ${JSON.stringify(text)} is not an IP address with an optional port`);
  }
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  checkPort("publicAddresses: the port", port, 1);
  return { address, port };
}

function checkPort(name: string, port: number, least: 0 | 1): void {
  if (!Number.isInteger(port) || port < least || port > 65_535) {
    throw new RangeError(`${name} must be an integer from ${least} to 65535, not ${String(port)}`);
  }
}
