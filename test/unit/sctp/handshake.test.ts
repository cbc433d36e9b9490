import { beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../../src/wire/bytes.ts";
import {
  bytesOf,
  chunk,
  chunksOf,
  data,
  establishedParty,
  hex16,
  hex32,
  namesOf,
  packet,
  Party,
  sack,
  tagOf,
} from "./support.ts";

const PEER_TAG = 0x1111;

function init(tag = PEER_TAG, { tsn = 1000, streams = 10, more = "" } = {}): Uint8Array {
  return chunk(1, 0, hex32(tag, 100_000) + hex16(streams, streams) + hex32(tsn) + more);
}

/** Answers an INIT ACK as a peer does: a packet with a COOKIE ECHO and what else is given. */
function cookieEcho(initAck: Uint8Array, ...more: Uint8Array[]): Uint8Array {
  const [{ value }] = chunksOf(initAck);
  const at = 16;
  expect(toHex(value.subarray(at, at + 2))).toBe("0007");
  const length = (value[at + 2] << 8) | value[at + 3];
  const tag = new DataView(value.buffer, value.byteOffset).getUint32(0);
  return packet(tag, chunk(10, 0, value.slice(at + 4, at + length)), ...more);
}

/** Passes packets between two parties until there are no more. */
function settle(now: number, a: Party, b: Party): void {
  for (;;) {
    a.association.flush(now);
    b.association.flush(now);
    const fromA = a.take();
    const fromB = b.take();
    if (fromA.length + fromB.length === 0) return;
    for (const bytes of fromA) b.handle(now, bytes);
    for (const bytes of fromB) a.handle(now, bytes);
  }
}

let server: Party;
beforeEach(() => {
  server = new Party({ seed: 5, initialTsn: 7000 });
});

describe("a server", () => {
  it("answers an INIT alone in a packet with the peer's tag, and keeps nothing of it", () => {
    server.handle(0, packet(0, init()));
    const [answer] = server.take();
    expect(namesOf(answer)).toEqual(["INIT ACK"]);
    expect(tagOf(answer)).toBe(PEER_TAG);
    expect([server.association.state, server.association.nextDeadline]).toEqual(["idle", Number.POSITIVE_INFINITY]);
  });

  it("is established by the COOKIE ECHO, and handles the DATA behind it", () => {
    server.handle(0, packet(0, init()));
    const [initAck] = server.take();
    server.handle(50, cookieEcho(initAck, data({ tsn: 1000, ppid: 51, data: Uint8Array.of(65) })));
    expect(server.log).toEqual(["established", "message 0"]);
    const chunks = server.flush(50);
    expect(chunks.map(({ name }) => name)).toEqual(["COOKIE ACK", "SACK"]);
    expect(chunks[1].tsn).toBe(1000);
  });

  it("takes a cookie for a minute and no longer", () => {
    server.handle(0, packet(0, init()));
    const [initAck] = server.take();
    server.handle(60_001, cookieEcho(initAck));
    const [error] = server.take();
    expect(tagOf(error)).toBe(PEER_TAG);
    const [{ name, value }] = chunksOf(error);
    // Cause 3, with the staleness in µs.
    expect([name, toHex(value)]).toEqual(["ERROR", `00030008${hex32(1000)}`]);
    expect([server.association.state, server.drops.get("sctp-stale-cookie")]).toEqual(["idle", 1]);
    server.handle(0, packet(0, init()));
    server.handle(60_000, cookieEcho(server.take()[0]));
    expect(server.association.state).toBe("established");
  });

  it("drops a cookie that is not its own, and what comes with it", () => {
    server.handle(0, packet(0, init()));
    const echo = cookieEcho(server.take()[0], data({ tsn: 1000 }));
    const cookieAt = 16;
    for (const at of [cookieAt, cookieAt + 20, cookieAt + 50]) {
      const forged = echo.slice(0, echo.length);
      forged[at] ^= 1;
      const length = (forged[14] << 8) | forged[15];
      server.handle(1, packet(tagOf(echo), chunk(10, 0, forged.slice(16, 12 + length)), data({ tsn: 1000 })));
    }
    const wrongTag = packet(1, chunk(10, 0, echo.slice(16, 12 + ((echo[14] << 8) | echo[15]))));
    server.handle(1, wrongTag);
    expect([server.association.state, server.drops.get("sctp-bad-cookie"), server.messages.length]).toEqual([
      "idle",
      4,
      0,
    ]);
    expect(server.flush(1)).toEqual([]);
  });

  it("discards an INIT with tag 0 and one that is not alone, and aborts one without streams", () => {
    server.handle(0, packet(0, init(0)));
    server.handle(0, packet(0, init(), init()));
    server.handle(0, packet(5, init()));
    expect(server.take()).toEqual([]);
    server.handle(0, packet(0, init(PEER_TAG, { streams: 0 })));
    const [refusal] = server.take();
    expect([namesOf(refusal), tagOf(refusal)]).toEqual([["ABORT"], PEER_TAG]);
    server.handle(0, packet(0, init(PEER_TAG, { more: "000b000861626300" })));
    expect(namesOf(server.take()[0])).toEqual(["ABORT"]);
  });

  it("reports parameters of an INIT that it does not know and should report", () => {
    server.handle(0, packet(0, init(PEER_TAG, { more: "c0aa000811223344" })));
    expect(toHex(server.take()[0])).toContain("0008000cc0aa000811223344");
  });
});

describe("a client", () => {
  it("goes from INIT over COOKIE ECHO to established", () => {
    const client = new Party({ seed: 6 });
    client.association.connect(0);
    const [first] = client.take();
    expect([namesOf(first), tagOf(first)]).toEqual([["INIT"], 0]);
    server.handle(10, first);
    client.handle(20, server.take()[0]);
    expect(client.association.state).toBe("cookie-echoed");
    client.association.flush(20);
    const [second] = client.take();
    expect(namesOf(second)).toEqual(["COOKIE ECHO"]);
    server.handle(30, second);
    server.association.flush(30);
    client.handle(40, server.take()[0]);
    expect([client.association.state, server.association.state]).toEqual(["established", "established"]);
    expect(client.association.nextDeadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("sends what waits behind the COOKIE ECHO, and nothing else before the COOKIE ACK", () => {
    const client = new Party({ seed: 6 });
    client.association.connect(0);
    expect(client.association.send(0, { streamId: 0, ppid: 53, data: bytesOf(300) })).toBe("queued");
    client.association.send(0, { streamId: 0, ppid: 53, data: bytesOf(500) });
    client.association.send(0, { streamId: 0, ppid: 53, data: bytesOf(900) });
    server.handle(10, client.take()[0]);
    client.handle(20, server.take()[0]);
    client.association.flush(20);
    const [echo, ...rest] = client.take();
    expect(namesOf(echo)).toEqual(["COOKIE ECHO", "I-DATA", "I-DATA"]);
    expect(rest).toEqual([]);
    expect(client.association.send(25, { streamId: 0, ppid: 53, data: bytesOf(10) })).toBe("queued");
    expect(client.flush(25)).toEqual([]);
    client.association.handleTimeout(420);
    expect(client.takeChunks().map(({ name }) => name)).toEqual(["COOKIE ECHO"]);
    server.handle(430, echo);
    settle(430, client, server);
    expect(server.messages.map((message) => message.data.length)).toEqual([300, 500, 900, 10]);
  });

  it("sends its INIT again with doubling time-outs, and then gives up", () => {
    const client = new Party({ seed: 6 });
    client.association.connect(0);
    const times: number[] = [];
    for (let i = 0; client.closedBecause === undefined; i++) {
      const now = client.association.nextDeadline;
      times.push(now);
      client.association.handleTimeout(now);
      if (i > 20) break;
    }
    expect(times.slice(0, 5)).toEqual([400, 1200, 2800, 4800, 6800]);
    expect(times).toHaveLength(9);
    expect(client.closedBecause).toBe("handshake-timeout");
    expect(client.take().map(namesOf)).toEqual(Array.from({ length: 9 }, () => ["INIT"]));
  });

  it("sends its COOKIE ECHO again when it is lost", () => {
    const client = new Party({ seed: 6 });
    client.association.connect(0);
    server.handle(0, client.take()[0]);
    client.handle(0, server.take()[0]);
    client.association.flush(0);
    client.take();
    client.association.handleTimeout(400);
    settle(400, client, server);
    expect([client.association.state, server.association.state]).toEqual(["established", "established"]);
  });

  it("starts over when its cookie is called stale", () => {
    const client = new Party({ seed: 6 });
    client.association.connect(0);
    server.handle(0, client.take()[0]);
    client.handle(0, server.take()[0]);
    client.association.flush(0);
    const [echo] = client.take();
    server.handle(70_000, echo);
    client.handle(70_001, server.take()[0]);
    expect(client.association.state).toBe("cookie-wait");
    settle(70_002, client, server);
    expect([client.association.state, server.association.state]).toEqual(["established", "established"]);
  });

  it("aborts an INIT ACK without a cookie or without streams", () => {
    for (const value of [
      hex32(9, 100_000) + hex16(1, 1) + hex32(1),
      `${hex32(9, 100_000) + hex16(0, 1) + hex32(1)}0007000501000000`,
    ]) {
      const client = new Party({ seed: 6, initiateTag: 77 });
      client.association.connect(0);
      client.take();
      client.handle(0, packet(77, chunk(2, 0, value)));
      expect(client.closedBecause).toBe("protocol-violation");
      const [abort] = client.take();
      expect([namesOf(abort), tagOf(abort)]).toEqual([["ABORT"], 9]);
    }
  });

  it("reports parameters of an INIT ACK behind its COOKIE ECHO", () => {
    const client = new Party({ seed: 6, initiateTag: 77 });
    client.association.connect(0);
    client.take();
    const value = `${hex32(9, 100_000) + hex16(1, 1) + hex32(1)}0007000501000000c0aa000400000000`.slice(0, -8);
    client.handle(0, packet(77, chunk(2, 0, value)));
    const chunks = client.flush(0);
    expect(chunks.map(({ name }) => name)).toEqual(["COOKIE ECHO", "ERROR"]);
    expect(toHex(chunks[1].value)).toBe("00080008c0aa0004");
  });
});

describe("two sides that connect at once", () => {
  it("end with one association, whichever INIT comes first", () => {
    for (const order of [0, 1, 2]) {
      const client = new Party({ seed: 8 });
      const other = new Party({ seed: 9 });
      client.association.connect(0);
      other.association.connect(0);
      if (order === 1) other.handle(1, client.take()[0]);
      if (order === 2) client.handle(1, other.take()[0]);
      settle(2, client, other);
      expect([client.association.state, other.association.state]).toEqual(["established", "established"]);
      client.association.send(3, { streamId: 0, ppid: 53, data: bytesOf(10) });
      other.association.send(3, { streamId: 0, ppid: 53, data: bytesOf(20) });
      client.association.flush(3);
      other.association.flush(3);
      settle(3, client, other);
      expect([client.messages.length, other.messages.length]).toEqual([1, 1]);
      expect([client, other].map(({ log }) => log.filter((line) => line === "established").length)).toEqual([1, 1]);
    }
  });

  it("answer the other's INIT with their own tag and TSN unchanged", () => {
    const client = new Party({ seed: 8, initiateTag: 77, initialTsn: 123 });
    client.association.connect(0);
    client.take();
    client.handle(1, packet(0, init()));
    const [{ value }] = client.takeChunks();
    const view = new DataView(value.buffer, value.byteOffset);
    expect([view.getUint32(0), view.getUint32(12)]).toEqual([77, 123]);
  });

  it("answer an INIT under their own tag, as a peer sends it that has answered theirs, and under no other", () => {
    const client = new Party({ seed: 8, initiateTag: 77 });
    client.association.connect(0);
    client.take();
    client.handle(1, packet(78, init()));
    expect([client.take(), client.drops.get("sctp-bad-tag")]).toEqual([[], 1]);
    client.handle(2, packet(77, init()));
    expect(client.takeChunks().map(({ name }) => name)).toEqual(["INIT ACK"]);
  });

  it("are established by the other's cookie while their own INIT waits", () => {
    const client = new Party({ seed: 8 });
    client.association.connect(0);
    client.take();
    client.handle(1, packet(0, init()));
    client.handle(2, cookieEcho(client.take()[0]));
    expect([client.association.state, client.association.nextDeadline]).toEqual([
      "established",
      Number.POSITIVE_INFINITY,
    ]);
    expect(client.flush(2).map(({ name }) => name)).toEqual(["COOKIE ACK"]);
  });
});

describe("a live association", () => {
  const live = () => {
    const party = new Party({ seed: 5, initiateTag: 0x2222, initialTsn: 7000 });
    party.handle(0, packet(0, init()));
    const echo = cookieEcho(party.take()[0]);
    party.handle(0, echo);
    party.association.flush(0);
    party.take();
    party.handle(1, packet(0x2222, data({ tsn: 1000 })));
    return { party, echo };
  };
  const expectAlive = (party: Party) => {
    party.take();
    party.handle(500, packet(0x2222, data({ tsn: 1001 })));
    expect(party.messages).toHaveLength(2);
    expect(party.association.send(500, { streamId: 0, ppid: 53, data: bytesOf(4), maxRetransmits: 0 })).toBe("sent");
    const chunks = party.flush(500);
    expect(chunks.map(({ name }) => name)).toEqual(["SACK", "DATA"]);
    expect([chunks[0].tsn, chunks[1].tsn]).toEqual([1001, 7000]);
    expect(party.log.filter((line) => line === "established")).toHaveLength(1);
    expect(party.closedBecause).toBeUndefined();
  };

  it("is not disturbed by its own COOKIE ECHO once more (case D), which is acknowledged again", () => {
    const { party, echo } = live();
    party.handle(400, echo);
    expect(party.flush(400).map(({ name }) => name)).toContain("COOKIE ACK");
    expectAlive(party);
  });

  it("takes its own cookie again even when that is stale", () => {
    const { party, echo } = live();
    party.handle(100_000, echo);
    expect(party.drops.get("sctp-stale-cookie")).toBe(0);
  });

  it("is not disturbed by a late copy of the peer's INIT", () => {
    const { party } = live();
    party.handle(400, packet(0, init()));
    const [answer] = party.take();
    expect(namesOf(answer)).toEqual(["INIT ACK"]);
    // §5.2.2: the answer carries a tag of its own.
    expect(new DataView(chunksOf(answer)[0].value.buffer).getUint32(0)).not.toBe(0x2222);
    expectAlive(party);
  });

  it("is not disturbed by the COOKIE ECHO to that answer: same peer, tie-tags, but no new tag of the peer", () => {
    const { party } = live();
    party.handle(400, packet(0, init()));
    party.handle(401, cookieEcho(party.take()[0]));
    expectAlive(party);
  });

  it("is not disturbed by a cookie of the time before it (case C)", () => {
    const { party } = live();
    const older = new Party({ seed: 5, initiateTag: 0x3333 });
    older.handle(0, packet(0, init()));
    party.handle(400, cookieEcho(older.take()[0]));
    expectAlive(party);
  });

  it("is not disturbed by a cookie with another tag of the peer from before it was up (case B, late)", () => {
    const party = new Party({ seed: 5, initiateTag: 0x2222, initialTsn: 7000 });
    party.handle(0, packet(0, init(0x9999, { tsn: 4000 })));
    const stray = cookieEcho(party.take()[0]);
    party.handle(0, packet(0, init()));
    party.handle(0, cookieEcho(party.take()[0]));
    party.association.flush(0);
    party.take();
    party.handle(1, packet(0x2222, data({ tsn: 1000 })));
    party.handle(400, stray);
    expectAlive(party);
  });

  it("ends when the peer proves that it has restarted (case A)", () => {
    const { party } = live();
    party.handle(400, packet(0, init(0x4444)));
    party.handle(401, cookieEcho(party.take()[0]));
    expect(party.closedBecause).toBe("restarted");
  });

  it("discards a late INIT ACK", () => {
    const { party } = live();
    party.handle(400, packet(0x2222, chunk(2, 0, `${hex32(9, 9) + hex16(1, 1) + hex32(1)}0007000501000000`)));
    expectAlive(party);
  });
});

describe("an association from exchanged INIT chunks", () => {
  it("is established at once on both sides, and data flows", () => {
    const a = new Party({ seed: 11 });
    const b = new Party({ seed: 12 });
    const [initA, initB] = [a.association.localInitChunk(), b.association.localInitChunk()];
    expect(a.association.establishFromInit(0, initB)).toBe(true);
    expect(b.association.establishFromInit(0, initA)).toBe(true);
    a.association.send(0, { streamId: 0, ppid: 53, data: bytesOf(10) });
    a.association.flush(0);
    settle(0, a, b);
    expect(b.log).toEqual(["established", "message 0"]);
    expect(a.association.establishFromInit(0, initB)).toBe(false);
  });

  it("is refused for what is no INIT chunk", () => {
    const a = new Party({ seed: 11 });
    for (const bytes of [
      new Uint8Array(0),
      bytesOf(3),
      bytesOf(20),
      init(0),
      init(1, { streams: 0 }),
      init().subarray(0, 15),
    ]) {
      expect(a.association.establishFromInit(0, bytes)).toBe(false);
    }
    expect(a.association.establishFromInit(0, init())).toBe(true);
  });
});

it("DATA that overtakes the COOKIE ACK proves that the COOKIE ECHO was taken", () => {
  const client = new Party({ seed: 6, initiateTag: 77 });
  client.association.connect(0);
  client.handle(0, packet(77, chunk(2, 0, `${hex32(9, 100_000) + hex16(1, 1) + hex32(1)}0007000501000000`)));
  client.handle(1, packet(77, data({ tsn: 1 })));
  expect(client.log).toEqual(["established", "message 0"]);
});

it("before the peer is known only the handshake is listened to", () => {
  server.handle(
    0,
    packet(
      server.association
        .localInitChunk()
        .slice(4, 8)
        .reduce((tag, byte) => tag * 256 + byte, 0),
      sack(1),
      data({ tsn: 1 }),
      chunk(4, 0, "00010008aabbccdd"),
    ),
  );
  expect(server.flush(0)).toEqual([]);
  expect(server.drops.get("sctp-unexpected")).toBe(3);
});

it("an established party can be had for the other tests", () => {
  expect(establishedParty().party.association.state).toBe("established");
});
