/** The public surface of webrtc-datagram. */
export {
  Connection,
  type ConnectionEvents,
  type ConnectionStats,
  type Message,
  type SendOptions,
} from "./server/connection.ts";
export type { Channel } from "./channel/channel.ts";
export { Certificate } from "./dtls/certificate.ts";
export {
  ClosedError,
  type CloseReason,
  ConnectError,
  type ConnectErrorCode,
  SendError,
  type SendErrorCode,
} from "./errors.ts";
export type { MessageData } from "./shell/message-data.ts";
export { Server, type ServerEvents, type ServerStats } from "./server/server.ts";
export { DEFAULT_LIMITS, type Limits, type ListenOptions } from "./server/options.ts";
export type { SocketAddress } from "./wire/address.ts";
export type { DropReason } from "./wire/drops.ts";
export type { Negotiated, SessionAnswer } from "./signalling/negotiate.ts";
export type { SessionEndpoint } from "./signalling/session-endpoint.ts";
export {
  type ChannelOptions as ClientChannelOptions,
  ClientConnection,
  type ClientEvents,
  type ClientMessage,
  type ClientOptions,
  type ClientStats,
  type ConnectOptions,
  connect,
  type Reconnecting,
  type ReconnectOptions,
} from "./client/native/connect.ts";
export type { ChooseTrace, TracedSession, TraceSink } from "./trace/sink.ts";
export { traceToFiles } from "./trace/files.ts";
export type { ConditionerOptions, LinkConditions } from "./runtime/conditioner.ts";
