import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ControllingAgent } from "../../src/ice/controlling.ts";
import { writeBindingError, writeBindingRequest, writeBindingSuccess } from "../../src/ice/stun-write.ts";
import { buildAnswer } from "../../src/signalling/answer.ts";
import { parseOffer } from "../../src/signalling/offer.ts";
import type { SocketAddress } from "../../src/wire/address.ts";
import { equalBytes } from "../../src/wire/bytes.ts";
import { Random } from "../sim/random.ts";
import { offerFixture } from "../unit/signalling/offers.ts";
import { fuzzTests } from "./support/fuzz.ts";
import { bitFlips, extremeBytes, truncations } from "./support/variants.ts";
import { handleAnswer as read } from "./targets/sdp.ts";

const parsed = parseOffer(offerFixture("chromium"));
assert(parsed.ok);
const sdp = buildAnswer(parsed.offer, {
  ufrag: "localufr",
  pwd: "p".repeat(24),
  fingerprint: new Uint8Array(32),
  candidates: [{ address: "203.0.113.7", port: 42424 }],
  maxMessageBytes: 65_536,
});
const body = JSON.stringify({ answer: { type: "answer", sdp }, candidate: { candidate: "", sdpMid: "0" } });

test("an answer is read; cut anywhere it is refused", () => {
  expect(read(body)).toBe("read");
  for (let length = 0; length < body.length; length++) expect(read(body.slice(0, length))).toBe("refused");
});

test("JSON of every wrong shape is refused", () => {
  const shapes = [
    null,
    1,
    "x",
    [],
    {},
    { answer: null },
    { answer: sdp },
    { answer: { sdp: 7 } },
    { answer: { sdp: [sdp] } },
  ];
  for (const shape of shapes) expect(read(JSON.stringify(shape)), JSON.stringify(shape)).toBe("refused");
  for (const candidate of [null, 1, [], "x", { candidate: null }, { candidate: "x".repeat(10_000) }]) {
    expect(read(JSON.stringify({ answer: { sdp }, candidate }))).toBe("read");
  }
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      read(JSON.stringify(value));
      read(JSON.stringify({ answer: { sdp: `${sdp}a=${JSON.stringify(value)}` }, candidate: value }));
    }),
    { numRuns: 3_000, seed: 1 },
  );
});

test("an answer with any line left out, doubled or changed", () => {
  const lines = sdp.split("\r\n");
  const withSdp = (changed: string[]) => JSON.stringify({ answer: { sdp: changed.join("\r\n") } });
  for (let i = 0; i < lines.length; i++) {
    read(withSdp(lines.toSpliced(i, 1)));
    read(withSdp(lines.toSpliced(i, 0, lines[i])));
    read(withSdp(lines.with(i, `${lines[i]}${"9".repeat(5_000)}`)));
    read(withSdp(lines.with(i, lines[i].replace(/:.*/, ":"))));
  }
});

const place: SocketAddress = { address: "203.0.113.7", port: 42424 };
const local = { ufrag: "mine", pwd: "m".repeat(24) };
const remote = { ufrag: "localufr", pwd: "p".repeat(24) };
const encoder = new TextEncoder();

class Bench {
  readonly sent: Uint8Array[] = [];
  selected = 0;
  readonly agent = new ControllingAgent(
    { local, remote, candidates: [place], random: new Random("agent").bytes },
    {
      transmit: (datagram) => this.sent.push(datagram.slice()),
      selected: () => {
        this.selected++;
      },
    },
  );

  constructor() {
    this.agent.start(0);
  }

  get transactionId(): Uint8Array {
    return this.sent[0].subarray(8, 20);
  }

  answer(): Uint8Array {
    return writeBindingSuccess(this.transactionId, { address: "198.51.100.1", port: 1 }, encoder.encode(remote.pwd));
  }
}

test("nothing but the true answer, from where the check went, selects a path", () => {
  const bench = new Bench();
  const good = bench.answer();
  const wrongKey = writeBindingSuccess(bench.transactionId, place, encoder.encode("x".repeat(24)));
  const error = writeBindingError(bench.transactionId, 487, "Role Conflict", encoder.encode(remote.pwd));
  // All but the FINGERPRINT at the end, which MESSAGE-INTEGRITY does not cover, and which a client does not insist on.
  const covered = good.length - 8;
  const changed = [...bitFlips(good), ...extremeBytes(good)].filter(
    (bytes) => !equalBytes(bytes.subarray(0, covered), good.subarray(0, covered)),
  );
  for (const bad of [...changed, ...truncations(good), wrongKey, error]) {
    expect(bench.agent.handleDatagram(1, place, bad)).toBeDefined();
  }
  expect(bench.agent.handleDatagram(1, { address: "203.0.113.8", port: 42424 }, good)).toBe("stun-unexpected");
  expect(bench.selected).toBe(0);
  expect(bench.agent.handleDatagram(1, place, good)).toBeUndefined();
  expect(bench.agent.handleDatagram(1, place, good)).toBe("stun-unexpected");
  expect(bench.selected).toBe(1);
});

fuzzTests(() => {
  const request = writeBindingRequest({
    transactionId: new Uint8Array(12),
    username: `${local.ufrag}:${remote.ufrag}`,
    key: encoder.encode(local.pwd),
    priority: 1,
    tieBreaker: new Uint8Array(8),
    role: "controlled",
    useCandidate: false,
  });
  const { length: checkBytes } = new Bench().sent[0];
  return {
    name: "client",
    recorded: [encoder.encode(body), encoder.encode(sdp), new Bench().answer(), request],
    iterations: 40_000,
    run(input) {
      const text = new TextDecoder().decode(input);
      read(text);
      read(JSON.stringify({ answer: { sdp: text }, candidate: { candidate: text } }));
      const bench = new Bench();
      bench.agent.handleDatagram(1, place, input);
      assert(bench.sent.length <= 2 && bench.sent[0].length === checkBytes);
      assert(!Number.isNaN(bench.agent.nextDeadline));
    },
  };
});
