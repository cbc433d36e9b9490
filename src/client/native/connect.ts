/** The native client, for bots, load tests and links between servers: what `browser.ts` is for pages. */
import { ClientConnection, type ClientOptions } from "./connection.ts";

export {
  ClientConnection,
  type ClientEvents,
  type ClientMessage,
  type ClientOptions,
  type ClientStats,
} from "./connection.ts";
export type { ChannelOptions, ConnectOptions, Reconnecting, ReconnectOptions } from "../options.ts";

/**
 * Opens a connection to a webrtc-datagram server, or to any other ICE-lite server that answers a POST of an SDP offer with
 * `{"answer", "candidate"}`. In a page the same import gives the same function over RTCPeerConnection.
 *
 * @param url where the server's session endpoint listens
 * @throws ConnectError, as a rejection; TypeError or RangeError for wrong arguments
 *
 * @example
 * const connection = await connect("http://localhost:8080/new_rtc_session");
 * connection.send("hello");
 * for await (const { data } of connection) console.log(data);
 */
export async function connect(url: string | URL, options: ClientOptions = {}): Promise<ClientConnection> {
  return await ClientConnection.open(url, options);
}
