/** The client for pages: the platform's RTCPeerConnection behind the same `Connection` as the server's and the native client's. */
import { ClientConnection } from "./client/browser/connection.ts";
import type { ConnectOptions } from "./client/options.ts";

export {
  ClientConnection,
  type ClientEvents,
  type ClientStats,
  type ClientMessage,
} from "./client/browser/connection.ts";
export type { ChannelOptions, ConnectOptions, Reconnecting, ReconnectOptions } from "./client/options.ts";
export {
  ClosedError,
  type CloseReason,
  ConnectError,
  type ConnectErrorCode,
  SendError,
  type SendErrorCode,
} from "./errors.ts";
export type { MessageData } from "./shell/message-data.ts";

/**
 * Opens a connection to a webrtc-datagram server, or to any other that answers a POST of an SDP offer with
 * `{"answer", "candidate"}`.
 *
 * @param url where the server's session endpoint listens; relative to the page
 * @throws ConnectError, as a rejection; TypeError for options that `createDataChannel` does not take
 *
 * @example
 * const connection = await connect("/new_rtc_session");
 * connection.send("hello");
 * for await (const { data } of connection) console.log(data);
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Promise<ClientConnection> {
  return ClientConnection.open(String(url), options);
}
