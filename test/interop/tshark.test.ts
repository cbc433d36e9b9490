/** Wireshark's dissectors read a whole browser session, decrypted with our key log, and find nothing wrong with it. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BROWSERS, launchBrowser } from "../support/browsers.ts";
import { findCommand } from "../support/commands.ts";
import { startEchoServer } from "../support/echo-server.ts";
import { PeerInPage } from "../support/harness.ts";
import { PcapWriter } from "../support/pcap.ts";
import { UdpProxy } from "../support/proxy.ts";

const run = promisify(execFile);

describe.each(BROWSERS)("a session with %s", (name) => {
  let folder: string;
  let capture: string;
  let options: string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tshark-"));
    capture = join(folder, "session.pcap");
    const keyLog = join(folder, "keys.log");
    const session = await recordSession(name);
    await Promise.all([writeFile(capture, session.pcap), writeFile(keyLog, session.keyLog)]);
    options = [
      ["-o", `tls.keylog_file:${keyLog}`],
      ["-o", "sctp.checksum:CRC 32c"],
      ["-o", "udp.check_checksum:TRUE"],
      ["-d", `dtls.port==${session.port},sctp`],
    ].flat();
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** The numbers of the frames that match a display filter. */
  async function frames(filter: string): Promise<string[]> {
    const { stdout } = await run(findCommand(["tshark"]), ["-n", "-r", capture, ...options, "-Y", filter, "-V"], {
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout.split(/^(?=Frame \d+:)/m).filter((frame) => frame.startsWith("Frame "));
  }

  test.each([
    ["checks", "stun.type == 0x0001"],
    ["answers to checks", "stun.type == 0x0101"],
    ["our Certificate", "dtls.handshake.type == 11"],
    ["decrypted SCTP INIT", "sctp.chunk_type == 1"],
    ["decrypted SCTP DATA", "sctp.chunk_type == 0"],
    ["the DATA_CHANNEL_OPEN inside", "rtcdc.message_type == 3"],
    [
      "the text that was sent",
      'frame contains "text of this session" or sctp.chunk_type == 0 and data contains "text of"',
    ],
    ["the ABORT of the close", "sctp.chunk_type == 6"],
  ])("shows %s", async (_, filter) => {
    expect(await frames(filter)).not.toEqual([]);
  });

  test.each([
    ["malformed frame", "_ws.malformed"],
    ["bad SCTP checksum", "sctp.checksum.status == 0"],
    ["SCTP packet whose checksum was not verified", "sctp and not sctp.checksum.status == 1"],
    ["bad STUN fingerprint", "stun.att.crc32.status == 0"],
    ["bad UDP checksum", "udp.checksum.status == 0"],
    ["error of any dissector", "_ws.expert.severity == error"],
    ["datagram that no dissector recognises", "udp and not stun and not dtls"],
    ["application data that stayed encrypted", "dtls.record.content_type == 23 and not sctp"],
  ])("has no %s", async (_, filter) => {
    expect(await frames(filter)).toEqual([]);
  });
});

interface RecordedSession {
  pcap: Uint8Array;
  keyLog: string;
  /** The port that the page's datagrams went to. */
  port: number;
}

/** Connects, echoes messages of every kind, closes a channel and the connection; all through a proxy that records. */
async function recordSession(name: (typeof BROWSERS)[number]): Promise<RecordedSession> {
  const pcap = new PcapWriter();
  const keyLog: string[] = [];
  const proxy = await UdpProxy.start();
  proxy.tap = pcap.add;
  const echo = await startEchoServer({
    publicAddresses: [`127.0.0.1:${proxy.port}`],
    keyLog: (line) => keyLog.push(line),
  });
  proxy.serverPort = echo.server.localAddress.port;
  const browser = await launchBrowser(name);
  try {
    const channels = [{ label: "data", ordered: false, maxRetransmits: 0 }, { label: "reliable" }];
    const peer = await PeerInPage.connect(await browser.open(echo.site.url), { channels });
    await peer.echo(["text of this session", "", [], Array(1_100).fill(7), Array(3_000).fill(8)]);
    await peer.echo(["by the reliable channel", Array(20_000).fill(9)], { channel: 1 });
    await peer.closeChannel(1);
    await peer.logged("close reliable");
    await peer.close();
    await echo.closed.waitForCount(15_000, "the server notices the close", 1);
  } finally {
    await browser.close();
    await echo.close();
    await proxy.close();
  }
  return { pcap: pcap.finish(), keyLog: `${keyLog.join("\n")}\n`, port: proxy.port };
}
