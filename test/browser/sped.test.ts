/** DTLS in STUN, which Chromium has behind a field trial: checks and their answers carry the handshake. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";
import { PeerInPage } from "../support/harness.ts";
import { UdpProxy } from "../support/proxy.ts";

const META_DTLS_IN_STUN = 0xc070;

describe.each(["1.3", "1.2"] as const)("DTLS %s", (version) => {
  let echo: EchoServer;
  let proxy: UdpProxy;
  let browser: RunningBrowser;

  beforeAll(async () => {
    // Far enough away that checks go out before the first is answered.
    proxy = await UdpProxy.start({ delayMs: 50 });
    const publicAddresses = [`127.0.0.1:${proxy.port}`];
    const flags = ["--force-fieldtrials=WebRTC-IceHandshakeDtls/Enabled/"];
    [echo, browser] = await Promise.all([
      startEchoServer({ publicAddresses, dtlsVersions: [version] }),
      launchBrowser("chromium", { flags }),
    ]);
    proxy.serverPort = echo.server.localAddress.port;
  });

  afterAll(async () => {
    await browser?.close();
    await echo?.close();
    await proxy?.close();
  });

  test("rides in Chromium's checks and our answers", async () => {
    const carried = { up: 0, down: 0 };
    proxy.tap = (datagram, from) => {
      if (datagram[0] <= 1 && carriesDtls(datagram)) carried[from === proxy.port ? "down" : "up"]++;
    };
    const peer = await PeerInPage.connect(await browser.open(echo.site.url));
    expect(await peer.echo(["hello", "x".repeat(1_100)])).toHaveLength(2);
    expect(carried.up).toBeGreaterThan(0);
    expect(carried.down).toBeGreaterThan(0);
    const [connection] = echo.server.connections();
    expect(connection?.stats().dtls.version).toBe(version);
    await peer.page.close();
  });
});

/** Whether a STUN message has a META-DTLS-IN-STUN with something in it. */
function carriesDtls(message: Uint8Array): boolean {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  for (let at = 20; at + 4 <= message.length; at += 4 + ((view.getUint16(at + 2) + 3) & ~3)) {
    if (view.getUint16(at) === META_DTLS_IN_STUN) return view.getUint16(at + 2) > 0;
  }
  return false;
}
