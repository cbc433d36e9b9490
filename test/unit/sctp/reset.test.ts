import { describe, expect, it } from "vitest";
import { parseReconfig, writeOutgoingReset, writeResetResponse } from "../../../src/sctp/reconfig.ts";
import { fromHex, toHex } from "../../../src/wire/bytes.ts";
import { tsn } from "../../../src/wire/serial.ts";
import {
  bytesOf,
  chunk,
  data,
  type Established,
  establishedParty,
  hex16,
  hex32,
  packet,
  Party,
  sack,
} from "./support.ts";

// Our request numbers begin with our initial TSN 5000, the peer's with 1000.
function request(sequence: number, lastTsn: number, ...streams: number[]): Uint8Array {
  return chunk(130, 0, `000d${hex16(16 + 2 * streams.length)}${hex32(sequence, 4999, lastTsn)}${hex16(...streams)}`);
}

function response(sequence: number, result: number): Uint8Array {
  return chunk(130, 0, `0010000c${hex32(sequence, result)}`);
}

function hear(at: Established, now: number, ...chunks: Uint8Array[]): string[] {
  at.party.handle(now, packet(at.tag, ...chunks));
  return at.party.flush(now).map(({ name, value }) => `${name} ${toHex(value)}`);
}

const answer = (sequence: number, result: number) => `RE-CONFIG 0010000c${hex32(sequence, result)}`;

describe("the RE-CONFIG codec", () => {
  it("writes and reads a reset of outgoing streams, whose padding is not part of the chunk", () => {
    const reset = { requestSequence: tsn(1), responseSequence: tsn(2), lastTsn: tsn(0xffffffff), streamIds: [3] };
    const bytes = writeOutgoingReset(reset);
    expect(toHex(bytes)).toBe("82000016000d00120000000100000002ffffffff00030000");
    expect(parseReconfig(bytes.subarray(4, 22))).toEqual([{ kind: "outgoing-reset", reset }]);
  });

  it("writes and reads a response", () => {
    const bytes = writeResetResponse({ responseSequence: tsn(7), result: 1 });
    expect(toHex(bytes)).toBe("820000100010000c0000000700000001");
    expect(parseReconfig(bytes.subarray(4))).toEqual([
      { kind: "response", response: { responseSequence: 7, result: 1 } },
    ]);
  });

  it.each([
    ["nothing in it", ""],
    ["three parameters", "0010000c0000000100000001".repeat(3)],
    ["a request cut short", "000d000e0000000100000002fffe"],
    ["half a stream number", "000d00110000000100000002fffffffe01000000"],
    ["a response cut short", "0010000800000001"],
    ["a parameter without its number", "000e000400000000"],
    ["a length of 3", "000d0003"],
  ])("refuses %s", (_, hex) => {
    expect(parseReconfig(fromHex(hex))).toBeUndefined();
  });
});

describe("a reset by the peer", () => {
  it("is performed, reported and answered", () => {
    const at = establishedParty();
    expect(hear(at, 0, request(1000, 999, 2, 4))).toEqual([answer(1000, 1)]);
    expect(at.party.incomingResets).toEqual([[2, 4]]);
  });

  it("is answered in the same way when it comes again, and performed once", () => {
    const at = establishedParty();
    hear(at, 0, request(1000, 999, 2));
    expect(hear(at, 1, request(1000, 999, 2))).toEqual([answer(1000, 1)]);
    expect(at.party.incomingResets).toHaveLength(1);
    expect(hear(at, 2, request(1001, 999, 6))).toEqual([answer(1001, 1)]);
    expect(hear(at, 3, request(1000, 999, 2))).toEqual([answer(1000, 5)]);
    expect(hear(at, 4, request(1007, 999, 2))).toEqual([answer(1007, 5)]);
    expect(at.party.incomingResets).toHaveLength(2);
  });

  it("waits for DATA that was sent before it, and is answered again when that has come", () => {
    const at = establishedParty();
    expect(hear(at, 0, request(1000, 1000, 2))).toEqual([answer(1000, 6)]);
    expect(at.party.incomingResets).toEqual([]);
    const heard = hear(at, 5, data({ tsn: 1000, flags: 3, streamId: 2, ssn: 0 }));
    expect(heard[0]).toBe(answer(1000, 1));
    expect(at.party.log.slice(-2)).toEqual(["message 2", "incoming reset 2"]);
  });

  it("that waits keeps back what its streams send behind it, and nothing else", () => {
    const at = establishedParty();
    hear(at, 0, request(1000, 1000, 2));
    const ordered = (tsn: number, streamId: number) => data({ tsn, flags: 3, streamId, ssn: 0 });
    hear(at, 1, ordered(1001, 2), ordered(1002, 4));
    expect(at.party.messages.map(({ streamId }) => streamId)).toEqual([4]);
    hear(at, 2, ordered(1000, 2));
    hear(at, 3, ordered(1001, 2));
    expect(at.party.log).toEqual(["established", "message 4", "message 2", "incoming reset 2", "message 2"]);
    expect(at.party.association.stats.flightBytes).toBe(0);
  });

  it("that has waited is answered together with what we reset in turn", () => {
    const at = establishedParty();
    hear(at, 0, request(1000, 1000, 2));
    at.party.onIncomingReset = (ids) => at.party.association.resetStreams(5, ids);
    const heard = hear(at, 5, data({ tsn: 1000, flags: 3, streamId: 2, ssn: 0 }));
    expect(heard.slice(0, 2)).toEqual([answer(1000, 1), `RE-CONFIG 000d0012${hex32(5000, 1000, 4999)}0002`]);
  });

  it("makes the stream's numbers start over", () => {
    const at = establishedParty();
    hear(at, 0, data({ tsn: 1000, flags: 3, streamId: 2, ssn: 0 }), data({ tsn: 1001, flags: 3, streamId: 2, ssn: 1 }));
    hear(at, 1, request(1000, 1001, 2));
    hear(at, 2, data({ tsn: 1002, flags: 3, streamId: 2, ssn: 0 }));
    expect(at.party.messages).toHaveLength(3);
  });

  it("of all streams is one without a list", () => {
    const at = establishedParty();
    hear(at, 0, request(1000, 999));
    expect(at.party.incomingResets).toEqual([[]]);
  });

  it("of our streams, of numbers, or for more streams is denied", () => {
    const at = establishedParty();
    for (const [i, type] of ["000e", "000f", "0011", "0012"].entries()) {
      expect(hear(at, 0, chunk(130, 0, `${type}000c${hex32(1000 + i, 0)}`))).toEqual([answer(1000 + i, 2)]);
    }
  });

  it("that is malformed is dropped", () => {
    const at = establishedParty();
    expect(hear(at, 0, chunk(130, 0, "000d000e0000000100000002fffe"))).toEqual([]);
    expect(at.party.drops.get("sctp-malformed")).toBe(1);
  });
});

describe("a reset by us", () => {
  it("waits until what was sent is acknowledged, names that as the last TSN, and is done with the response", () => {
    const at = establishedParty();
    at.party.association.send(0, { streamId: 3, ppid: 53, data: bytesOf(5), ordered: true });
    at.party.association.send(0, { streamId: 4, ppid: 53, data: bytesOf(5) });
    at.party.association.resetStreams(0, [3]);
    expect(at.party.flush(0).map(({ name }) => name)).toEqual(["DATA", "DATA"]);
    expect(hear(at, 1, sack(5000))).toEqual([]);
    expect(hear(at, 1, sack(5001))).toEqual([`RE-CONFIG 000d0012${hex32(5000, 999, 5001)}0003`]);
    expect(at.party.association.send(1, { streamId: 3, ppid: 53, data: bytesOf(5) })).toBe("closed");
    expect(at.party.association.send(1, { streamId: 4, ppid: 53, data: bytesOf(5) })).toBe("sent");
    hear(at, 2, response(5000, 1));
    expect(at.party.outgoingResets).toEqual([[3]]);
    at.party.association.send(3, { streamId: 3, ppid: 53, data: bytesOf(5), ordered: true });
    expect(at.party.flush(3).at(-1)).toMatchObject({ streamId: 3, ssn: 0 });
  });

  it("waits for messages of its stream that are still queued, or not acknowledged", () => {
    const at = establishedParty();
    for (let i = 0; i < 12; i++) at.party.association.send(0, { streamId: 3, ppid: 53, data: bytesOf(1132) });
    at.party.association.resetStreams(0, [3]);
    expect(at.party.flush(0).some(({ name }) => name === "RE-CONFIG")).toBe(false);
    expect(hear(at, 10, sack(5005)).some((seen) => seen.startsWith("RE-CONFIG"))).toBe(false);
    expect(hear(at, 20, sack(5011))).toEqual([`RE-CONFIG 000d0012${hex32(5000, 999, 5011)}0003`]);
  });

  it("is one request at a time; further streams follow in the next", () => {
    const at = establishedParty();
    at.party.association.resetStreams(0, [1]);
    at.party.association.resetStreams(0, [2]);
    at.party.association.resetStreams(0, [3, 1]);
    expect(at.party.flush(0)).toHaveLength(1);
    expect(hear(at, 5, response(4999, 1), response(5001, 1))).toEqual([]);
    expect(hear(at, 5, response(5000, 1))).toEqual([`RE-CONFIG 000d0014${hex32(5001, 999, 4999)}00020003`]);
    expect(at.party.outgoingResets).toEqual([[1]]);
  });

  it("is repeated until it is answered, also while the peer says it is in progress", () => {
    const at = establishedParty();
    at.party.association.resetStreams(0, [1]);
    const [first] = at.party.flush(0);
    at.party.association.handleTimeout(400);
    expect(at.party.takeChunks()).toEqual([first]);
    hear(at, 500, response(5000, 6));
    expect(at.party.association.nextDeadline).toBe(900);
    at.party.association.handleTimeout(900);
    expect(at.party.takeChunks()).toEqual([first]);
    hear(at, 910, response(5000, 1));
    expect([at.party.association.nextDeadline, at.party.outgoingResets]).toEqual([Number.POSITIVE_INFINITY, [[1]]]);
  });

  it("that stays in progress for minutes ends nothing", () => {
    const at = establishedParty();
    at.party.association.resetStreams(0, [1]);
    at.party.association.flush(0);
    for (let now = 0; now < 300_000; now = at.party.association.nextDeadline) {
      at.party.association.handleTimeout(now);
      hear(at, now + 50, response(5000, 6));
    }
    expect(at.party.closedBecause).toBeUndefined();
    hear(at, 300_000, response(5000, 1));
    expect(at.party.outgoingResets).toEqual([[1]]);
  });

  it("that nobody answers ends the association after ten time-outs, which become longer", () => {
    const at = establishedParty();
    at.party.association.resetStreams(0, [1]);
    at.party.association.flush(0);
    const deadlines: number[] = [];
    while (at.party.closedBecause === undefined) {
      deadlines.push(at.party.association.nextDeadline);
      at.party.association.handleTimeout(deadlines[deadlines.length - 1]);
    }
    expect([at.party.closedBecause, deadlines.length]).toEqual(["timeout", 11]);
    expect(deadlines.slice(0, 4)).toEqual([400, 1200, 2800, 4800]);
  });

  it("is taken for performed where the peer uses the stream anew, and then an answer changes nothing", () => {
    const at = establishedParty();
    at.party.association.send(0, { streamId: 1, ppid: 53, data: bytesOf(5), ordered: true });
    at.party.flush(0);
    hear(at, 0, sack(5000));
    at.party.association.resetStreams(0, [1, 2]);
    at.party.flush(0);
    expect(at.party.association.confirmReset(3)).toEqual([]);
    expect(at.party.association.confirmReset(2)).toEqual([1, 2]);
    expect(at.party.association.isResetting(1)).toBe(false);
    at.party.association.send(1, { streamId: 1, ppid: 53, data: bytesOf(5), ordered: true });
    expect(at.party.flush(1).at(-1)).toMatchObject({ streamId: 1, ssn: 0 });
    hear(at, 2, response(5000, 1));
    expect(at.party.outgoingResets).toEqual([]);
  });

  it("that has not left cannot have been performed", () => {
    const at = establishedParty();
    for (let i = 0; i < 12; i++) at.party.association.send(0, { streamId: 3, ppid: 53, data: bytesOf(1132) });
    at.party.association.resetStreams(0, [3]);
    expect(at.party.association.confirmReset(3)).toBeUndefined();
    expect(at.party.association.isResetting(3)).toBe(true);
  });

  it("that the peer denies is done as well, and the numbers go on", () => {
    const at = establishedParty();
    at.party.association.send(0, { streamId: 1, ppid: 53, data: bytesOf(5), ordered: true });
    at.party.association.resetStreams(0, [1]);
    at.party.association.flush(0);
    hear(at, 1, sack(5000));
    hear(at, 1, response(5000, 2));
    expect(at.party.outgoingResets).toEqual([[1]]);
    at.party.association.send(2, { streamId: 1, ppid: 53, data: bytesOf(5), ordered: true });
    expect(at.party.flush(2).at(-1)).toMatchObject({ ssn: 1 });
  });

  it("is over at once with a peer that does not know RE-CONFIG", () => {
    const at = establishedParty({ reconfig: false });
    at.party.association.resetStreams(0, [1]);
    expect([at.party.flush(0), at.party.outgoingResets]).toEqual([[], [[1]]]);
  });

  it("asked for behind a cookie that is stale is asked again, and the numbers are those of the peer that answers then", () => {
    const initAck = (initialTsn: number) =>
      packet(
        77,
        chunk(2, 0, `${hex32(9, 100_000) + hex16(9, 9) + hex32(initialTsn)}00070006abcd000080080005820000 00`),
      );
    const client = new Party({ initiateTag: 77, initialTsn: 5000 });
    client.association.connect(0);
    client.handle(0, initAck(1000));
    client.association.resetStreams(0, [1]);
    client.association.resetStreams(0, [2]);
    expect(client.flush(0).map(({ name }) => name)).toEqual(["INIT", "COOKIE ECHO", "RE-CONFIG"]);
    client.handle(10, packet(77, chunk(9, 0, `00030008${hex32(1)}`)));
    client.take();
    client.handle(20, initAck(7000));
    expect(client.association.send(20, { streamId: 1, ppid: 53, data: bytesOf(5) })).toBe("closed");
    const [echo, reconfig] = client.flush(20);
    expect([echo.name, toHex(reconfig.value)]).toEqual(["COOKIE ECHO", `000d0014${hex32(5000, 6999, 4999)}00010002`]);
    client.handle(30, packet(77, chunk(11, 0, "")));
    const at = { party: client, tag: 77, localTsn: 5000, peerTsn: 7000 };
    expect(hear(at, 30, request(7000, 6999, 4))).toEqual([answer(7000, 1)]);
    hear(at, 30, response(5000, 1));
    expect([client.incomingResets, client.outgoingResets]).toEqual([[[4]], [[1, 2]]]);
  });

  it("asked for before the association is up follows when it is, behind what was sent on the stream", () => {
    const client = new Party({ seed: 3 });
    const server = new Party({ seed: 4 });
    client.association.send(0, { streamId: 1, ppid: 53, data: bytesOf(5), ordered: true });
    client.association.resetStreams(0, [1]);
    client.association.connect(0);
    for (let round = 0; round < 6; round++) {
      for (const bytes of client.take()) server.handle(round, bytes);
      server.association.flush(round);
      for (const bytes of server.take()) client.handle(round, bytes);
      client.association.flush(round);
    }
    expect(server.log).toEqual(["established", "message 1", "incoming reset 1"]);
    expect(client.log).toEqual(["established", "outgoing reset 1"]);
  });
});
