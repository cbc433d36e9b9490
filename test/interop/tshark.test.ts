/** Wireshark's dissectors read a whole browser session, decrypted with our key log, and find nothing wrong with it. */
import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
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

const INIT = 1;
const DATA = 0;
const I_DATA = 64;
const ABORT = 6;
const RE_CONFIG = 130;

describe.each(BROWSERS)("a session with %s", (name) => {
  let folder: string;
  let options: string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tshark-"));
    const [capture, keyLog, unusedKey] = ["session.pcap", "keys.log", "unused.pem"].map((file) => join(folder, file));
    const session = await recordSession(name);
    await Promise.all([
      writeFile(capture as string, session.pcap),
      writeFile(keyLog as string, session.keyLog),
      writeFile(unusedKey as string, generateKeyPairSync("rsa", PEM_2048).privateKey),
    ]);
    options = [
      ["-n", "-r", capture as string],
      ["-o", `tls.keylog_file:${keyLog}`],
      // The one way to tell every version what is inside these records is its list of RSA keys, whose key nobody needs here. It
      // claims the port for DTLS, unless the dissectors that look at the bytes come first.
      ["-o", `uat:dtlsdecrypttablefile:"127.0.0.1","${session.port}","sctp","${unusedKey}",""`],
      ["-o", "udp.try_heuristic_first:TRUE"],
      ["-o", "sctp.checksum:CRC 32c"],
      ["-o", "udp.check_checksum:TRUE"],
    ].flat();
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  async function tshark(...more: string[]): Promise<string> {
    const { stdout } = await run(findCommand(["tshark"]), [...options, ...more], { maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  }

  test("is read from its first check to its ABORT, with everything in between", async () => {
    const fields = ["stun.type", "dtls.handshake.type", "sctp.chunk_type", "rtcdc.message_type", "data.data"];
    const lines = await tshark("-T", "fields", ...fields.flatMap((field) => ["-e", field]));
    const seen = fields.map((_, column) => {
      const cells = lines.split("\n").flatMap((line) => line.split("\t")[column]?.split(",") ?? []);
      return new Set(cells.filter((cell) => cell !== ""));
    });
    const [stun, handshake, chunks, dcep, messages] = seen as [
      Set<string>,
      Set<string>,
      Set<string>,
      Set<string>,
      Set<string>,
    ];
    expect([...stun].map(Number), "binding requests and responses").toEqual(expect.arrayContaining([0x0001, 0x0101]));
    expect([...handshake].map(Number), "handshake messages").toEqual(
      expect.arrayContaining([1, 2, 11, 12, 13, 14, 15, 16]),
    );
    const types = [...chunks].map(Number);
    expect(types, "chunks").toEqual(expect.arrayContaining([INIT, ABORT, RE_CONFIG]));
    // Firefox takes I-DATA.
    expect(types.includes(DATA) || types.includes(I_DATA), "chunks with user data").toBe(true);
    expect([...dcep].map(Number), "DCEP messages").toEqual(expect.arrayContaining([2, 3]));
    expect(messages, "messages in the clear").toContain(Buffer.from(TEXT).toString("hex"));
  });

  // A ClientHello that comes once more, on a slow machine, is no error of anybody's, though the dissector calls it one.
  const REPEATED = "_ws.malformed.reassembly";
  test.each([
    ["malformed frame", `_ws.malformed and not ${REPEATED}`],
    ["bad SCTP checksum", "sctp.checksum.status == 0"],
    ["SCTP packet whose checksum was not verified", "sctp and not sctp.checksum.status == 1"],
    ["bad STUN fingerprint", "stun.att.crc32.status == 0"],
    ["bad UDP checksum", "udp.checksum.status == 0"],
    ["warning or error of any dissector", `_ws.expert.severity >= warning and not ${REPEATED}`],
    ["datagram that no dissector recognises", "udp and not stun and not dtls"],
    ["application data that stayed encrypted", "dtls.record.content_type == 23 and not sctp"],
  ])("has no %s", async (_, filter) => {
    expect(await tshark("-Y", filter)).toBe("");
  });
});

const TEXT = "text of this session";

const PEM_2048 = {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
} as const;

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
    // Debian 12's tshark 4.0 reads the handshake of DTLS 1.3, but decrypts 1.2 only.
    dtlsVersions: ["1.2"],
    keyLog: (line) => keyLog.push(line),
  });
  proxy.serverPort = echo.server.localAddress.port;
  const browser = await launchBrowser(name);
  try {
    const channels = [{ label: "data", ordered: false, maxRetransmits: 0 }, { label: "reliable" }];
    const peer = await PeerInPage.connect(await browser.open(echo.site.url), { channels });
    await peer.echo([TEXT, "", [], Array(1_100).fill(7), Array(3_000).fill(8)]);
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
