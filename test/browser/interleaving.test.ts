/** I-DATA with real browsers: Firefox offers it, Chromium has it behind a field trial. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrowserName, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";
import { PeerInPage } from "../support/harness.ts";

interface Case {
  readonly name: string;
  readonly browser: BrowserName;
  readonly flags: readonly string[];
  /** Who carries messages, and who gives them up. */
  readonly chunks: "i-data" | "data";
}

const CASES: readonly Case[] = [
  { name: "Firefox", browser: "firefox", flags: [], chunks: "i-data" },
  { name: "Chromium", browser: "chromium", flags: [], chunks: "data" },
  {
    name: "Chromium with its field trial",
    browser: "chromium",
    flags: ["--force-fieldtrials=WebRTC-DataChannelMessageInterleaving/Enabled/"],
    chunks: "i-data",
  },
];

describe.each(CASES)("$name", ({ browser: name, flags, chunks }) => {
  const seen = new Map<string, Set<string>>();
  let echo: EchoServer;
  let browser: RunningBrowser;

  /** The chunks that carried messages, by who sent them. */
  const note = (line: string) => {
    for (const [, event, types] of line.matchAll(/"name":"sctp:(packet_\w+)".*?"chunks":(\[.*\])/g)) {
      const names = seen.get(event) ?? new Set();
      seen.set(event, names);
      for (const [, type] of types.matchAll(/"type":"((?:i-)?data)"/g)) names.add(type);
    }
  };

  beforeAll(async () => {
    const trace = () => ({ events: note });
    [echo, browser] = await Promise.all([startEchoServer({ trace }), launchBrowser(name, { flags: [...flags] })]);
  });

  afterAll(async () => {
    await browser?.close();
    await echo?.close();
  });

  test(`sends and takes ${chunks}: messages of all sizes echo on channels of all kinds`, async () => {
    const page = await browser.open(echo.site.url);
    const peer = await PeerInPage.connect(page, {
      channels: [
        { label: "reliable" },
        { label: "unreliable", ordered: false, maxRetransmits: 0 },
        { label: "unordered", ordered: false },
        { label: "timed", maxPacketLifeTime: 5_000 },
      ],
    });
    const messages = [1, 1_100, 1_156, 1_157, 20_000, 65_536].map((length) => "x".repeat(length));
    for (const channel of [0, 1, 2, 3]) {
      for (const message of messages) expect(await peer.echo([message], { channel })).toEqual([message]);
    }
    expect([...seen].map(([event, types]) => [event, [...types]]).sort()).toEqual([
      ["packet_received", [chunks]],
      ["packet_sent", [chunks]],
    ]);
    await page.close();
  });
});
