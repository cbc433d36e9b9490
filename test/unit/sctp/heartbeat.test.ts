import { expect, test } from "vitest";
import { Heartbeat } from "../../../src/sctp/heartbeat.ts";
import { RetransmissionTimeout } from "../../../src/sctp/rto.ts";

/** A question, asked anew at each time-out, whose answers take `roundTripMs`. Returns when it is answered, ms; at most a minute. */
function answeredAt(roundTripMs: number): number {
  let nonce = 0;
  const heartbeat = new Heartbeat(0, (length) => new Uint8Array(length).fill(++nonce));
  const rto = new RetransmissionTimeout({ initialMs: 400, minMs: 300, maxMs: 2_000 });
  const answers: { at: number; body: Uint8Array }[] = [];
  for (let now = 0; now < 60_000; now++) {
    if (now === 0 || now >= heartbeat.deadline) {
      const chunk = heartbeat.timeout(now, rto.backedOff(heartbeat.unanswered));
      answers.push({ at: now + roundTripMs, body: chunk.subarray(4) });
    }
    const answer = answers[0]?.at === now ? answers.shift() : undefined;
    if (answer !== undefined && heartbeat.acknowledged(now, answer.body) === roundTripMs) return now;
  }
  throw new Error("never answered");
}

test("a question is answered although the round trip is longer than the first time-outs", () => {
  expect(answeredAt(100)).toBe(100);
  expect(answeredAt(600)).toBe(400 + 600); // The second one has 800 ms.
  expect(answeredAt(1_500)).toBe(400 + 800 + 1_500);
});

test("a question that follows an answered one has the whole time-out again, not a backed off one", () => {
  const heartbeat = new Heartbeat(0, (length) => new Uint8Array(length));
  const rto = new RetransmissionTimeout();
  heartbeat.timeout(0, rto.ms);
  expect(heartbeat.unanswered).toBe(1);
  heartbeat.timeout(400, rto.ms);
  expect(heartbeat.unanswered).toBe(2);
  const chunk = heartbeat.timeout(800, rto.ms);
  expect(heartbeat.acknowledged(900, chunk.subarray(4))).toBe(100);
  expect(heartbeat.unanswered).toBe(0);
});
