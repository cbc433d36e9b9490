/** A browser and a server with a proxy between them. */
import type { ListenOptions, Message } from "../../src/index.ts";
import { type BrowserName, type BrowserOptions, launchBrowser, type RunningBrowser } from "./browsers.ts";
import { type EchoServer, startEchoServer } from "./echo-server.ts";
import { type ProxyConditions, UdpProxy } from "./proxy.ts";

export interface Scene {
  proxy: UdpProxy;
  echo: EchoServer;
  browser: RunningBrowser;
  /** Replaces the echo. */
  onMessage(handler: (message: Message) => void): void;
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
  let handler = ({ connection, channel, data }: Message): unknown => connection.trySend(data, { channel });
  const proxy = await UdpProxy.start({ seed: name, ...options.conditions });
  const echo = await startEchoServer({
    ...options.listen,
    publicAddresses: [`127.0.0.1:${proxy.port}`],
    onMessage: (message) => handler(message),
  });
  proxy.serverPort = echo.server.localAddress.port;
  const browser = await launchBrowser(name, options.browser);
  const onMessage: Scene["onMessage"] = (replacement) => {
    handler = replacement;
  };
  try {
    return await play({ proxy, echo, browser, onMessage });
  } finally {
    await browser.close();
    await echo.close();
    await proxy.close();
  }
}
