import { expect, test } from "vitest";
import { EventQueue } from "../../../src/sctp/events.ts";

/** A queue whose events are written down, and answered by what `on` says. */
function create(on: Record<string, (events: EventQueue) => void> = {}) {
  const log: string[] = [];
  const heard = (what: string) => {
    log.push(what);
    on[what]?.(events);
  };
  const events = new EventQueue({
    established: () => heard("established"),
    message: (streamId, ppid, data) => heard(`message ${streamId} ${ppid} ${data[0]}`),
    incomingStreamsReset: (streamIds) => heard(`incoming ${streamIds}`),
    outgoingStreamsReset: (streamIds) => heard(`outgoing ${streamIds}`),
    closed: (reason) => heard(`closed ${reason}`),
  });
  return { events, log };
}

test("events come in order, whatever they are and whichever comes first", () => {
  const { events, log } = create();
  events.drain();
  events.message(1, 53, Uint8Array.of(1));
  events.incomingStreamsReset([1]);
  events.message(2, 51, Uint8Array.of(2));
  expect(log).toEqual([]);
  events.drain();
  events.established();
  events.message(3, 53, Uint8Array.of(3));
  events.message(3, 53, Uint8Array.of(4));
  events.outgoingStreamsReset([1, 2]);
  events.drain();
  events.closed("peer-abort");
  events.drain();
  events.drain();
  expect(log).toEqual([
    "message 1 53 1",
    "incoming 1",
    "message 2 51 2",
    "established",
    "message 3 53 3",
    "message 3 53 4",
    "outgoing 1,2",
    "closed peer-abort",
  ]);
});

test("what a listener's calls add comes after all that waits, and not from within the call", () => {
  const { events, log } = create({
    "message 1 53 1": (queue) => {
      queue.message(1, 53, Uint8Array.of(3));
      queue.drain();
      queue.incomingStreamsReset([1]);
    },
    "message 1 53 3": (queue) => queue.message(1, 53, Uint8Array.of(4)),
  });
  events.message(1, 53, Uint8Array.of(1));
  events.message(1, 53, Uint8Array.of(2));
  events.drain();
  expect(log).toEqual(["message 1 53 1", "message 1 53 2", "message 1 53 3", "incoming 1", "message 1 53 4"]);
});
