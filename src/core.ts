/**
 * The sans-IO core, for embedders who own socket and clock: datagrams and the time go in; datagrams, events and a deadline
 * come out. `webrtc-datagram` itself is this with a UDP socket, a timer and a receive queue around it.
 */
export type { Channel } from "./channel/channel.ts";
export type { ChannelOptions } from "./channel/channels.ts";
export type {
  ClientConnection,
  ClientEvents,
  ClientOptions,
  ServerDescription,
} from "./core/client-connection.ts";
export { ClientEndpoint } from "./core/client-endpoint.ts";
export type { Connection } from "./core/server-connection.ts";
export {
  Endpoint,
  type EndpointEvents,
  type EndpointOptions,
  type HeldSession as Session,
} from "./core/server-endpoint.ts";
export type { RemoteDescription } from "./core/session.ts";
export type { NegotiatedChannel, PeerDescription, PeerSettings } from "./core/settings.ts";
export type { ConnectionState, ConnectionStats } from "./core/stats.ts";
export { type RandomSource, randomBytes } from "./crypto/platform.ts";
export { Certificate } from "./dtls/certificate.ts";
export type { CloseReason } from "./errors.ts";
export { generateCredentials, type IceCredentials } from "./ice/credentials.ts";
export { DEFAULT_LIMITS, type Limits } from "./server/options.ts";
export type { AnswerParts } from "./signalling/answer.ts";
export { type Answerer, type Negotiated, negotiate, type Refusal, type SessionAnswer } from "./signalling/negotiate.ts";
export { SessionEndpoint, type SessionEndpointOptions } from "./signalling/session-endpoint.ts";
export type { SendResult } from "./sctp/association.ts";
export { isSameAddress, type SocketAddress } from "./wire/address.ts";
export { DropCounters, type DropReason } from "./wire/drops.ts";
export { readAnswer, writeOffer } from "./client/native/description.ts";
