import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/wire/bytes.ts";
import {
  bytesOf,
  chunk,
  data,
  datapath,
  type Established,
  establishedParty,
  forwardTsn,
  hex32,
  packet,
  Party,
  sack,
} from "./support.ts";

function hear(at: Established, bytes: Uint8Array): string[] {
  at.party.handle(0, bytes);
  return at.party.flush(0).map(({ name }) => name);
}

describe("a packet", () => {
  it("with another tag is dropped", () => {
    const at = establishedParty();
    for (const tag of [0, 1, at.tag + 1, 0x1111]) hear(at, packet(tag, data({ tsn: 1000 })));
    expect([at.party.messages.length, at.party.drops.get("sctp-bad-tag")]).toEqual([0, 4]);
  });

  it("with another port, a wrong checksum or a checksum of zero is dropped", () => {
    const at = establishedParty();
    const good = packet(at.tag, data({ tsn: 1000 }));
    const wrongPort = good.slice();
    wrongPort[1] ^= 1;
    datapath.memory.set(wrongPort, datapath.rxOffset);
    datapath.finishPacket(datapath.rxOffset, wrongPort.length);
    hear(at, datapath.memory.slice(datapath.rxOffset, datapath.rxOffset + wrongPort.length));
    const wrongSum = good.slice();
    wrongSum[8] ^= 1;
    hear(at, wrongSum);
    const noSum = good.slice();
    noSum.fill(0, 8, 12);
    hear(at, noSum);
    expect(at.party.messages).toHaveLength(0);
    expect([at.party.drops.get("sctp-bad-ports"), at.party.drops.get("sctp-bad-checksum")]).toEqual([1, 2]);
    hear(at, good);
    expect(at.party.messages).toHaveLength(1);
  });

  it("without chunks does nothing", () => {
    const at = establishedParty();
    expect(hear(at, packet(at.tag))).toEqual([]);
  });

  it("has one SACK: further ones in it are not looked at", () => {
    const at = establishedParty();
    const { association } = at.party;
    for (let i = 0; i < 3; i++) association.send(0, { streamId: 0, ppid: 53, data: bytesOf(100) });
    association.flush(0);
    at.party.handle(10, packet(at.tag, sack(at.localTsn), ...Array.from({ length: 50 }, () => sack(at.localTsn + 1))));
    expect([association.stats.flightBytes, at.party.drops.get("sctp-unexpected")]).toEqual([200, 50]);
    at.party.handle(20, packet(at.tag, sack(at.localTsn + 1)));
    expect(association.stats.flightBytes).toBe(100);
  });

  it("has at most sixteen FORWARD TSNs: further ones in it are not looked at", () => {
    const at = establishedParty();
    const chain = Array.from({ length: 50 }, (_, i) => forwardTsn(1_000 + i));
    at.party.handle(0, packet(at.tag, ...chain));
    expect(at.party.drops.get("sctp-unexpected")).toBe(34);
    at.party.handle(0, packet(at.tag, data({ tsn: 1_015 }), data({ tsn: 1_016 }), ...chain.slice(16, 32)));
    expect([at.party.messages.length, at.party.drops.get("sctp-unexpected")]).toEqual([1, 34]);
  });

  it("after the end is dropped", () => {
    const at = establishedParty();
    at.party.association.abort(0);
    at.party.take();
    expect(hear(at, packet(at.tag, data({ tsn: 1000 })))).toEqual([]);
    expect(at.party.log).toEqual(["established", "closed local-abort"]);
  });
});

describe("an unknown chunk", () => {
  const behind = data({ tsn: 1000 });

  it("is skipped or ends the packet, and is reported or not, by its two highest bits", () => {
    const heard = [0x3e, 0x7e, 0xbe, 0xfe].map((type) => {
      const at = establishedParty();
      const names = hear(at, packet(at.tag, chunk(type, 5, "aabbcc"), behind));
      return [names.includes("ERROR"), at.party.messages.length];
    });
    expect(heard).toEqual([
      [false, 0],
      [true, 0],
      [false, 1],
      [true, 1],
    ]);
  });

  it("is given back whole in the report", () => {
    const at = establishedParty();
    at.party.handle(0, packet(at.tag, chunk(0x7e, 5, "aabbcc")));
    expect(toHex(at.party.flush(0)[0].value)).toMatch(/^0006000b7e050007aabbcc(00)?$/);
  });

  it("that fills its packet is not reported by one that is larger still", () => {
    const at = establishedParty();
    at.party.handle(0, packet(at.tag, chunk(0xfe, 0, bytesOf(1500))));
    for (const { value } of at.party.flush(0)) expect(value.length).toBeLessThan(1160);
  });
});

describe("HEARTBEAT", () => {
  it("as a question of its owner leaves at once and alone, is repeated until it is answered, and ends nothing", () => {
    const at = establishedParty();
    const { association } = at.party;
    association.send(0, { streamId: 0, ppid: 53, data: bytesOf(100), maxRetransmits: 0 });
    association.probe(0);
    expect(at.party.takeChunks().map(({ name }) => name)).toEqual(["HEARTBEAT"]);
    at.party.flush(0);
    at.party.handle(1, packet(at.tag, sack(at.localTsn)));
    const repeated: number[] = [];
    for (let now = association.nextDeadline; now < 10_000; now = association.nextDeadline) {
      association.handleTimeout(now);
      for (const { name } of at.party.takeChunks()) if (name === "HEARTBEAT") repeated.push(now);
    }
    // §8.3: backed off up to RTO.Max, from the 300 ms that the SACK has brought the time-out down to.
    expect(repeated).toEqual([400, 1_000, 2_200, 4_200, 6_200, 8_200]);
    expect([association.state, association.isProbing]).toEqual(["established", true]);
  });

  it("is answered at once with its own information", () => {
    const at = establishedParty();
    at.party.handle(0, packet(at.tag, chunk(4, 0, "0001000c0102030405060708")));
    expect(at.party.flush(0).map(({ name, value }) => [name, toHex(value)])).toEqual([
      ["HEARTBEAT ACK", "0001000c0102030405060708"],
    ]);
  });

  it("of our own goes out when it is asked for, and its answer measures the round trip", () => {
    const at = establishedParty({ heartbeatIntervalMs: 5000 });
    expect(at.party.association.nextDeadline).toBe(5000);
    at.party.association.handleTimeout(5000);
    const [beat] = at.party.takeChunks();
    expect(beat.name).toBe("HEARTBEAT");
    at.party.handle(5030, packet(at.tag, chunk(5, 0, bytesOf(12))));
    expect(at.party.association.stats.roundTripMs).toBe(0);
    at.party.handle(5040, packet(at.tag, chunk(5, 0, beat.value)));
    at.party.handle(5090, packet(at.tag, chunk(5, 0, beat.value)));
    expect(at.party.association.stats.roundTripMs).toBe(40);
  });

  it("that stays unanswered too often ends the association", () => {
    const at = establishedParty({ heartbeatIntervalMs: 5000, maxRetransmissions: 3 });
    let beats = 0;
    while (at.party.closedBecause === undefined && beats < 20) {
      at.party.association.handleTimeout(at.party.association.nextDeadline);
      beats++;
    }
    expect([at.party.closedBecause, beats]).toEqual(["timeout", 5]);
  });
});

describe("ABORT", () => {
  it("of ours names a cause, carries the peer's tag, and is the last word", () => {
    const at = establishedParty();
    at.party.association.send(0, { streamId: 0, ppid: 53, data: bytesOf(5) });
    at.party.association.abort(0, "bye");
    const [bytes, ...rest] = at.party.take();
    expect(toHex(bytes.subarray(4, 8)) + toHex(bytes.subarray(12))).toBe(
      `${hex32(0x1111)}0600000b000c0007627965${"00"}`,
    );
    expect(rest).toEqual([]);
    at.party.association.flush(1);
    expect(at.party.take()).toEqual([]);
    expect(at.party.association.nextDeadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("of the peer ends the association, with our tag or, with the T bit, its own", () => {
    for (const [tag, flags, ends] of [
      [0x2222, 0, true],
      [0x1111, 1, true],
      [0x1111, 0, false],
      [0x2222, 1, false],
      [0, 0, false],
    ] as const) {
      const at = establishedParty();
      hear(at, packet(tag, chunk(6, flags, "000c0004")));
      expect(at.party.closedBecause, `${tag} ${flags}`).toBe(ends ? "peer-abort" : undefined);
      expect(at.party.take()).toEqual([]);
    }
  });

  it("leaves what stands behind it in its packet alone", () => {
    const at = establishedParty();
    hear(at, packet(at.tag, chunk(6, 0, ""), data({ tsn: 1000 })));
    expect(at.party.messages).toHaveLength(0);
  });
});

describe("SHUTDOWN", () => {
  it("is answered once everything is delivered, and again until SHUTDOWN COMPLETE", () => {
    const at = establishedParty();
    at.party.association.send(0, { streamId: 0, ppid: 53, data: bytesOf(5) });
    at.party.association.flush(0);
    at.party.take();
    expect(hear(at, packet(at.tag, chunk(7, 0, hex32(4999))))).toEqual([]);
    expect(at.party.association.send(1, { streamId: 0, ppid: 53, data: bytesOf(5) })).toBe("closed");
    expect(at.party.association.state).toBe("shutting-down");
    at.party.handle(5, packet(at.tag, sack(5000)));
    expect(at.party.flush(5).map(({ name }) => name)).toEqual(["SHUTDOWN ACK"]);
    at.party.association.handleTimeout(at.party.association.nextDeadline);
    expect(at.party.takeChunks().map(({ name }) => name)).toEqual(["SHUTDOWN ACK"]);
    at.party.handle(600, packet(at.tag, chunk(14, 0, "")));
    expect([at.party.closedBecause, at.party.association.nextDeadline]).toEqual([
      "peer-shutdown",
      Number.POSITIVE_INFINITY,
    ]);
  });

  it("acknowledges like a SACK", () => {
    const at = establishedParty();
    at.party.association.send(0, { streamId: 0, ppid: 53, data: bytesOf(5) });
    at.party.association.flush(0);
    at.party.take();
    expect(hear(at, packet(at.tag, chunk(7, 0, hex32(5000))))).toEqual(["SHUTDOWN ACK"]);
  });

  it("COMPLETE and ACK out of the blue are dropped", () => {
    const at = establishedParty();
    hear(at, packet(at.tag, chunk(14, 0, "")));
    hear(at, packet(at.tag, chunk(8, 0, "")));
    expect([at.party.closedBecause, at.party.drops.get("sctp-unexpected")]).toEqual([undefined, 2]);
  });
});

describe("whatever comes", () => {
  const types = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 64, 128, 130, 192, 193, 255];

  it("with every length field at every bad value, and cut anywhere, never throws and never speaks out of turn", () => {
    for (const type of types) {
      for (const length of [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 20, 0xfffc, 0xffff]) {
        const at = establishedParty();
        hear(at, packet(at.tag, chunk(type, 0, bytesOf(24, 0), length)));
        hear(at, packet(at.tag, chunk(type, 0xff, bytesOf(24, 0xff), length)));
        expect(at.party.messages.length).toBeLessThanOrEqual(2);
      }
      const whole = packet(0x2222, chunk(type, 3, bytesOf(40, 1)));
      for (let cut = 0; cut <= whole.length; cut++) {
        const at = establishedParty();
        hear(at, whole.subarray(0, cut));
      }
    }
  });

  it("in any combination of chunks, before or after the handshake, never throws, and the packets out stay whole", () => {
    const anyChunk = fc
      .tuple(fc.constantFrom(...types), fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 60 }))
      .map(([type, flags, value]) => chunk(type, flags, value));
    const packets = fc.array(fc.tuple(fc.boolean(), fc.array(anyChunk, { maxLength: 5 })), { maxLength: 8 });
    fc.assert(
      fc.property(packets, fc.boolean(), (list, established) => {
        const party = established ? establishedParty().party : new Party({ initiateTag: 0x2222 });
        let now = 0;
        for (const [zeroTag, chunks] of list) {
          now += 100;
          party.handle(now, packet(zeroTag ? 0 : 0x2222, ...chunks));
          party.association.flush(now);
          if (party.association.nextDeadline <= now) party.association.handleTimeout(now);
          for (const bytes of party.take()) expect(bytes.length).toBeLessThanOrEqual(1163);
        }
      }),
      { seed: 99, numRuns: 400 },
    );
  });
});
