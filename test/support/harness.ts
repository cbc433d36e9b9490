/** Typed access to `window.harness` of `page/harness.js`, which runs inside a browser's page. */
import type { Page } from "puppeteer-core";

/** Text, or binary as an array of bytes: what crosses the browser driver as JSON. */
export type Message = string | number[];

export interface ChannelInit {
  label: string;
  ordered?: boolean;
  maxRetransmits?: number;
  maxPacketLifeTime?: number;
  negotiated?: boolean;
  id?: number;
}

export interface ConnectOptions {
  /** Where the offer is posted. Default `/new_rtc_session` of the page's own site. */
  url?: string;
  /** Default: one unreliable, unordered channel "data". */
  channels?: ChannelInit[];
  /** Put into the answer in place of the server's own: `sha-256 AA:BB:…`. */
  fingerprint?: string;
  /** Bound for all channels to be open, default 30 s. */
  timeoutMs?: number;
}

export interface EchoOptions {
  /** Index of the channel, default 0. */
  channel?: number;
  timeoutMs?: number;
}

export interface FlowOptions {
  /** Index of the channel, default 0. */
  channel?: number;
  /** The first number, default 0. */
  first?: number;
  /** Messages in all. */
  count: number;
  hz: number;
  /** Length of each message; its first four bytes are its number. */
  bytes: number;
}

export interface FlowReport {
  distinct: number;
  duplicates: number;
  /** Of the round trips, where the other end echoes. */
  medianMs: number;
  p99Ms: number;
}

export interface Arrival {
  number: number;
  /** ms since 1970. */
  time: number;
  /** How many messages of other channels had come before it. */
  others: number;
}

/** Bulk data: message `n` holds the 32-bit little-endian numbers n·words … (n+1)·words − 1. */
export interface BulkOptions {
  channel: number;
  messages: number;
  words: number;
}

interface Harness {
  connect(options: ConnectOptions): Promise<number>;
  echo(id: number, messages: Message[], options: EchoOptions): Promise<Message[]>;
  trySend(id: number, bytes: number, channel: number): string | null;
  logged(id: number, prefix: string, timeoutMs: number): Promise<string[]>;
  sendFlow(id: number, options: FlowOptions): Promise<number>;
  flowReport(id: number, channel: number): FlowReport;
  receives(id: number, count: number, timeoutMs: number): Promise<number>;
  arrivals(id: number, channel: number): Arrival[];
  sentTimes(id: number): number[];
  forgetReceived(id: number): void;
  sendBulk(id: number, options: BulkOptions): Promise<void>;
  sendBulkUntilStopped(id: number, options: { channel: number; bytes: number }): Promise<number>;
  stopBulk(id: number): void;
  receiveBulk(id: number, options: BulkOptions & { timeoutMs: number }): Promise<number | null>;
  log(id: number): string[];
  closeChannel(id: number, index: number): void;
  closePeer(id: number): void;
  maxMessageSize(id: number): number;
  serverId(id: number): string;
  serverUfrag(id: number): string;
  ufrag(id: number): string;
  tlsVersion(id: number): Promise<string>;
  openedAt(id: number): number;
  descriptions(id: number): [offer: string, answer: string];
}

type Call = { [Name in keyof Harness]: { name: Name; args: Parameters<Harness[Name]> } }[keyof Harness];
type Result<Name extends keyof Harness> = Awaited<ReturnType<Harness[Name]>>;

/** One peer connection inside a page. */
export class PeerInPage {
  readonly page: Page;
  /** For `window.harness` of the page. */
  readonly id: number;

  private constructor(page: Page, id: number) {
    this.page = page;
    this.id = id;
  }

  /** Opens it from the test page that `page` shows. Rejects with the page's log if its channels do not open. */
  static async connect(page: Page, options: ConnectOptions = {}): Promise<PeerInPage> {
    return new PeerInPage(page, await call(page, "connect", options));
  }

  /** Sends each message, waits for as many echoes, returns them in the order of arrival. */
  echo(messages: Message[], options: EchoOptions = {}): Promise<Message[]> {
    return call(this.page, "echo", this.id, messages, options);
  }

  /** The name of the exception that `send` of so many bytes throws in the page, or null. */
  trySend(bytes: number, channel = 0): Promise<string | null> {
    return call(this.page, "trySend", this.id, bytes, channel);
  }

  /** Waits for a line of the page's event log that starts so: `close data`, `connection failed`. */
  logged(prefix: string, timeoutMs = 30_000): Promise<string[]> {
    return call(this.page, "logged", this.id, prefix, timeoutMs);
  }

  /** Sends numbered messages at a steady rate; resolves with how many were sent. */
  sendFlow(options: FlowOptions): Promise<number> {
    return call(this.page, "sendFlow", this.id, options);
  }

  /** What arrived so far of numbered messages. */
  flowReport(channel = 0): Promise<FlowReport> {
    return call(this.page, "flowReport", this.id, channel);
  }

  /** How many messages have come on the first channel when there are `count` of them, or when the time is over. */
  receives(count: number, timeoutMs: number): Promise<number> {
    return call(this.page, "receives", this.id, count, timeoutMs);
  }

  /** Of each numbered message that arrived on a channel, in the order of arrival. */
  arrivals(channel = 0): Promise<Arrival[]> {
    return call(this.page, "arrivals", this.id, channel);
  }

  /** When `sendFlow` sent each number, ms since 1970. */
  sentTimes(): Promise<number[]> {
    return call(this.page, "sentTimes", this.id);
  }

  /** Starts the counts of `flowReport` anew. */
  forgetReceived(): Promise<void> {
    return call(this.page, "forgetReceived", this.id);
  }

  sendBulk(options: BulkOptions): Promise<void> {
    return call(this.page, "sendBulk", this.id, options);
  }

  /** Sends messages as fast as they go, until `stopBulk`; resolves with how many there were. */
  sendBulkUntilStopped(channel: number, bytes: number): Promise<number> {
    return call(this.page, "sendBulkUntilStopped", this.id, { channel, bytes });
  }

  stopBulk(): Promise<void> {
    return call(this.page, "stopBulk", this.id);
  }

  /** Resolves with null where all messages arrived as sent and in order, else with the index of the first that did not. */
  receiveBulk(options: BulkOptions, timeoutMs: number): Promise<number | null> {
    return call(this.page, "receiveBulk", this.id, { ...options, timeoutMs });
  }

  log(): Promise<string[]> {
    return call(this.page, "log", this.id);
  }

  /** What the browser took from the answer's `max-message-size`. */
  maxMessageSize(): Promise<number> {
    return call(this.page, "maxMessageSize", this.id);
  }

  /** The id that the server has given the connection, as the answer says. */
  serverId(): Promise<string> {
    return call(this.page, "serverId", this.id);
  }

  /** The ICE user fragment of the answer. */
  serverUfrag(): Promise<string> {
    return call(this.page, "serverUfrag", this.id);
  }

  /** The ICE user fragment of the offer. */
  ufrag(): Promise<string> {
    return call(this.page, "ufrag", this.id);
  }

  /** The version of DTLS as the browser's `getStats` has it: `FEFC` for 1.3, `FEFD` for 1.2. */
  tlsVersion(): Promise<string> {
    return call(this.page, "tlsVersion", this.id);
  }

  /** When its first channel was open, in milliseconds since 1970. */
  openedAt(): Promise<number> {
    return call(this.page, "openedAt", this.id);
  }

  /** Offer and answer. */
  descriptions(): Promise<[offer: string, answer: string]> {
    return call(this.page, "descriptions", this.id);
  }

  closeChannel(index = 0): Promise<void> {
    return call(this.page, "closeChannel", this.id, index);
  }

  close(): Promise<void> {
    return call(this.page, "closePeer", this.id);
  }
}

async function call<Name extends keyof Harness>(
  page: Page,
  name: Name,
  ...args: Parameters<Harness[Name]>
): Promise<Result<Name>> {
  const result = await page.evaluate(
    (request: Call) => {
      const { harness } = window as unknown as { harness: Record<string, (...args: unknown[]) => unknown> };
      return harness[request.name]?.(...request.args);
    },
    { name, args } as Call,
  );
  return result as Result<Name>;
}
