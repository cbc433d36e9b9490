/**
 * npm run loss:browsers: link loss in, message loss out, with real browsers through a proxy that loses and delays. For each
 * browser and loss rate one page sends to the server and the server to the page, at once.
 *
 *   --seconds 20             length of each flow
 *   --seed loss              of the losses
 *
 * Verdict: no message came twice, and at most 1.3 times as many are lost as the datagrams that carry messages. Exit code 1 where
 * that is missed.
 */
import { readArguments } from "../../scripts/arguments.mjs";
import { BROWSERS, type BrowserName, launchBrowser } from "../support/browsers.ts";
import { startEchoServer } from "../support/echo-server.ts";
import { FlowReceiver, sendFlow } from "../support/flow.ts";
import { PeerInPage } from "../support/harness.ts";
import { type ProxyCounters, UdpProxy } from "../support/proxy.ts";

const LOSSES = [0.02, 0.05];
const ONE_WAY_DELAY_MS = 50;
const HZ = 60;
/** Larger than any datagram that carries no message once the channel is open: the proxy tells them apart by this. */
const MESSAGE_BYTES = 200;
/** Message loss may be this many times the loss of the datagrams that carry messages. */
const BOUND = 1.3;
/** For what is still on its way when the last message was sent: a multiple of the round trip. */
const SETTLE_MS = 2_000;

export interface Row {
  browser: BrowserName;
  direction: "page → server" | "server → page";
  nominalLoss: number;
  sent: number;
  lost: number;
  duplicates: number;
  /** Messages in the datagrams that came to the proxy, and in those it lost: the link's loss, as messages meet it. */
  offered: number;
  offeredLost: number;
}

export async function main(args: string[]): Promise<number> {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const values = readArguments(import.meta.url, { seconds: text("20"), seed: text("loss") }, args);
  const seconds = Number(values.seconds);
  console.log(
    `RTT ${2 * ONE_WAY_DELAY_MS} ms, ${HZ} Hz both ways, ${MESSAGE_BYTES} B, ${seconds} s; seed "${values.seed}"\n`,
  );
  console.log("| browser | direction | link loss | messages | lost by the link | lost | ratio | twice |");
  console.log("|---|---|---|---|---|---|---|---|");
  let failed = false;
  for (const loss of LOSSES) {
    const measured = await Promise.all(BROWSERS.map((name) => measure(name, loss, seconds, values.seed)));
    for (const row of measured.flat()) {
      console.log(format(row));
      failed ||= !isWithinBound(row);
    }
  }
  console.log(
    failed ? `\nsome rows lost more than ${BOUND} × the link's loss` : `\nall within ${BOUND} × the link's loss`,
  );
  return failed ? 1 : 0;
}

export function isWithinBound({ sent, lost, duplicates, offered, offeredLost }: Row): boolean {
  return sent > 0 && duplicates === 0 && lost / sent <= (BOUND * offeredLost) / offered;
}

/** One flow each way between one page and the server. */
export async function measure(browser: BrowserName, loss: number, seconds: number, seed: string): Promise<Row[]> {
  const proxy = await UdpProxy.start({ loss, delayMs: ONE_WAY_DELAY_MS, seed: `${seed} ${browser} ${loss}` });
  proxy.messageBytes = MESSAGE_BYTES;
  const received = new FlowReceiver();
  const echo = await startEchoServer({
    publicAddresses: [`127.0.0.1:${proxy.port}`],
    onMessage: ({ data }) => received.add(data as Uint8Array),
  });
  proxy.serverPort = echo.server.localAddress.port;
  const running = await launchBrowser(browser);
  try {
    const peer = await PeerInPage.connect(await running.open(echo.site.url), { timeoutMs: 60_000 });
    const connection = await echo.opened.waitFor(10_000, "the server sees the connection", () => true);
    const before = { up: { ...proxy.toServer }, down: { ...proxy.toClient } };
    const flow = { count: seconds * HZ, hz: HZ, bytes: MESSAGE_BYTES };
    const [sentUp, sentDown] = await Promise.all([peer.sendFlow(flow), sendFlow(connection, flow)]);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const down = await peer.flowReport();
    const common = { browser, nominalLoss: loss };
    return [
      { ...common, direction: "page → server", ...outcome(sentUp, received), ...between(before.up, proxy.toServer) },
      { ...common, direction: "server → page", ...outcome(sentDown, down), ...between(before.down, proxy.toClient) },
    ];
  } finally {
    await running.close();
    await echo.close();
    await proxy.close();
  }
}

function outcome(sent: number, { distinct, duplicates }: { distinct: number; duplicates: number }) {
  return { sent, lost: sent - distinct, duplicates };
}

function between(before: ProxyCounters, after: ProxyCounters) {
  return {
    offered: after.messages - before.messages,
    offeredLost: after.messagesLost - before.messagesLost,
  };
}

function format(row: Row): string {
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  const link = row.offeredLost / row.offered;
  const message = row.lost / row.sent;
  const cells = [
    row.browser,
    row.direction,
    percent(row.nominalLoss),
    row.sent,
    `${row.offeredLost} (${percent(link)})`,
    `${row.lost} (${percent(message)})`,
    `${(message / link).toFixed(2)}${isWithinBound(row) ? "" : " ✗"}`,
    row.duplicates,
  ];
  return `| ${cells.join(" | ")} |`;
}
