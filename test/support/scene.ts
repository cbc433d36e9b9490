/** A browser and a server with a proxy between them. */
import type { Connection, ListenOptions, Message } from "../../src/index.ts";
import { type BrowserName, type BrowserOptions, launchBrowser, type RunningBrowser } from "./browsers.ts";
import { type EchoServer, startEchoServer } from "./echo-server.ts";
import { type ProxyConditions, UdpProxy } from "./proxy.ts";

export interface Scene {
  proxy: UdpProxy;
  echo: EchoServer;
  browser: RunningBrowser;
  /** Replaces the echo of one connection. */
  onMessage(connection: Connection, handler: (message: Message) => void): void;
}

export interface SceneOptions {
  conditions?: ProxyConditions;
  listen?: ListenOptions;
  browser?: BrowserOptions;
}

/** For the time of `play`. */
export async function withScene<Result>(
  name: BrowserName,
  options: SceneOptions,
  play: (scene: Scene) => Promise<Result>,
): Promise<Result> {
  const handlers = new Map<Connection, (message: Message) => void>();
  const echoes = ({ connection, channel, data }: Message) => void connection.trySend(data, { channel });
  const proxy = await UdpProxy.start({ seed: name, ...options.conditions });
  const echo = await startEchoServer({
    ...options.listen,
    publicAddresses: [`127.0.0.1:${proxy.port}`],
    onMessage: (message) => (handlers.get(message.connection) ?? echoes)(message),
  });
  proxy.serverPort = echo.server.localAddress.port;
  const browser = await launchBrowser(name, options.browser);
  const onMessage: Scene["onMessage"] = (connection, handler) => void handlers.set(connection, handler);
  try {
    return await play({ proxy, echo, browser, onMessage });
  } finally {
    await browser.close();
    await echo.close();
    await proxy.close();
  }
}
