import { PROFILES } from "../browser-peer/profile.ts";
import { type CellOptions, type CellResult, type DirectionResult, runCell, withinBound } from "../cell.ts";
import type { Table, TableContext, Verdict } from "./table.ts";

const LOSSES = [0, 0.01, 0.02, 0.05, 0.1, 0.2];
const BURSTS = { random: 1, bursty: 4 };
const RTTS_MS = [0, 50, 100, 200];
/**
 * Firefox does not repeat a lost check, and gives a connection up after five of them in a row, within 30 s (measured).
 * Above this loss it so ends connections of five minutes by itself, whatever the server does: all turns are Chromium's.
 */
const FIREFOX_LOSS = 0.05;

export interface LossSettings {
  /** Only the cells whose name matches. */
  pattern: RegExp;
  /** A cell, each way. */
  messages: number;
  messageBytes: number;
  rateHz: number;
  /** Default: they take turns. */
  browser?: keyof typeof PROFILES | undefined;
}

interface Cell extends CellOptions {
  name: string;
  profile: (typeof PROFILES)[keyof typeof PROFILES];
}

/** Link loss beside message loss, over random and bursty losses and round trips, each way. */
export function lossTable(settings: LossSettings): Table {
  return {
    name: "loss",
    summary: "link loss beside message loss, browser and server, 48 cells",
    usesUsrsctp: false,
    run: (context) => printCells(settings, context),
  };
}

function printCells(settings: LossSettings, context: TableContext): Verdict[] {
  const cells = allCells(settings, context.seed).filter(({ name }) => settings.pattern.test(name));
  let missed = 0;
  context.print(HEAD);
  for (const [i, cell] of cells.entries()) {
    context.progress(`${i + 1}/${cells.length} ${cell.name}`);
    const result = runCell(cell);
    const ok = withinBound(result.up) && withinBound(result.down);
    if (!ok) missed++;
    context.record({ cell, ...result, ok });
    context.progress("");
    context.print(tableRow(cell, result, ok));
  }
  context.print(
    "\nlink loss: of the datagrams large enough to carry a message " +
      "(not of acknowledgements, which answer what got through)\n",
  );
  const text = `${cells.length - missed} of ${cells.length} cells within link loss x 1.1 + 0.1 %, no message twice`;
  return [{ kept: missed === 0, text }];
}

function allCells({ messages, messageBytes, rateHz, browser }: LossSettings, seed: string): Cell[] {
  const cells: Cell[] = [];
  const profiles = Object.values(PROFILES);
  for (const [kind, lossBurst] of Object.entries(BURSTS)) {
    for (const loss of LOSSES) {
      for (const rttMs of RTTS_MS) {
        const turn = loss > FIREFOX_LOSS ? 0 : LOSSES.indexOf(loss) + RTTS_MS.indexOf(rttMs) + lossBurst;
        const profile = browser === undefined ? profiles[turn % profiles.length] : PROFILES[browser];
        const name = `${kind} ${100 * loss}% ${rttMs} ms ${profile.name}`;
        const cellSeed = `${seed}/${name}`;
        cells.push({ name, seed: cellSeed, loss, lossBurst, rttMs, messages, messageBytes, rateHz, profile });
      }
    }
  }
  return cells;
}

const HEAD = [
  "                              browser to server            server to browser",
  "losses   link    RTT  browser   link loss  message loss      link loss  message loss   twice",
  "-------  ----  -----  --------  ---------  ------------      ---------  ------------   -----",
].join("\n");

function tableRow({ lossBurst, loss, rttMs, profile }: Cell, { up, down, ended }: CellResult, ok: boolean): string {
  const percent = (share: number, width: number) => `${(100 * share).toFixed(2)} %`.padStart(width);
  const direction = (result: DirectionResult) =>
    `${percent(result.linkLoss, 9)}  ${percent(result.messageLoss, 12)}${withinBound(result) ? " " : "!"}`;
  return [
    (lossBurst > 1 ? "bursty" : "random").padEnd(7),
    `${100 * loss} %`.padStart(4),
    `${rttMs} ms`.padStart(6),
    profile.name.padEnd(8),
    direction(up),
    "  ",
    direction(down),
    String(up.duplicates + down.duplicates).padStart(6),
    ok ? "" : ` MISSED${ended === undefined ? "" : `, ${ended}`}`,
  ]
    .join("  ")
    .trimEnd();
}
