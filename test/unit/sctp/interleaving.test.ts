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
  datapath,
  hex16,
  hex32,
  LIMITS,
  PACKET_BYTES,
  seededBytes,
  type SeenChunk,
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
