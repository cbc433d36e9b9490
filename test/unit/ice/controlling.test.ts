import { expect, test } from "vitest";
import { ControllingAgent } from "../../../src/ice/controlling.ts";
import { answerCheck } from "../../../src/ice/lite.ts";
import {
  hasAttribute,
  type StunMessage,
  parseBindingRequest,
  parseStun,
  USE_CANDIDATE,
} from "../../../src/ice/stun.ts";
import { writeBindingError, writeBindingRequest, writeBindingSuccess } from "../../../src/ice/stun-write.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import type { SocketAddress } from "../../../src/wire/address.ts";
import { Random } from "../../sim/random.ts";

const LOCAL = { ufrag: "client01", pwd: "c".repeat(24) };
const REMOTE = { ufrag: "server01", pwd: "s".repeat(24) };
const SERVER = { address: "192.0.2.1", port: 42424 };
const OTHER = { address: "2001:db8::1", port: 42424 };
const datapath = new Datapath({ keySlots: 1 });
const CLIENT = { address: "198.51.100.4", port: 50000 };
const remoteKey = new TextEncoder().encode(REMOTE.pwd);

interface Check {
  readonly to: SocketAddress;
  readonly bytes: Uint8Array;
  readonly message: StunMessage;
}

function start(candidates: SocketAddress[] = [SERVER]) {
  const random = new Random("controlling");
  const sent: Check[] = [];
  const selected: SocketAddress[] = [];
  const doubts: number[] = [];
  const agent = new ControllingAgent(
    {
      local: LOCAL,
      remote: REMOTE,
      candidates,
      random: (length) => Uint8Array.from({ length }, () => random.uint32() & 0xff),
    },
    {
      transmit: (bytes, to) => sent.push({ to, bytes, message: parseStun(bytes) as StunMessage }),
      selected: (to) => selected.push(to),
      doubted: () => doubts.push(sent.length),
    },
  );
  agent.start(0);
  return { agent, sent, selected, doubts };
}

/** What our own ICE-lite server answers. */
function answerTo({ bytes }: Check): Uint8Array {
  const request = parseBindingRequest(bytes);
  if (typeof request === "string") throw new Error(request);
  const session = { localUfrag: REMOTE.ufrag, localPwd: REMOTE.pwd, remoteUfrag: LOCAL.ufrag };
  const outcome = answerCheck(session, request, CLIENT, datapath);
  if (outcome.kind !== "accept") throw new Error(outcome.kind);
  return outcome.response;
}

/** Runs the agent's own deadlines up to `until`. */
function run(agent: ControllingAgent, until: number): void {
  while (agent.nextDeadline <= until) agent.handleTimeout(agent.nextDeadline);
}

test("the first check leaves at once, nominates a single candidate and is answered by an ICE-lite server", () => {
  const { agent, sent, selected } = start();
  expect(sent.map(({ to }) => to)).toEqual([SERVER]);
  expect(hasAttribute(sent[0].message, USE_CANDIDATE)).toBe(true);
  expect(agent.handleDatagram(30, SERVER, answerTo(sent[0]))).toBeUndefined();
  expect(selected).toEqual([SERVER]);
  expect(agent).toMatchObject({ isSelected: true, destination: SERVER, lastAnswer: 30 });
});

test("unanswered checks follow each other ever more slowly, each a transaction of its own", () => {
  const { agent, sent } = start();
  const times = [0];
  while (agent.nextDeadline < 5_000) {
    times.push(agent.nextDeadline);
    agent.handleTimeout(agent.nextDeadline);
  }
  expect(times).toEqual([0, 50, 150, 350, 750, 1_550, 2_550, 3_550, 4_550]);
  expect(new Set(sent.map(({ message }) => message.transactionId.join())).size).toBe(sent.length);
});

test("a late answer to an early check counts", () => {
  const { agent, sent, selected } = start();
  run(agent, 1_000);
  agent.handleDatagram(1_000, SERVER, answerTo(sent[0]));
  expect(selected).toEqual([SERVER]);
});

test("further candidates are paced, and the one that answers is nominated", () => {
  const { agent, sent, selected } = start([SERVER, OTHER]);
  expect(hasAttribute(sent[0].message, USE_CANDIDATE)).toBe(false);
  run(agent, 50);
  const other = sent.find(({ to }) => to === OTHER)!;
  agent.handleDatagram(60, OTHER, answerTo(other));
  expect(selected).toEqual([OTHER]);
  const nomination = sent[sent.length - 1];
  expect(nomination.to).toBe(OTHER);
  expect(hasAttribute(nomination.message, USE_CANDIDATE)).toBe(true);
  // The first candidate's answer comes too late to change anything.
  agent.handleDatagram(70, SERVER, answerTo(sent[0]));
  expect(agent.destination).toBe(OTHER);
});

test("consent is asked for every 4 to 5 s, and more often while it is not given", () => {
  const { agent, sent } = start();
  agent.handleDatagram(10, SERVER, answerTo(sent[0]));
  const due = agent.nextDeadline;
  expect(due).toBeGreaterThanOrEqual(4_010);
  expect(due).toBeLessThanOrEqual(5_010);
  agent.handleTimeout(due);
  expect(agent.nextDeadline).toBe(due + 500);
  agent.handleTimeout(due + 500);
  agent.handleDatagram(due + 510, SERVER, answerTo(sent[sent.length - 1]));
  expect(agent.lastAnswer).toBe(due + 510);
  expect(agent.nextDeadline).toBeGreaterThanOrEqual(due + 4_510);
});

test("a check of the path in use that goes unanswered leaves it in doubt, once, until one is answered", () => {
  const { agent, sent, selected, doubts } = start();
  agent.handleDatagram(10, SERVER, answerTo(sent[0]));
  run(agent, agent.nextDeadline);
  expect(doubts).toEqual([]);
  run(agent, 7_000);
  expect(doubts).toHaveLength(1);
  expect(selected).toHaveLength(1);
  agent.handleDatagram(7_001, SERVER, answerTo(sent[sent.length - 1]));
  expect(selected).toEqual([SERVER, SERVER]);
  run(agent, 20_000);
  expect(doubts).toHaveLength(2);
});

test("a path is checked at once when it is asked for, and nominated", () => {
  const { agent, sent, selected, doubts } = start([SERVER, OTHER]);
  agent.check(5);
  expect([sent.length, doubts.length]).toEqual([1, 0]);
  agent.handleDatagram(10, SERVER, answerTo(sent[0]));
  const before = sent.length;
  agent.check(1_000);
  expect(sent.slice(before).map(({ to, message }) => [to, hasAttribute(message, USE_CANDIDATE)])).toEqual([
    [SERVER, true],
  ]);
  expect(agent.nextDeadline).toBe(1_500);
  agent.handleDatagram(1_010, SERVER, answerTo(sent[sent.length - 1]));
  expect(selected).toEqual([SERVER, SERVER]);
});

test("answers that were not asked for, or are not the server's, change nothing", () => {
  const { agent, sent, selected } = start();
  const { transactionId } = sent[0].message;
  const wrongKey = new TextEncoder().encode("x".repeat(24));
  const drops = [
    agent.handleDatagram(1, SERVER, writeBindingSuccess(new Uint8Array(12), CLIENT, remoteKey)),
    agent.handleDatagram(1, SERVER, writeBindingSuccess(transactionId, CLIENT, wrongKey)),
    agent.handleDatagram(1, { ...SERVER, port: 1 }, answerTo(sent[0])),
    agent.handleDatagram(1, SERVER, writeBindingError(transactionId, 400, "Bad Request", remoteKey)),
    agent.handleDatagram(1, SERVER, answerTo(sent[0]).subarray(0, 40)),
    agent.handleDatagram(1, SERVER, Uint8Array.of(0, 1, 2)),
  ];
  expect(drops).toEqual([
    "stun-unexpected",
    "stun-bad-integrity",
    "stun-unexpected",
    "stun-unexpected",
    "stun-malformed",
    "stun-malformed",
  ]);
  expect(selected).toEqual([]);
});

test("an address is the same however it is written", () => {
  const { agent, sent, selected } = start([OTHER]);
  agent.handleDatagram(1, { address: "2001:DB8:0:0:0:0:0:1", port: OTHER.port }, answerTo(sent[0]));
  expect(selected).toEqual([OTHER]);
});

test("checks of a peer that is no lite agent are answered if they verify", () => {
  const { agent, sent } = start();
  const request = (pwd: string) =>
    writeBindingRequest({
      transactionId: new Uint8Array(12).fill(7),
      username: `${LOCAL.ufrag}:${REMOTE.ufrag}`,
      key: new TextEncoder().encode(pwd),
      priority: 1,
      tieBreaker: new Uint8Array(8),
      role: "controlled",
      useCandidate: false,
    });
  expect(agent.handleDatagram(1, SERVER, request("wrong".repeat(5)))).toBe("stun-bad-integrity");
  expect(sent.length).toBe(1);
  expect(agent.handleDatagram(1, SERVER, request(LOCAL.pwd))).toBeUndefined();
  expect(sent[1].message.type).toBe(0x0101);
  expect([...sent[1].message.transactionId]).toEqual(new Array(12).fill(7));
});
