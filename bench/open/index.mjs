/**
 * npm run bench:open: how long real browsers take to open a channel, from their first STUN request to `onopen`, through a proxy that
 * delays; beside other servers in the same run.
 *
 *   --rounds 5         openings per row and round trip      --json FILE
 *   --only TEXT        rows whose name has it               --browser chromium or firefox; both by default
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Association } from "../../src/sctp/association.ts";
import { launchBrowser } from "../../test/support/browsers.ts";
import { startEchoServer } from "../../test/support/echo-server.ts";
import { PeerInPage } from "../../test/support/harness.ts";
import { UdpProxy } from "../../test/support/proxy.ts";
import { startSite } from "../../test/support/site.ts";
import { installedPeers } from "../load/servers.mjs";
import { ServerProcess } from "../load/server-process.mjs";
import { Figure, printTable } from "../report.mjs";

const ROUND_TRIPS_MS = [0, 50, 100, 200];
const TARGET_AT_MS = 100;
const ANNOUNCED = { label: "data", ordered: false, maxRetransmits: 0 };
const NEGOTIATED = { ...ANNOUNCED, negotiated: true, id: 0 };
const SNAP = "WebRTC-Sctp-Snap/Enabled/";
const SPED = "WebRTC-IceHandshakeDtls/Enabled/";
const TIMEOUT_MS = 15_000;

const V12 = { dtlsVersions: ["1.2"] };
const V13 = { dtlsVersions: ["1.3", "1.2"] };

/** Name, server, browser's field trials, channel, and the most it may take at a round trip of 100 ms, by browser. */
const ROWS = [
  { name: "DTLS 1.2, INIT left to the browser", ...V12, withoutInit: true },
  { name: "DTLS 1.2, our INIT with Finished", ...V12 },
  { name: "DTLS 1.3, our INIT with the flight", ...V13, target: { chromium: 330, firefox: 430 } },
  { name: "DTLS 1.2, negotiated channel", ...V12, channel: NEGOTIATED },
  { name: "DTLS 1.3, negotiated channel", ...V13, channel: NEGOTIATED, target: { chromium: 330, firefox: 330 } },
  { name: "DTLS 1.3, SNAP", ...V13, trials: SNAP, target: { chromium: 230 } },
  { name: "DTLS 1.3, SNAP, negotiated channel", ...V13, trials: SNAP, channel: NEGOTIATED },
  { name: "DTLS 1.3, SNAP, SPED", ...V13, trials: SNAP + SPED, target: { chromium: 150 } },
  {
    name: "DTLS 1.3 without ML-KEM, SNAP, SPED",
    ...V13,
    trials: SNAP + SPED,
    flags: ["--disable-features=WebRtcPqcForDtls"],
  },
  { name: "node-datachannel", peer: "node-datachannel" },
  { name: "werift", peer: "werift" },
];

export async function main(args) {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string", default: "5" },
      only: { type: "string", default: "" },
      browser: { type: "string" },
      json: { type: "string", default: fileURLToPath(new URL("results.json", import.meta.url)) },
    },
  });
  const rounds = Number(values.rounds);
  const peers = installedPeers();
  const rows = ROWS.filter(
    ({ name, peer }) => name.includes(values.only) && (peer === undefined || peers.includes(peer)),
  );
  const results = [];
  for (const browser of values.browser === undefined ? ["chromium", "firefox"] : [values.browser]) {
    for (const row of rows) {
      if (browser === "firefox" && row.trials !== undefined) continue;
      results.push({ browser, ...(await measure(row, browser, rounds)) });
      process.stderr.write(".");
    }
  }
  printTable(
    "From the first STUN request to onopen, ms",
    ["server", "browser", ...ROUND_TRIPS_MS.map((rtt) => `${rtt} ms`), "round trips"],
    results.map(({ name, browser, figures, trips }) => [name, browser, ...figures, trips.toFixed(1)]),
    `\nMedians of ${rounds} openings at each round trip, ± half their range; round trips by the slope from 50 to 200 ms.`,
  );
  const verdicts = results.filter(({ target }) => target !== undefined).map(verdictOf);
  const cells = verdicts.map(({ name, browser, target, ms, met }) => [name, browser, ms, target, met ? "✓" : "✗"]);
  printTable(`Targets at ${TARGET_AT_MS} ms`, ["server", "browser", "ms", "at most", ""], cells);
  writeFileSync(values.json, `${JSON.stringify({ results, verdicts }, undefined, 1)}\n`);
  return 0;
}

function verdictOf({ name, browser, target, figures }) {
  const ms = figures[ROUND_TRIPS_MS.indexOf(TARGET_AT_MS)].median;
  return { name, browser, target, ms, met: ms <= target };
}

async function measure(row, browserName, rounds) {
  const { name, trials, flags = [], channel = ANNOUNCED, target } = row;
  const proxy = await UdpProxy.start();
  const server = row.peer === undefined ? await startOurs(row, proxy) : await startPeer(row.peer, proxy);
  const trialFlags = trials === undefined ? [] : [`--force-fieldtrials=${trials}`];
  const browser = await launchBrowser(browserName, { flags: [...trialFlags, ...flags] });
  try {
    const page = await browser.open(server.url);
    await open(page, proxy, 0, channel); // What is compiled and loaded once for all.
    const figures = [];
    for (const rtt of ROUND_TRIPS_MS) {
      const times = [];
      for (let round = 0; round < rounds; round++) times.push(await open(page, proxy, rtt, channel));
      figures.push(new Figure(times));
    }
    const trips = (figures[3].median - figures[1].median) / (ROUND_TRIPS_MS[3] - ROUND_TRIPS_MS[1]);
    return { name, figures, trips, target: target?.[browserName] };
  } finally {
    await browser.close();
    await server.close();
    await proxy.close();
  }
}

/** Milliseconds of one opening; NaN where it fails. */
async function open(page, proxy, rtt, channel) {
  proxy.change({ delayMs: rtt / 2 });
  let firstCheck = Number.NaN;
  proxy.tap = (datagram, from) => {
    // The tap sees it when it leaves the proxy, half a round trip after the browser sent it.
    if (Number.isNaN(firstCheck) && from !== proxy.port && datagram[0] === 0 && datagram[1] === 1) {
      firstCheck = performance.timeOrigin + performance.now() - rtt / 2;
    }
  };
  try {
    const peer = await PeerInPage.connect(page, { channels: [channel], timeoutMs: TIMEOUT_MS });
    const openedAt = await peer.openedAt();
    await peer.close();
    // What closes the connection, and what the closed one still sends, is not for the next one.
    await new Promise((resolve) => setTimeout(resolve, 2 * rtt + 50));
    return openedAt - firstCheck;
  } catch {
    return Number.NaN;
  }
}

async function startOurs({ dtlsVersions, withoutInit = false, channel }, proxy) {
  const { connect } = Association.prototype;
  // Only servers are in this process: the browser's INIT is answered as ever.
  if (withoutInit) Association.prototype.connect = () => {};
  const echo = await startEchoServer({
    publicAddresses: [`127.0.0.1:${proxy.port}`],
    dtlsVersions,
    ...(channel && { negotiatedChannels: [{ label: channel.label, id: channel.id }] }),
  });
  proxy.serverPort = echo.server.localAddress.port;
  return {
    url: echo.site.url,
    async close() {
      Association.prototype.connect = connect;
      await echo.close();
    },
  };
}

/** A server that gives each connection a port of its own: the proxy leads there. */
async function startPeer(name, proxy) {
  const process = await ServerProcess.start(name);
  const site = await startSite(async (request) => {
    const sdp = await process.call("answer", await request.text());
    const candidates = [...sdp.matchAll(/a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) typ host.*/gi)];
    proxy.serverPort = Number(candidates[0]?.[1]);
    const candidate = `candidate:1 1 udp 2130706431 127.0.0.1 ${proxy.port} typ host`;
    const answer = { type: "answer", sdp: sdp.replace(/a=candidate:.*\r?\n/g, "") };
    return Response.json({ answer, candidate: { candidate, sdpMLineIndex: 0, sdpMid: "0" } });
  });
  return {
    url: site.url,
    async close() {
      await site.close();
      await process.stop();
    },
  };
}
