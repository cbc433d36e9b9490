import { describe, expect, it } from "vitest";
import { IceAgent } from "../../sim/browser-peer/ice-agent.ts";
import { type BrowserProfile, CHROMIUM, FIREFOX } from "../../sim/browser-peer/profile.ts";
import { Random } from "../../sim/random.ts";
import { type LiteSession, answerCheck } from "../../../src/ice/lite.ts";
import { parseBindingRequest } from "../../../src/ice/stun.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";

const datapath = new Datapath({ keySlots: 1 });
const SOURCE = { address: "198.51.100.1", port: 50_000 };

/** Runs an agent against the product's rules for answers; `answers` says from when until when there are any. */
function run(profile: BrowserProfile, untilMs: number, answers: (now: number) => boolean) {
  const checks: { at: number; nominated: boolean; transaction: string }[] = [];
  const log: string[] = [];
  let now = 0;
  const agent = new IceAgent(profile.ice, new Random("ice"), {
    send: (datagram) => {
      const request = parseBindingRequest(datagram);
      if (typeof request === "string") throw new Error(`the product cannot read the check: ${request}`);
      const outcome = answerCheck(session, request, SOURCE, datapath);
      if (outcome.kind !== "accept") throw new Error(`the product does not accept the check: ${outcome.kind}`);
      const transaction = Buffer.from(datagram.subarray(8, 20)).toString("hex");
      checks.push({ at: now, nominated: outcome.nominated, transaction });
      if (answers(now)) agent.handleDatagram(now, outcome.response);
    },
    connected: (at) => log.push(`connected ${at}`),
    failed: (at) => log.push(`failed ${at}`),
  });
  const session: LiteSession = {
    localUfrag: "srv1",
    localPwd: "a password of the server",
    remoteUfrag: agent.local.ufrag,
  };
  agent.start(0, { ufrag: session.localUfrag, pwd: session.localPwd });
  while (agent.nextDeadline <= untilMs) {
    now = agent.nextDeadline;
    agent.handleTimeout(now);
  }
  return { agent, checks, log, times: checks.map(({ at }) => at) };
}

describe("the browser-like ICE agent", () => {
  it("checks as Chromium does while nobody answers: new transactions at 49 ms, then each 62.5 ms, until it gives up", () => {
    const { times, checks, log } = run(CHROMIUM, 20_000, () => false);
    expect(times.slice(0, 4)).toEqual([0, 49, 111.5, 174]);
    expect(new Set(checks.map(({ transaction }) => transaction)).size).toBe(checks.length);
    expect(log).toEqual(["failed 15900"]);
  });

  it("checks as Firefox does while nobody answers: one transaction, 7 times up to 6.3 s", () => {
    const { times, checks } = run(FIREFOX, 20_000, () => false);
    expect(times).toEqual([0, 100, 300, 700, 1500, 3100, 6300]);
    expect(new Set(checks.map(({ transaction }) => transaction)).size).toBe(1);
  });

  it("nominates as Chromium does: not with its first check, but with each one after the first answer", () => {
    const { checks, times, log, agent } = run(CHROMIUM, 20_000, () => true);
    expect(log).toEqual(["connected 0"]);
    expect(checks.map(({ nominated }) => nominated)).toEqual(checks.map((_, i) => i > 0));
    expect(times).toEqual([0, 56, 119, 1244, 2306, 4966, 7626, 10_286, 12_946, 15_606, 18_266]);
    expect(agent.mapped).toEqual(SOURCE);
  });

  it("nominates as Firefox does: with its first check only, and then checks each 4 to 6 s", () => {
    const { checks, times } = run(FIREFOX, 60_000, () => true);
    expect(checks.map(({ nominated }) => nominated)).toEqual(checks.map((_, i) => i === 0));
    const gaps = times.slice(1).map((at, i) => at - times[i]);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(4000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(6000);
  });

  it("grows impatient as Chromium does: half a second without an answer, then a check each 62.5 ms until there is one", () => {
    const { times } = run(CHROMIUM, 9000, (now) => now < 4000 || now > 5700);
    expect(times.filter((at) => at > 4000)).toEqual([4966, 5498, 5560.5, 5623, 5685.5, 5748, 7626]);
  });
});
