import { checkChannels, type ChannelOptions as CoreChannelOptions } from "../../channel/channels.ts";
import type { ClientOptions, ServerDescription } from "../../core/client-connection.ts";
import { randomBytes } from "../../crypto/platform.ts";
import { Certificate } from "../../dtls/certificate.ts";
import type { DtlsVersion } from "../../dtls/connection.ts";
import { type CloseReason, ConnectError } from "../../errors.ts";
import { guarded } from "../../application/user-code.ts";
import { generateCredentials, type IceCredentials } from "../../ice/credentials.ts";
import { checkNames, type Names } from "../../application/names.ts";
import { type ConditionerOptions, conditionUdp } from "../../runtime/conditioner.ts";
import { type OpenUdp, openUdp, sslKeyLog } from "../../runtime/index.ts";
import { checkDtlsVersions, type Limits, resolveLimits } from "../../server/options.ts";
import { createSignalledInit, type SignalledInit, writeSignalledInit } from "../../sctp/snap.ts";
import type { ChooseTrace } from "../../trace/sink.ts";
import { formatAddress } from "../../wire/address.ts";
import { readText } from "../body.ts";
import { readAnswer, writeOffer } from "./description.ts";
import { Link, type LinkEvents } from "./link.ts";
import type { ChannelOptions, ConnectOptions, ReconnectOptions } from "../options.ts";

/** Options that only the native client has. */
export interface NativeOptions {
  /** Ours. Default: a fresh one for this process. */
  certificate?: Certificate;
  /** Versions of DTLS that are offered, the preferred first. Default `["1.3", "1.2"]`. */
  dtlsVersions?: readonly DtlsVersion[];
  /** Receives the TLS secrets as NSS key log lines, for Wireshark. Default: appended to `$SSLKEYLOGFILE` where set. */
  keyLog?: (line: string) => void;
  /**
   * Traces the connection from its first datagram on: says where the trace goes, and is asked again with each attempt to connect. What
   * it throws surfaces as an uncaught error. A trace holds keys and contents. Default: none.
   */
  trace?: ChooseTrace;
  /** A bad network between the socket and the server, for trying things out. Default: none. */
  conditioner?: ConditionerOptions;
  /** Limits that differ from `DEFAULT_LIMITS`; those of a whole server have no meaning here. */
  limits?: Partial<Limits>;
}

/** What `connect` takes. */
export type AllOptions = ConnectOptions & NativeOptions & { onMessage?: unknown };

/** A call to `connect` with all defaults filled in. */
export interface Plan {
  readonly url: string;
  readonly options: ConnectOptions;
  readonly certificate: Certificate;
  readonly dtlsVersions: readonly DtlsVersion[] | undefined;
  readonly keyLog: ((line: string) => void) | undefined;
  readonly trace: ChooseTrace | undefined;
  readonly limits: Limits;
  readonly timeoutMs: number;
  readonly openUdp: OpenUdp;
  readonly channel: { readonly label: string; readonly options: CoreChannelOptions };
}

const CONNECT_OPTIONS: Names<AllOptions> = {
  signal: true,
  timeoutMs: true,
  headers: true,
  channel: true,
  reconnect: true,
  maxQueuedBytes: true,
  fetch: true,
  certificate: true,
  dtlsVersions: true,
  keyLog: true,
  trace: true,
  conditioner: true,
  limits: true,
  onMessage: true,
};

const CHANNEL_OPTIONS: Names<ChannelOptions> = {
  label: true,
  ordered: true,
  maxRetransmits: true,
  maxPacketLifeTime: true,
  reliable: true,
  protocol: true,
  negotiated: true,
  id: true,
};

const RECONNECT_OPTIONS: Names<ReconnectOptions> = { minDelayMs: true, maxDelayMs: true, maxAttempts: true };

const DEFAULT_TIMEOUT_MS = 15_000;
/** The kernel's buffers of one connection's socket: thousands of them must fit. */
const SOCKET_BUFFER_BYTES = 262_144;

let shared: Certificate | undefined;

/** That of all who bring none: a process's own. */
function sharedCertificate(): Certificate {
  shared ??= Certificate.generate();
  return shared;
}

/** @throws TypeError or RangeError that names the argument */
export function planConnect(url: string | URL, options: AllOptions): Plan {
  if (!URL.canParse(url)) throw new TypeError(`url must be an absolute URL, not ${JSON.stringify(String(url))}`);
  checkNames("options", options, CONNECT_OPTIONS, "an option of connect");
  const { timeoutMs = DEFAULT_TIMEOUT_MS, maxQueuedBytes, reconnect } = options;
  if (reconnect !== undefined && typeof reconnect !== "boolean") {
    checkNames("reconnect", reconnect, RECONNECT_OPTIONS, "an option of reconnecting");
  }
  if (!(timeoutMs >= 1 && timeoutMs <= 0x7fff_ffff)) throw new RangeError("timeoutMs must be from 1 to 2147483647");
  const limits = resolveLimits({
    // The connection's own deadline is the attempt's, which has been running for a while when it is set.
    handshakeTimeoutMs: Math.ceil(timeoutMs),
    ...(maxQueuedBytes !== undefined && { maxQueuedBytes }),
    ...options.limits,
  });
  const { certificate, dtlsVersions } = options;
  for (const name of ["fetch", "keyLog", "trace", "onMessage"] as const) {
    const code = options[name];
    if (code !== undefined && typeof code !== "function") throw new TypeError(`${name} must be a function`);
  }
  checkDtlsVersions(dtlsVersions);
  if (certificate !== undefined && !(certificate instanceof Certificate)) {
    throw new TypeError("certificate must be a Certificate");
  }
  const channel = planChannel(options.channel ?? {}, limits);
  const { conditioner } = options;
  return {
    url: String(url),
    options,
    certificate: certificate ?? sharedCertificate(),
    dtlsVersions,
    keyLog: guarded(options.keyLog) ?? sslKeyLog(),
    trace: options.trace,
    limits,
    timeoutMs,
    openUdp: conditioner === undefined ? openUdp : conditionUdp(openUdp, conditioner),
    channel,
  };
}

/** One attempt to connect; resolves after `opened`. Leaves nothing behind when it fails, and nobody hears of it. */
export async function dial(plan: Plan, signal: AbortSignal | undefined, events: LinkEvents): Promise<void> {
  const attempt = new Attempt(plan, signal);
  try {
    const credentials = generateCredentials(randomBytes);
    const signalledInit = createSignalledInit(randomBytes);
    let server = await attempt.during(negotiate(plan, credentials, signalledInit, attempt.signal));
    // libdatachannel, where it is the active side, aborts an association that began without a handshake (measured).
    if (server.dtlsRole === "server" && server.sctpInit !== undefined) {
      server = await attempt.during(negotiate(plan, credentials, undefined, attempt.signal));
    }
    await attempt.during(open(plan, { credentials, signalledInit, server }, attempt, events));
  } catch (error) {
    attempt.abandon();
    throw error;
  } finally {
    attempt.end();
  }
}

/** The bound in time of one attempt, and the caller's wish to give it up. */
class Attempt {
  readonly #plan: Plan;
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #caller: AbortSignal | undefined;
  readonly #failed: Promise<never>;
  #fail: (error: unknown) => void = () => {};
  /** Set once there is one: is closed where the attempt fails. */
  link: Link | undefined;

  constructor(plan: Plan, caller: AbortSignal | undefined) {
    const { timeoutMs } = plan;
    this.#plan = plan;
    this.#failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.#failed.catch(() => {});
    this.#caller = caller;
    this.#timer = setTimeout(() => this.#fail(this.#timeout()), timeoutMs);
    if (caller?.aborted) this.#handleAbort();
    else caller?.addEventListener("abort", this.#handleAbort);
  }

  /** Aborts when the attempt has ended, however. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  during<T>(step: Promise<T>): Promise<T> {
    return Promise.race([step, this.#failed]);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#handleAbort);
    this.#controller.abort();
  }

  abandon(): void {
    this.link?.close();
  }

  #timeout(): ConnectError {
    const { url, timeoutMs } = this.#plan;
    if (this.link === undefined) return new ConnectError("timeout", `${url} did not answer within ${timeoutMs} ms`);
    if (!this.link.core.isReached) return blocked(this.link.core.server);
    return new ConnectError("timeout", `not open within ${timeoutMs} ms`);
  }

  readonly #handleAbort = (): void => {
    this.#fail(new ConnectError("aborted", "connecting was aborted", { cause: this.#caller?.reason }));
  };
}

/** Signalling: our offer out, the server's answer in. */
async function negotiate(
  plan: Plan,
  credentials: IceCredentials,
  signalledInit: SignalledInit | undefined,
  signal: AbortSignal,
): Promise<ServerDescription> {
  const { url, certificate, limits } = plan;
  const { headers, fetch: request = (to, init) => fetch(to, init) } = plan.options;
  const { fingerprintBytes: fingerprint } = certificate;
  const { maxMessageBytes } = limits;
  const sessionId = new DataView(randomBytes(8).buffer).getBigUint64(0) & 0x3fff_ffff_ffff_ffffn;
  const sctpInit = signalledInit && { sctpInit: writeSignalledInit(signalledInit, limits) };
  const body = writeOffer({ credentials, fingerprint, maxMessageBytes, ...sctpInit }, String(sessionId));
  const init: RequestInit = { method: "POST", body, signal };
  if (headers !== undefined) init.headers = typeof headers === "function" ? await headers() : headers;
  signal.throwIfAborted(); // A `fetch` of the application's may not look at it.
  let response: Response;
  let text: string;
  try {
    response = await request(url, init);
    text = await readText(response);
  } catch (cause) {
    throw new ConnectError("unreachable", `${url} cannot be reached: ${reasonOf(cause)}`, { cause });
  }
  const { status } = response;
  if (!response.ok) {
    throw new ConnectError("refused", `${url} answered ${status}${quoted(text)}`, { status });
  }
  const server = readAnswer(text);
  if (typeof server === "string") throw new ConnectError("bad-answer", `${url} did not answer the offer: ${server}`);
  return server;
}

/** From the answer to the open channel. */
function open(
  plan: Plan,
  negotiated: Pick<ClientOptions, "credentials" | "signalledInit" | "server">,
  attempt: Attempt,
  events: LinkEvents,
): Promise<void> {
  const { certificate, dtlsVersions, keyLog, limits, channel, trace } = plan;
  const settings = { certificate, limits, random: randomBytes, keyLog, dtlsVersions };
  return new Promise((resolve, reject) => {
    const { maxTraceBytes } = limits;
    const linkEvents: LinkEvents = {
      opened(link) {
        link.events = events;
        events.opened(link);
        resolve();
      },
      message() {},
      channelOpened() {},
      channelClosed() {},
      closed: (reason) => reject(closedBeforeOpen(reason, negotiated.server, attempt.link?.core.isReached === true)),
    };
    const options = { settings, channel, ...negotiated };
    const starting = Link.start(plan.openUdp, options, SOCKET_BUFFER_BYTES, linkEvents, { trace, maxTraceBytes });
    starting.then(
      (link) => {
        attempt.link = link;
        // The attempt may have ended while the socket was being opened.
        if (attempt.signal.aborted) link.close();
      },
      (cause) => reject(new ConnectError("udp-blocked", `no UDP socket: ${reasonOf(cause)}`, { cause })),
    );
  });
}

function closedBeforeOpen(reason: CloseReason, server: ServerDescription, isReached: boolean): ConnectError {
  if (!isReached) return blocked(server);
  if (reason === "handshake-timeout" || reason === "idle") return new ConnectError("timeout", "the server fell silent");
  if (reason === "remote") {
    return new ConnectError("handshake-failed", "the server closed it before it was open, or takes too few channels");
  }
  return new ConnectError("handshake-failed", "DTLS refused: another certificate than announced?");
}

function blocked({ candidates }: ServerDescription): ConnectError {
  const where = candidates.map(formatAddress).join(" or ");
  return new ConnectError("udp-blocked", `no answer by UDP from ${where}: blocked, or a wrong address`);
}

/** What a server says of its refusal, in one line; pages say it to people, and at length. */
function quoted(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line === "" || line.startsWith("<") ? "" : `: ${line.slice(0, 200)}`;
}

/** `fetch failed` says little; what it stands for is in its cause. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string };
  // The codes of Node's HTTP client itself mean nothing to anybody.
  return (/^UND_/.test(cause?.code ?? "UND_") ? cause?.message : cause?.code) ?? message ?? String(error);
}

function planChannel(channel: ChannelOptions, limits: Limits): Plan["channel"] {
  checkNames("channel", channel, CHANNEL_OPTIONS, "an option of a channel");
  const { label = "data", reliable = false, ...given } = channel;
  if (reliable && (given.maxRetransmits !== undefined || given.maxPacketLifeTime !== undefined)) {
    throw new TypeError("reliable excludes maxRetransmits and maxPacketLifeTime");
  }
  const options: CoreChannelOptions = reliable ? { ...given, maxRetransmits: null } : given;
  checkChannels(limits, [{ label, ...options }]);
  return { label, options };
}
