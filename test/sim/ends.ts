import type { Connection } from "../../src/core/server-connection.ts";
import type { PeerChannel } from "./browser-peer/data-channels.ts";
import type { End } from "./exchange.ts";
import type { Browser, World } from "./world.ts";

/** The page's end of an open channel. What is sent after its end is lost. */
export function browserEnd({ peer, host, channel }: Browser & { channel: PeerChannel }): End {
  const end: End = {
    host,
    send: (now, message) => {
      if (channel.state === "open") peer.send(now, channel, message);
    },
    onMessage: () => {},
  };
  peer.events.message = (_now, _channel, data) => end.onMessage(data);
  return end;
}

/** The server's end of a connection. Takes all messages of the world's server: for worlds with one connection. */
export function serverEnd(world: World, connection: Connection): End {
  const { server } = world;
  const end: End = {
    host: server.host,
    send: (now, message) => server.send(now, connection, message),
    onMessage: () => {},
  };
  server.onMessage = (_connection, _channel, data) => end.onMessage(data);
  return end;
}
