/**
 * Why a connection ended; the one argument of `close` events.
 *
 * | code | meaning |
 * |---|---|
 * | `local` | `connection.close()` was called here |
 * | `remote` | the peer closed: SCTP ABORT, SHUTDOWN or a DTLS close_notify (a page that closes, reloads, navigates) |
 * | `idle` | nothing heard for `idleTimeoutMs`, nor in answer to our questions: a closed tab, a killed browser, a lost network |
 * | `handshake-failed` | DTLS refused: wrong certificate fingerprint, no common parameters, a fatal alert |
 * | `handshake-timeout` | not open within `handshakeTimeoutMs` |
 * | `replaced` | a newer connection completed its handshake from the same address and port (a reload) |
 * | `protocol-error` | the peer broke SCTP or DTLS beyond repair, or acknowledged nothing for too long |
 * | `memory-limit` | the connection held more than its share while `maxMemoryBytes`, or its address block's part of it, was full |
 * | `server-closed` | `server.close()` was called here |
 */
export type CloseReason =
  | "local"
  | "remote"
  | "idle"
  | "handshake-failed"
  | "handshake-timeout"
  | "replaced"
  | "protocol-error"
  | "memory-limit"
  | "server-closed";

/**
 * Why `send` could not take a message.
 *
 * | code | meaning |
 * |---|---|
 * | `closed` | the connection or the channel is closed |
 * | `queue-full` | `maxQueuedBytes` of reliable messages already wait for the peer, or the share of `maxMemoryBytes` is used up |
 * | `too-large` | the message is longer than the peer takes (`connection.maxMessageBytes`), though not than this side allows |
 */
export type SendErrorCode = "closed" | "queue-full" | "too-large";

const REFUSALS: Readonly<Record<SendErrorCode, string>> = {
  closed: "the connection is closed",
  "queue-full": "too many bytes wait for the peer",
  "too-large": "longer than the peer takes",
};

/**
 * Rejection of `send`: what the peer said or did is the reason. Wrong arguments are a `TypeError` or `RangeError` instead,
 * thrown at the call.
 */
export class SendError extends Error {
  override readonly name = "SendError";
  declare readonly code: SendErrorCode;

  constructor(code: SendErrorCode) {
    super(REFUSALS[code]);
    this.code = code;
  }
}

/** Rejection of `recv` when the server or connection is closed and its queue is empty. */
export class ClosedError extends Error {
  override readonly name = "ClosedError";
  readonly code = "closed";

  constructor(what: string) {
    super(`${what} is closed`);
  }
}

/**
 * Why `connect` could not open a connection.
 *
 * | code | meaning |
 * |---|---|
 * | `unsupported` | this browser has no RTCPeerConnection (or it is disabled) |
 * | `unreachable` | the signalling request failed: no such host, no network, or CORS forbids it |
 * | `refused` | signalling answered with an HTTP error; see `status` |
 * | `bad-answer` | signalling answered with something that is not an answer |
 * | `udp-blocked` | signalling worked, but no UDP datagram came back from the announced addresses |
 * | `handshake-failed` | UDP works, but DTLS was refused: a wrong certificate fingerprint, or no common parameters |
 * | `timeout` | not open within `timeoutMs` |
 * | `aborted` | the caller's `signal` aborted; its reason is the error's `cause` |
 */
export type ConnectErrorCode =
  | "unsupported"
  | "unreachable"
  | "refused"
  | "bad-answer"
  | "udp-blocked"
  | "handshake-failed"
  | "timeout"
  | "aborted";

/** Rejection of `connect`. Wrong arguments are a `TypeError` or `RangeError` instead. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  declare readonly code: ConnectErrorCode;
  /** With `refused`: the HTTP status. */
  declare readonly status: number | undefined;

  constructor(code: ConnectErrorCode, message: string, details: { cause?: unknown; status?: number } = {}) {
    super(message, details);
    this.code = code;
    this.status = details.status;
  }
}
