import { describe, expect, it } from "vitest";
import { PacketAssembler } from "../../../src/sctp/assembler.ts";
import { Handshake, type PeerParameters } from "../../../src/sctp/handshake.ts";
import { parseInit } from "../../../src/sctp/init.ts";
import { parseSignalledInit, writeSignalledInit } from "../../../src/sctp/snap.ts";
import { DropCounters } from "../../../src/wire/drops.ts";
import { tsn } from "../../../src/wire/serial.ts";
import {
  chunk,
  chunksOf,
  data,
  datapath,
  establishedParty,
  forwardTsn,
  hex16,
  hex32,
  iData,
  iForwardTsn,
  LIMITS,
  PACKET_BYTES,
  packet,
  type SeenChunk,
  seededBytes,
} from "./support.ts";

const I_DATA = "40";
const I_FORWARD_TSN = "c2";
const FORWARD_TSN = "c0";

describe("interleaving is agreed on", () => {
  /** RFC 8260 §2.2.1, §2.3.1: what we offer, what the peer lists, and what comes of it. */
  const CASES: [offers: boolean, lists: string[], interleaving: boolean, forwardTsn: boolean][] = [
    [true, [I_DATA, I_FORWARD_TSN, FORWARD_TSN], true, true],
    [true, [I_DATA, I_FORWARD_TSN], true, true],
    // "FORWARD-TSN … MUST NOT be used in combination with the I-DATA chunk": nothing can be given up.
    [true, [I_DATA, FORWARD_TSN], true, false],
    [true, [I_DATA], true, false],
    [true, [I_FORWARD_TSN, FORWARD_TSN], false, true],
    [true, [I_FORWARD_TSN], false, false],
    [true, [FORWARD_TSN], false, true],
    [false, [I_DATA, I_FORWARD_TSN, FORWARD_TSN], false, true],
    [false, [I_DATA, I_FORWARD_TSN], false, false],
  ];
  for (const [offers, lists, interleaving, forwardTsn] of CASES) {
    const name = `${offers ? "offering" : "not offering"} it, with a peer that lists ${lists.join(" ")}`;

    it(`${name}, behind a cookie`, () => {
      const side = new Side(offers);
      side.handshake.handleInit(0, initOf(lists).subarray(4));
      const answer = side.take()[0];
      expect(parseInit(answer.value)).toMatchObject({ interleaving: offers, iForwardTsn: offers });
      const { cookie, initiateTag } = parseInit(answer.value)!;
      side.handshake.handleCookieEcho(0, cookie!, initiateTag);
      expect(side.peer).toMatchObject({ interleaving, forwardTsn });
    });

    it(`${name}, by its INIT ACK`, () => {
      const side = new Side(offers);
      side.handshake.connect(0);
      expect(parseInit(side.take()[0].value)).toMatchObject({ interleaving: offers, iForwardTsn: offers });
      side.handshake.handleInitAck(0, initOf(lists, "00070005ff000000").subarray(4));
      expect(side.peer).toMatchObject({ interleaving, forwardTsn });
    });

    it(`${name}, by signalling`, () => {
      const side = new Side(offers);
      side.handshake.establish(0, parseSignalledInit(initOf(lists))!);
      expect(side.peer).toMatchObject({ interleaving, forwardTsn });
    });
  }

  it("by what our own signalled INIT lists", () => {
    const signalled = { initiateTag: 7, initialTsn: 8 };
    for (const offers of [true, false]) {
      const init = parseSignalledInit(writeSignalledInit(signalled, LIMITS, offers));
      expect(init).toMatchObject({ interleaving: offers, iForwardTsn: offers, forwardTsn: true, reconfig: true });
    }
  });
});

const text = (message: string) => Uint8Array.from(message, (character) => character.charCodeAt(0));

describe("a peer with which I-DATA was agreed on", () => {
  const interleaved = () => establishedParty({ interleaving: true });
  const textsOf = ({ party }: ReturnType<typeof interleaved>) =>
    party.messages.map(({ streamId, ppid, data }) => `${streamId}/${ppid}:${String.fromCharCode(...data)}`);

  it("sends messages that alternate, and each is delivered when it is whole", () => {
    const at = interleaved();
    const parts = [
      iData({ tsn: 1000, flags: 2, streamId: 4, ppid: 51, data: text("or") }),
      iData({ tsn: 1001, flags: 6, streamId: 6, ppid: 53, data: text("bu") }),
      iData({ tsn: 1002, flags: 7, streamId: 4, ppid: 57, data: text("!") }),
      iData({ tsn: 1003, flags: 5, streamId: 6, fsn: 1, data: text("lk") }),
      iData({ tsn: 1004, flags: 1, streamId: 4, fsn: 1, data: text("der") }),
    ];
    for (const part of parts) at.party.handle(1, packet(at.tag, part));
    expect(textsOf(at)).toEqual(["4/57:!", "6/53:bulk", "4/51:order"]);
    expect(at.party.flush(2)).toMatchObject([{ name: "SACK", tsn: 1004, gaps: [] }]);
  });

  it("says by the I bit that it waits for the SACK", () => {
    const at = interleaved();
    at.party.handle(1, packet(at.tag, iData({ tsn: 1000 })));
    at.party.flush(1);
    at.party.handle(2, packet(at.tag, iData({ tsn: 1001 })));
    expect(at.party.flush(2)).toEqual([]);
    at.party.handle(3, packet(at.tag, iData({ tsn: 1002, flags: 15 })));
    expect(at.party.flush(3)).toMatchObject([{ name: "SACK", tsn: 1002 }]);
  });

  it("skips messages by I-FORWARD-TSN, of both kinds", () => {
    const at = interleaved();
    at.party.handle(
      1,
      packet(
        at.tag,
        iData({ tsn: 1001, flags: 1, streamId: 4, mid: 0, fsn: 1 }),
        iData({ tsn: 1002, flags: 3, streamId: 4, mid: 1, data: text("next") }),
        iData({ tsn: 1003, flags: 6, streamId: 4, mid: 0 }),
        iData({ tsn: 1005, flags: 6, streamId: 6, mid: 0, data: text("li") }),
      ),
    );
    expect(at.party.flush(1)).toMatchObject([{ name: "SACK", tsn: 999, window: LIMITS.receiveWindowBytes }]);
    at.party.handle(2, packet(at.tag, iForwardTsn(1004, [4, false, 0], [4, true, 0])));
    expect(textsOf(at)).toEqual(["4/53:next"]);
    at.party.handle(3, packet(at.tag, iData({ tsn: 1006, flags: 5, streamId: 6, fsn: 1, data: text("ve") })));
    expect(textsOf(at)).toEqual(["4/53:next", "6/53:live"]);
    expect(at.party.flush(3)).toMatchObject([{ name: "SACK", tsn: 1006, gaps: [] }]);
  });

  it("is not believed about streams that do not exist", () => {
    const at = interleaved();
    const beyond = LIMITS.maxStreams;
    at.party.handle(1, packet(at.tag, iData({ tsn: 1000, streamId: beyond })));
    at.party.handle(1, packet(at.tag, iForwardTsn(1001, [beyond, false, 3], [beyond, true, 3], [65_535, true, 0])));
    expect(at.party.drops.get("sctp-unexpected")).toBe(1);
    expect(at.party.flush(1).map(({ name }) => name)).toEqual(["ERROR", "SACK"]);
  });

  it("closes a stream, whose numbers then begin with 0", () => {
    const at = interleaved();
    at.party.handle(1, packet(at.tag, iData({ tsn: 1000, flags: 3, streamId: 4, mid: 0 })));
    const request = `000d0012${hex32(1000, 0, 1000)}0004`;
    at.party.handle(2, packet(at.tag, chunk(130, 0, request)));
    expect(at.party.incomingResets).toEqual([[4]]);
    at.party.handle(3, packet(at.tag, iData({ tsn: 1001, flags: 3, streamId: 4, mid: 0, data: text("again") })));
    expect(textsOf(at).at(-1)).toBe("4/53:again");
  });

  it.each([
    ["DATA", data({ tsn: 1000 }), "chunk type 0 though interleaving was agreed on"],
    ["a FORWARD TSN", forwardTsn(1000), "chunk type 192 though interleaving was agreed on"],
    ["fragments that contradict each other", iData({ tsn: 1000, flags: 4 }), "fragments contradict each other"],
  ])("is sent an ABORT for %s", (_, bad, reason) => {
    const at = interleaved();
    at.party.handle(1, packet(at.tag, bad, iData({ tsn: 1001 })));
    expect(at.party.takeChunks()).toMatchObject([
      { name: "ABORT", value: Uint8Array.of(0, 13, 0, 4 + reason.length, ...text(reason)) },
    ]);
    expect(at.party.closedBecause).toBe("protocol-violation");
    expect(at.party.messages).toEqual([]);
  });

  it("is sent an ABORT for I-DATA without data", () => {
    const at = interleaved();
    at.party.handle(1, packet(at.tag, iData({ tsn: 1000, data: new Uint8Array(0) })));
    expect(at.party.takeChunks()).toMatchObject([{ name: "ABORT", value: Uint8Array.of(0, 9, 0, 8, 0, 0, 3, 232) }]);
  });

  it("is sent an ABORT when it has so much under way that nothing can be finished", () => {
    const at = establishedParty({ interleaving: true, limits: { ...LIMITS, receiveWindowBytes: 10_000 } });
    const part = new Uint8Array(1_000);
    for (let i = 0; i < 300; i++) {
      const [streamId, fsn] = [i % 100, Math.floor(i / 100)];
      at.party.handle(1, packet(at.tag, iData({ tsn: 1000 + i, flags: fsn === 0 ? 6 : 4, streamId, fsn, data: part })));
    }
    expect(at.party.closedBecause).toBeUndefined();
    expect(at.party.drops.get("sctp-reassembly-limit")).toBeGreaterThan(50);
    const refusal = at.party.flush(1).findLast(({ name }) => name === "SACK")!;
    expect(refusal).toMatchObject({ window: 0, gaps: [] });
    const missing = refusal.tsn + 1;
    for (let i = 0; i < 4; i++) {
      at.party.handle(2, packet(at.tag, iData({ tsn: missing, flags: 4, streamId: 99, fsn: 9, data: part })));
    }
    expect(at.party.takeChunks()).toMatchObject([{ name: "ABORT", value: Uint8Array.of(0, 4, 0, 4) }]);
    expect(at.party.closedBecause).toBe("protocol-violation");
  });
});

describe("a peer with which I-DATA was not agreed on", () => {
  it.each([
    ["I-DATA", iData({ tsn: 1000 }), 64],
    ["an I-FORWARD-TSN", iForwardTsn(1000), 194],
  ])("is sent an ABORT for %s", (_, bad, type) => {
    const at = establishedParty();
    at.party.handle(1, packet(at.tag, bad));
    const reason = text(`chunk type ${type} though interleaving was not agreed on`);
    expect(at.party.takeChunks()).toMatchObject([
      { name: "ABORT", value: Uint8Array.of(0, 13, 0, 4 + reason.length, ...reason) },
    ]);
  });
});

function initOf(lists: readonly string[], parameters = ""): Uint8Array {
  const extensions = `8008${hex16(4 + lists.length)}${lists.join("").padEnd(8, "0")}`;
  return chunk(1, 0, hex32(0x1111, 1_000_000) + hex16(1024, 1024) + hex32(1) + parameters + extensions);
}

/** One side of a handshake, without an association around it. */
class Side {
  readonly handshake: Handshake;
  readonly #sent: Uint8Array[] = [];
  peer: PeerParameters | undefined;

  constructor(interleaving: boolean) {
    const transport = {
      maxPacketBytes: PACKET_BYTES,
      begin: () => datapath.nextTx(),
      commit: (_now: number, offset: number, length: number) => {
        this.#sent.push(datapath.memory.slice(offset, offset + length));
      },
    };
    const local = { receiveWindow: 1_000_000, outboundStreams: 1024, inboundStreams: 1024, initialTsn: tsn(1) };
    this.handshake = new Handshake(
      {
        local: { ...local, initiateTag: 0x2222, interleaving },
        random: seededBytes(1),
        drops: new DropCounters(),
        cookieKey: undefined,
        cookieLifetimeMs: 60_000,
        timeoutMs: 1_000,
        maxTimeoutMs: 60_000,
        maxRetransmits: 8,
      },
      new PacketAssembler(datapath, transport, 5000, 5000),
      {
        peerKnown: (peer) => {
          this.peer = peer;
        },
        established: () => {},
        failed: () => {},
      },
    );
  }

  take(): SeenChunk[] {
    return this.#sent.splice(0).flatMap(chunksOf);
  }
}
