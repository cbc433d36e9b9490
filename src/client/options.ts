/** What both clients share: the page's (over RTCPeerConnection) and the native one. Types only: nothing of it is in a bundle. */

/**
 * The data channel of a connection. Names and meanings are those of `RTCPeerConnection.createDataChannel`, the defaults
 * are those of UDP: unordered, each message sent once.
 */
export interface ChannelOptions {
  /** Default `"data"`. */
  label?: string;
  /** Deliver in the order of sending. Default false. */
  ordered?: boolean;
  /** How often a lost message is sent again. Default 0. */
  maxRetransmits?: number;
  /** For how long a lost message is sent again, in ms; instead of `maxRetransmits`. */
  maxPacketLifeTime?: number;
  /** Send again until it arrives; excludes the two limits. Default false. */
  reliable?: boolean;
  /** Default `""`. */
  protocol?: string;
  /** Both ends open the channel on their own, by its `id`: no message of theirs announces it. Default false. */
  negotiated?: boolean;
  /** Stream number, 0 … 65,534, with `negotiated`. */
  id?: number;
}

/** How a lost connection comes back. */
export interface ReconnectOptions {
  /** Delay before the first attempt, ms; doubles with each further one, and a random half of it is left out. Default 500. */
  minDelayMs?: number;
  /** Limit of the delay, ms. Default 15,000. */
  maxDelayMs?: number;
  /** Attempts before the connection is given up. Default: no limit. */
  maxAttempts?: number;
}

export interface ConnectOptions {
  /** Gives up connecting when it aborts. A connection that is open is not affected. */
  signal?: AbortSignal;
  /** For one attempt, from the call to the open channel, ms. Default 15,000. */
  timeoutMs?: number;
  /** For the signalling request: an access token, say. A function is asked again for each attempt. */
  headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>);
  channel?: ChannelOptions;
  /** Connect anew when the connection is lost, as the same object. Default false. */
  reconnect?: boolean | ReconnectOptions;
  /** Bytes that may wait for the network; beyond it `send` refuses. Default 262,144. */
  maxQueuedBytes?: number;
  /** Sends the signalling request. Default: the platform's `fetch`. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** One attempt to connect anew. */
export interface Reconnecting {
  /** 1 for the first attempt since the connection was lost. */
  readonly attempt: number;
  /** When it starts, ms from now. */
  readonly delayMs: number;
}
