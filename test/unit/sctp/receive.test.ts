import { describe, expect, it } from "vitest";
import type { AssociationOptions } from "../../../src/sctp/association.ts";
import {
  bytesOf,
  data,
  type Established,
  establishedParty,
  forwardTsn,
  LIMITS,
  packet,
  type SeenChunk,
} from "./support.ts";

/** Sends packets with DATA of these TSNs, one packet for each list. */
function receive(at: Established, now: number, ...packets: readonly (readonly number[])[]): void {
  for (const tsns of packets) at.party.handle(now, packet(at.tag, ...tsns.map((tsn) => data({ tsn }))));
}

/** A party that has had its first DATA already, which is acknowledged without delay; the next TSN is 1000. */
function warmParty(options: Partial<AssociationOptions> & { nextTsn?: number } = {}): Established {
  const { nextTsn = 1000, ...rest } = options;
  const at = establishedParty({ ...rest, peerTsn: (nextTsn - 1) >>> 0 });
  receive(at, 0, [(nextTsn - 1) >>> 0]);
  at.party.association.flush(0);
  at.party.take();
  at.party.messages.length = 0;
  at.party.log.length = 0;
  return at;
}

function onlySack(chunks: readonly SeenChunk[]): SeenChunk {
  expect(chunks.map(({ name }) => name)).toEqual(["SACK"]);
  return chunks[0];
}

describe("a SACK", () => {
  it("for the first DATA of an association leaves at once", () => {
    const at = establishedParty();
    receive(at, 10, [1000]);
    expect(onlySack(at.party.flush(10)).tsn).toBe(1000);
    receive(at, 20, [1001]);
    expect(at.party.flush(20)).toEqual([]);
  });

  it("for a single packet waits 200 ms for something to ride on", () => {
    const at = warmParty();
    receive(at, 10, [1000]);
    expect(at.party.flush(10)).toEqual([]);
    expect([at.party.association.needsFlush, at.party.association.nextDeadline]).toEqual([false, 210]);
    at.party.association.handleTimeout(210);
    expect(onlySack(at.party.takeChunks()).tsn).toBe(1000);
    expect(at.party.association.nextDeadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("rides on the next message, in front of it", () => {
    const at = warmParty();
    receive(at, 10, [1000]);
    at.party.association.send(12, { streamId: 0, ppid: 53, data: bytesOf(5), maxRetransmits: 0 });
    at.party.association.flush(12);
    const packets = at.party.take();
    expect(packets).toHaveLength(1);
    expect(packets[0].length).toBe(12 + 16 + 16 + 8);
    expect(at.party.association.nextDeadline).toBe(12 + 400);
  });

  it("leaves with the flush after a second packet", () => {
    const at = warmParty();
    receive(at, 10, [1000]);
    at.party.association.flush(10);
    receive(at, 26, [1001]);
    expect(onlySack(at.party.flush(26)).tsn).toBe(1001);
  });

  it("answers all packets of a turn together", () => {
    const at = warmParty();
    receive(at, 10, [1000], [1001, 1002], [1003], [1004]);
    expect(onlySack(at.party.flush(10))).toMatchObject({ tsn: 1004, gaps: [], duplicates: [] });
  });

  it("leaves at once, and reports the gap, while one is open", () => {
    const at = warmParty();
    receive(at, 10, [1001]);
    expect(onlySack(at.party.flush(10))).toMatchObject({ tsn: 999, gaps: [[2, 2]] });
    receive(at, 20, [1003]);
    expect(onlySack(at.party.flush(20))).toMatchObject({
      tsn: 999,
      gaps: [
        [2, 2],
        [4, 4],
      ],
    });
    receive(at, 30, [1000]);
    expect(onlySack(at.party.flush(30))).toMatchObject({ tsn: 1001, gaps: [[2, 2]] });
    receive(at, 40, [1002]);
    expect(onlySack(at.party.flush(40))).toMatchObject({ tsn: 1003, gaps: [] });
    receive(at, 50, [1004]);
    expect(at.party.flush(50)).toEqual([]);
  });

  it("leaves at once for a duplicate, and names it once", () => {
    const at = warmParty();
    receive(at, 10, [1000]);
    at.party.association.flush(10);
    receive(at, 11, [1000]);
    expect(onlySack(at.party.flush(11))).toMatchObject({ tsn: 1000, duplicates: [1000] });
    receive(at, 12, [1001], [1002]);
    expect(onlySack(at.party.flush(12))).toMatchObject({ tsn: 1002, duplicates: [] });
    expect(at.party.messages).toHaveLength(3);
  });

  it("leaves at once where the I bit asks for it", () => {
    const at = warmParty();
    at.party.handle(10, packet(at.tag, data({ tsn: 1000, flags: 0x0f })));
    expect(onlySack(at.party.flush(10)).tsn).toBe(1000);
  });

  it("leaves at once where the layer above asks for it", () => {
    const at = warmParty();
    receive(at, 10, [1000]);
    at.party.association.acknowledgeNow();
    expect(onlySack(at.party.flush(10)).tsn).toBe(1000);
    at.party.association.acknowledgeNow();
    expect(at.party.flush(11)).toEqual([]);
  });

  it("does not wait for the flush when much has come, so that a bulk sender's window grows", () => {
    const at = warmParty();
    for (let i = 0; i < 8; i++) at.party.handle(10, packet(at.tag, data({ tsn: 1000 + i, data: bytesOf(1132) })));
    const sacks = at.party.takeChunks();
    expect(sacks.map(({ name, tsn }) => [name, tsn])).toEqual([
      ["SACK", 1003],
      ["SACK", 1007],
    ]);
    expect(at.party.flush(10)).toEqual([]);
  });

  it("is not sent twice for the same news", () => {
    const at = warmParty();
    receive(at, 10, [1000], [1001]);
    at.party.association.flush(10);
    at.party.take();
    at.party.association.send(11, { streamId: 0, ppid: 53, data: bytesOf(5), maxRetransmits: 0 });
    expect(at.party.flush(11).map(({ name }) => name)).toEqual(["DATA"]);
  });

  it("works across the wrap-around", () => {
    const at = warmParty({ nextTsn: 0xfffffffe });
    receive(at, 10, [0xfffffffe], [0xffffffff], [0], [2]);
    expect(onlySack(at.party.flush(10))).toMatchObject({ tsn: 0, gaps: [[2, 2]] });
    receive(at, 11, [1]);
    receive(at, 11, [0xffffffff]);
    expect(onlySack(at.party.flush(11))).toMatchObject({ tsn: 2, gaps: [], duplicates: [0xffffffff] });
    expect(at.party.messages).toHaveLength(5);
  });
});

describe("the advertised window", () => {
  it("shrinks by what is held and grows back when it is delivered", () => {
    const at = warmParty();
    at.party.handle(0, packet(at.tag, data({ tsn: 1001, flags: 3, ssn: 1, data: bytesOf(1000) })));
    expect(onlySack(at.party.flush(0)).window).toBe(LIMITS.receiveWindowBytes - 1000);
    at.party.handle(0, packet(at.tag, data({ tsn: 1000, flags: 3, ssn: 0, data: bytesOf(1000) })));
    at.party.association.acknowledgeNow();
    expect(onlySack(at.party.flush(0)).window).toBe(LIMITS.receiveWindowBytes);
    expect(at.party.messages).toHaveLength(2);
  });

  it("shrinks by what the application has not taken", () => {
    const at = warmParty();
    at.party.association.unreadBytes = 10_000;
    receive(at, 0, [1000], [1001]);
    expect(onlySack(at.party.flush(0)).window).toBe(LIMITS.receiveWindowBytes - 10_000);
    at.party.association.unreadBytes = 10_000_000;
    receive(at, 0, [1002], [1003]);
    expect(onlySack(at.party.flush(0)).window).toBe(0);
  });

  it("is kept: DATA beyond it is dropped and not acknowledged", () => {
    const limits = { ...LIMITS, receiveWindowBytes: 3000, maxReceiveWindowBytes: 3000, maxMessageBytes: 2000 };
    const at = warmParty({ limits });
    for (let i = 1; i <= 4; i++) {
      at.party.handle(0, packet(at.tag, data({ tsn: 1000 + i, flags: 3, ssn: i, data: bytesOf(1000) })));
    }
    expect(onlySack(at.party.flush(0))).toMatchObject({ tsn: 999, window: 0, gaps: [[2, 4]] });
    expect(at.party.drops.get("sctp-reassembly-limit")).toBe(1);
    at.party.handle(0, packet(at.tag, data({ tsn: 1000, flags: 3, ssn: 0, data: bytesOf(1000) })));
    expect(at.party.messages).toHaveLength(4);
    expect(onlySack(at.party.flush(0))).toMatchObject({ tsn: 1003, window: 3000 });
  });

  it("drops a TSN too far ahead to be reported", () => {
    const at = warmParty();
    receive(at, 0, [1000 + 70_000]);
    expect(at.party.messages).toHaveLength(0);
    expect(onlySack(at.party.flush(0))).toMatchObject({ tsn: 999, gaps: [] });
    expect(at.party.drops.get("sctp-receive-window")).toBe(1);
  });
});

describe("a FORWARD TSN", () => {
  it("moves the cumulative point, and over what has come behind it", () => {
    const at = warmParty();
    receive(at, 0, [1001], [1003]);
    at.party.association.flush(0);
    at.party.take();
    at.party.handle(1, packet(at.tag, forwardTsn(1000)));
    expect(onlySack(at.party.flush(1))).toMatchObject({ tsn: 1001, gaps: [[2, 2]] });
    at.party.handle(2, packet(at.tag, forwardTsn(1002)));
    expect(onlySack(at.party.flush(2))).toMatchObject({ tsn: 1003, gaps: [] });
    at.party.handle(3, packet(at.tag, forwardTsn(1004)));
    expect(at.party.flush(3)).toEqual([]);
    at.party.association.handleTimeout(203);
    expect(onlySack(at.party.takeChunks())).toMatchObject({ tsn: 1004, gaps: [] });
  });

  it("that is old news is answered with a SACK and changes nothing", () => {
    const at = warmParty();
    receive(at, 0, [1000], [1001]);
    at.party.association.flush(0);
    at.party.take();
    at.party.handle(1, packet(at.tag, forwardTsn(1000)));
    expect(onlySack(at.party.flush(1))).toMatchObject({ tsn: 1001, gaps: [] });
  });

  it("makes a skipped TSN that comes after all a duplicate", () => {
    const at = warmParty();
    at.party.handle(0, packet(at.tag, forwardTsn(1000)));
    receive(at, 1, [1000]);
    expect(at.party.messages).toHaveLength(0);
    expect(onlySack(at.party.flush(1))).toMatchObject({ tsn: 1000, duplicates: [1000] });
  });

  it("delivers the ordered messages that waited for the skipped one", () => {
    const at = warmParty();
    at.party.handle(0, packet(at.tag, data({ tsn: 1001, flags: 3, streamId: 4, ssn: 1 })));
    at.party.handle(0, packet(at.tag, data({ tsn: 1002, flags: 3, streamId: 5, ssn: 1 })));
    at.party.handle(1, packet(at.tag, forwardTsn(1000, [4, 0])));
    expect(at.party.log.filter((line) => line.startsWith("message"))).toEqual(["message 4"]);
    at.party.handle(1, packet(at.tag, forwardTsn(1003, [5, 0])));
    expect(at.party.log.filter((line) => line.startsWith("message"))).toEqual(["message 4", "message 5"]);
  });

  it("removes the fragments it skips, and the message is never delivered", () => {
    const at = warmParty();
    at.party.handle(0, packet(at.tag, data({ tsn: 1000, flags: 6, data: bytesOf(500) })));
    at.party.handle(0, packet(at.tag, forwardTsn(1001)));
    at.party.handle(0, packet(at.tag, data({ tsn: 1001, flags: 5, data: bytesOf(500) })));
    expect(at.party.messages).toHaveLength(0);
    expect(onlySack(at.party.flush(0)).window).toBe(LIMITS.receiveWindowBytes);
  });
});

describe("DATA", () => {
  it("on a stream that was not agreed on is acknowledged, reported and dropped", () => {
    const at = warmParty();
    at.party.handle(0, packet(at.tag, data({ tsn: 1000, streamId: LIMITS.maxStreams })));
    at.party.association.acknowledgeNow();
    const chunks = at.party.flush(0);
    expect(chunks.map(({ name }) => name)).toEqual(["ERROR", "SACK"]);
    expect([...chunks[0].value]).toEqual([0, 1, 0, 8, 4, 0, 0, 0]);
    expect([chunks[1].tsn, at.party.messages.length]).toEqual([1000, 0]);
  });

  it("without user data ends the association", () => {
    const at = warmParty();
    at.party.handle(0, packet(at.tag, data({ tsn: 1000, data: new Uint8Array(0) })));
    const [abort] = at.party.takeChunks();
    expect([abort.name, ...abort.value]).toEqual(["ABORT", 0, 9, 0, 8, 0, 0, 3, 232]);
    expect(at.party.closedBecause).toBe("protocol-violation");
  });

  it("of several messages may share a packet, and fragments may be of any size", () => {
    const at = warmParty();
    at.party.handle(
      0,
      packet(
        at.tag,
        data({ tsn: 1000, flags: 6, data: bytesOf(244, 1) }),
        data({ tsn: 1001, flags: 4, data: bytesOf(640, 2) }),
        data({ tsn: 1002, flags: 5, data: bytesOf(16, 3) }),
        data({ tsn: 1003, data: bytesOf(50, 4) }),
      ),
    );
    expect(at.party.messages.map((message) => message.data.length)).toEqual([900, 50]);
    expect(at.party.messages[0].data[899]).toBe(3);
  });
});

describe("old gaps, where nothing is ever sent again", () => {
  /** Every second TSN of 100 at 20 ms each, so 50 gaps in 2 s. Returns the cumulative TSN of the last SACK. */
  function cumulativeAfter(seconds: number, skipsOldGaps: boolean, step = 2): number {
    const at = warmParty();
    at.party.association.skipsOldGaps = skipsOldGaps;
    let cumulative = 0;
    for (let i = 0; i < 50 * seconds; i++) {
      const now = 10 + 20 * i;
      if (i % step !== 0) receive(at, now, [1000 + i]);
      for (const chunk of at.party.flush(now)) if (chunk.name === "SACK") cumulative = chunk.tsn;
    }
    return cumulative;
  }

  it("are passed once more than 32 are open, up to what was the last to come 2 to 4 s ago", () => {
    const cumulative = cumulativeAfter(10, true);
    expect(cumulative).toBeGreaterThanOrEqual(1000 + 50 * 10 - 50 * 4 - 2);
    expect(cumulative).toBeLessThanOrEqual(1000 + 50 * 10 - 50 * 2);
  });

  it("are waited for while there are few of them", () => {
    expect(cumulativeAfter(10, true, 20)).toBe(999);
  });

  it("are waited for where a channel may send again", () => {
    expect(cumulativeAfter(10, false)).toBe(999);
  });

  it("make nothing late count as new: what comes for them is a duplicate", () => {
    const at = warmParty();
    at.party.association.skipsOldGaps = true;
    for (let i = 1; i < 500; i += 2) receive(at, 10 + 20 * i, [1000 + i]);
    const delivered = at.party.messages.length;
    receive(at, 10_100, [1000]);
    expect(at.party.messages.length).toBe(delivered);
  });
});
