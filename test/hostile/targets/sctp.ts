import assert from "node:assert/strict";
import { DEFAULT_ASSOCIATION_LIMITS } from "../../../src/limits.ts";
import { parseInit, writeInit } from "../../../src/sctp/init.ts";
import {
  CHUNK_HEADER_BYTES,
  COOKIE_ECHO,
  DATA,
  FORWARD_TSN,
  I_DATA,
  I_FORWARD_TSN,
  INIT_ACK,
  SACK,
} from "../../../src/sctp/packet.ts";
import { concatBytes } from "../../../src/wire/bytes.ts";
import {
  checkMemory,
  initChunk,
  packetOf,
  type Recording,
  readRecording,
  SctpSide,
  withChecksum,
} from "../support/sctp.ts";
import { readField, withField } from "../support/variants.ts";
import { type CoverageTarget, readSteps, runTimers, type Step, writeSteps } from "./target.ts";

const RECORDINGS = ["chromium.fwd", "firefox.close-pcclose", "chromium.hb", "chromium.close-dcclose"];
const NONE = new Uint8Array(0);
const BURST_ENTRY_BYTES = 5;
const UNORDERED = 4;
const BEGINS = 2;
const ENDS = 1;
/** Neither begins nor ends a message. */
const MIDDLE_FRAGMENT = Uint8Array.of(1, 2, 2, UNORDERED, 249);

/** Small, so that an input reaches them. */
const LIMITS = {
  ...DEFAULT_ASSOCIATION_LIMITS,
  maxMessageBytes: 1_000,
  receiveWindowBytes: 2_000,
  maxReceiveWindowBytes: 2_000,
  maxReassemblyChunks: 16,
  maxStreams: 64,
  maxQueuedBytes: 8_000,
};
/** What may be held beyond the window: a message that fills the gap in front of all others, and its last chunk. */
const MAX_HELD_BYTES = LIMITS.receiveWindowBytes + LIMITS.maxMessageBytes + 255;
const MAX_HELD_CHUNKS = 2 * LIMITS.maxReassemblyChunks;
/** With I-DATA, of which what is in order counts as one chunk. */
const MAX_INTERLEAVED_BYTES = 15 * LIMITS.receiveWindowBytes + MAX_HELD_BYTES;
/** Of the selector: which recording, whether a handshake is left to be done, whether I-DATA was agreed on. */
const RECORDING = 3;
const HANDSHAKE = 4;
const INTERLEAVED = 8;

/**
 * An association whose peer sends any packets, with tags and checksums that are right where the step does not say otherwise. TSNs in
 * an input count from those of the association, so that small numbers are near ones.
 */
export function sctpTarget(): CoverageTarget {
  const recordings = RECORDINGS.map(readRecording);
  return {
    name: "sctp",
    covers: ["sctp/"],
    seeds: recordings.flatMap((recording, index) => seedsOf(recording, index)),
    run(input) {
      const selector = input[0] ?? 0;
      const recording = recordings[selector & RECORDING];
      const peer = new RoguePeer(recording, (selector & HANDSHAKE) === 0, (selector & INTERLEAVED) !== 0);
      for (const step of readSteps(input.subarray(1))) peer.take(step);
      peer.end();
    },
  };
}

class RoguePeer {
  readonly #side: SctpSide;
  readonly #localTag: number;
  readonly #localTsn: number;
  readonly #peerTsn: number;
  readonly #isInterleaved: boolean;
  /** Of the last burst. */
  #lastTsn: number;
  /** Lengths of data from bursts, by TSN, which may be held; until something else makes that hard to tell. */
  readonly #given = new Map<number, number>();
  #heldIsKnown = true;
  #deliveredBytes = 0;
  #acknowledged: (tsn: number) => boolean = () => false;
  #cookie = NONE;
  #now = 1;
  #highestSent: number;
  #hasEchoed: boolean;

  constructor({ localTag, localInitialTsn, browserInit }: Recording, isEstablished: boolean, isInterleaved: boolean) {
    this.#isInterleaved = isInterleaved;
    this.#localTag = localTag;
    this.#localTsn = localInitialTsn;
    this.#highestSent = (localInitialTsn - 1) >>> 0;
    this.#peerTsn = readField(browserInit, 16, 4);
    this.#lastTsn = this.#peerTsn;
    this.#hasEchoed = isEstablished;
    const options = { initiateTag: localTag, initialTsn: localInitialTsn, limits: LIMITS, interleaving: isInterleaved };
    this.#side = new SctpSide("sctp", options, {
      established: () => assert(this.#hasEchoed, "established without our cookie"),
      message: (_stream, _ppid, data) => {
        assert(data.length <= LIMITS.maxMessageBytes, "a message over the limit");
        this.#deliveredBytes += data.length;
      },
    });
    const init = isInterleaved ? interleavingInit(browserInit) : browserInit;
    if (isEstablished) assert(this.#side.association.establishFromInit(0, init));
  }

  take({ operation, argument, bytes }: Step): void {
    const { association } = this.#side;
    switch (operation % 12) {
      case 0:
        this.#give(packetOf(this.#localTag, this.#atTheirTsns(bytes)));
        break;
      case 1:
        this.#give(packetOf(0, bytes));
        break;
      case 2:
        if (bytes.length >= 12) this.#give(withChecksum(bytes));
        break;
      case 3:
        this.#give(packetOf(this.#localTag, this.#burst(bytes)));
        break;
      case 4:
        this.#send(argument, bytes);
        break;
      case 5:
        association.resetStreams(this.#now, [argument % LIMITS.maxStreams]);
        break;
      case 6:
        this.#wait(argument * 20);
        break;
      case 7:
        this.#hasEchoed = true;
        this.#give(packetOf(this.#localTag, chunk(COOKIE_ECHO, 0, this.#cookie)));
        break;
      case 8:
        this.#give(packetOf(this.#localTag, chunk(SACK, 0, [...u32(this.#highestSent), 0, 0, 0x20, 0, 0, 0, 0, 0])));
        break;
      case 9:
        // Its INIT ACK, and with it a COOKIE ECHO of ours and the peer's COOKIE ACK, may establish it.
        this.#hasEchoed = true;
        association.connect(this.#now);
        break;
      case 10:
        this.#give(packetOf(0, initChunk(bytes)));
        break;
      default:
        association.acknowledgeNow();
    }
    association.flush(this.#now);
    this.#read();
    this.#checkHeld();
  }

  end(): void {
    const { association } = this.#side;
    if (association.state === "established") association.abort(this.#now);
    runTimers(association, 1e9, () => this.#read());
    assert.equal(association.nextDeadline, Number.POSITIVE_INFINITY, "a timer that runs for ever");
    checkMemory();
  }

  #give(packet: Uint8Array): void {
    if (packet.length > 16_384) return;
    this.#side.handle(this.#now, packet);
    this.#now++;
  }

  #send(kind: number, bytes: Uint8Array): void {
    const { association } = this.#side;
    association.send(this.#now, {
      streamId: kind % Math.max(1, Math.min(4, association.outboundStreams)),
      ppid: 53,
      data: new Uint8Array(Math.min(1 + (kind >>> 5) * 150 + bytes.length, association.maxMessageBytes)),
      ordered: (kind & 4) !== 0,
      ...((kind & 8) !== 0 && { maxRetransmits: kind & 1 }),
      ...((kind & 16) !== 0 && { lifetimeMs: 100 }),
    });
  }

  #wait(ms: number): void {
    const { association } = this.#side;
    const end = this.#now + ms;
    runTimers(association, end, (now) => {
      assert(now <= end);
      this.#read();
    });
    this.#now = end;
  }

  /** Chunks whose TSNs count from those of the association. */
  #atTheirTsns(chunks: Uint8Array): Uint8Array {
    let moved = chunks;
    for (let at = 0; at + 8 <= chunks.length; ) {
      const length = Math.max(4, readField(chunks, at + 2, 2));
      const type = chunks[at];
      const base = isTheirs(type) ? this.#peerTsn : type === SACK ? this.#localTsn : undefined;
      if (base !== undefined) {
        const number = (readField(chunks, at + 4, 4) + base) >>> 0;
        moved = withField(moved, at + 4, 4, number);
      }
      if (type !== SACK) this.#heldIsKnown = false;
      at += (length + 3) & ~3;
    }
    return moved;
  }

  /**
   * DATA chunks, five bytes each: how far the TSN is from the last one, stream, sequence number, flags, length. Where I-DATA was agreed
   * on it is that, and the place of the fragment stands above the distance.
   */
  #burst(bytes: Uint8Array): Uint8Array {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at + BURST_ENTRY_BYTES <= bytes.length && chunks.length < 60; at += BURST_ENTRY_BYTES) {
      const [distance, stream, sequence, flags, length] = bytes.subarray(at, at + BURST_ENTRY_BYTES);
      const tsn = (this.#lastTsn + (distance % 8)) >>> 0;
      this.#lastTsn = tsn;
      const place = (flags & BEGINS) === 0 ? distance >>> 3 : 53;
      const numbers = this.#isInterleaved ? [0, 0, 0, 0, 0, sequence, ...u32(place)] : [0, sequence, ...u32(53)];
      const header = [...u32(tsn), 0, stream % LIMITS.maxStreams, ...numbers];
      // Of an ordered message that has had its turn nothing is held, though it is acknowledged.
      if ((flags & UNORDERED) === 0) this.#heldIsKnown = false;
      if (!this.#given.has(tsn)) this.#given.set(tsn, length + 1);
      else if (this.#given.get(tsn) !== length + 1) this.#heldIsKnown = false;
      chunks.push(chunk(this.#isInterleaved ? I_DATA : DATA, flags & 7, [...header, ...new Uint8Array(length + 1)]));
    }
    return concatBytes(...chunks);
  }

  /** What it sent: its cookie, its highest TSN, and what it has acknowledged. */
  #read(): void {
    for (const packet of this.#side.take()) {
      for (let at = 12; at + 4 <= packet.length; ) {
        const length = readField(packet, at + 2, 2);
        const value = packet.subarray(at + 4, at + length);
        if (packet[at] === INIT_ACK) this.#cookie = value.slice(20, 16 + readField(value, 18, 2));
        else if (packet[at] === DATA) this.#highestSent = Math.max(this.#highestSent, readField(value, 0, 4));
        else if (packet[at] === SACK) this.#acknowledged = acknowledgedBy(value);
        at += (Math.max(4, length) + 3) & ~3;
      }
    }
  }

  /** What was acknowledged and not delivered is held: no more of it than the limits say. */
  #checkHeld(): void {
    if (!this.#heldIsKnown || this.#side.drops.get("sctp-message-too-large") > 0) return;
    let bytes = -this.#deliveredBytes;
    let chunks = 0;
    for (const [tsn, length] of this.#given) {
      if (!this.#acknowledged(tsn)) continue;
      bytes += length;
      chunks++;
    }
    const most = this.#isInterleaved ? MAX_INTERLEAVED_BYTES : MAX_HELD_BYTES;
    assert(bytes <= most, `${bytes} bytes are held`);
    if (this.#isInterleaved) return;
    if (this.#deliveredBytes === 0) assert(chunks <= MAX_HELD_CHUNKS, `${chunks} chunks are held`);
  }
}

/** The browser's INIT as if it listed I-DATA and I-FORWARD-TSN. */
function interleavingInit(browserInit: Uint8Array): Uint8Array {
  const parsed = parseInit(browserInit.subarray(CHUNK_HEADER_BYTES));
  assert(parsed !== undefined);
  return writeInit({ ...parsed, interleaving: true });
}

/** Its TSN is one of the peer's. */
function isTheirs(type: number): boolean {
  return type === DATA || type === I_DATA || type === FORWARD_TSN || type === I_FORWARD_TSN;
}

/** Which TSNs a SACK acknowledges (RFC 9260 §3.3.4). */
function acknowledgedBy(sack: Uint8Array): (tsn: number) => boolean {
  const cumulative = readField(sack, 0, 4);
  const gaps = Array.from({ length: readField(sack, 8, 2) }, (_, i) => [
    readField(sack, 12 + 4 * i, 2),
    readField(sack, 14 + 4 * i, 2),
  ]);
  return (tsn) => {
    const distance = (tsn - cumulative) | 0;
    return distance <= 0 || gaps.some(([first, last]) => distance >= first && distance <= last);
  };
}

function chunk(type: number, flags: number, value: Uint8Array | readonly number[]): Uint8Array {
  const bytes = new Uint8Array((4 + value.length + 3) & ~3);
  const length = 4 + value.length;
  bytes.set([type, flags, length >>> 8, length & 0xff]);
  bytes.set(value, 4);
  return bytes;
}

function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

/** A recorded session, its TSNs made relative, with something of ours under way; and a handshake. */
function seedsOf(recording: Recording, index: number): Uint8Array[] {
  const { fromBrowser, browserInit, localInitialTsn } = recording;
  const peerTsn = readField(browserInit, 16, 4);
  const relative = fromBrowser.slice(0, 40).map((chunks) => {
    const base = isTheirs(chunks[0]) ? peerTsn : chunks[0] === SACK ? localInitialTsn : undefined;
    return base === undefined ? chunks : withField(chunks, 4, 4, (readField(chunks, 4, 4) - base) >>> 0);
  });
  const kinds = [...new Map(relative.map((chunks) => [chunks[0], chunks])).values()];
  const withSelector = (selector: number, steps: Uint8Array) => concatBytes(Uint8Array.of(selector), steps);
  const sends = [4, 8, 16, 96].map((kind) => [4, kind, new Uint8Array(30)] as const);
  return [
    withSelector(index, writeSteps(relative.slice(0, 12).map((chunks) => [0, 0, chunks]))),
    withSelector(index, writeSteps([...sends, [8, 0, NONE], [6, 60, NONE], [5, 0, NONE], [6, 200, NONE]])),
    withSelector(
      index | 4,
      writeSteps([[1, 0, browserInit], [7, 0, NONE], ...kinds.map((chunks) => [0, 0, chunks] as const)]),
    ),
    withSelector(
      index | 4,
      writeSteps([
        [9, 0, NONE],
        [10, 0, NONE],
        [6, 100, NONE],
      ]),
    ),
    withSelector(
      index,
      writeSteps([
        [3, 0, Uint8Array.of(0, 0, 0, 2, 9, 1, 0, 0, 1, 9, 2, 1, 1, 3, 40)],
        [6, 20, NONE],
        // Fragments behind a gap, which fill most of what may be held.
        [
          3,
          0,
          concatBytes(Uint8Array.of(3, 2, 2, UNORDERED | 2, 249), ...Array.from({ length: 6 }, () => MIDDLE_FRAGMENT)),
        ],
      ]),
    ),
    ...kinds.map((chunks) => withSelector(index, writeSteps([...sends.slice(0, 2), [0, 0, chunks]]))),
    ...interleavedSteps(sends).map((steps) => withSelector(index | INTERLEAVED, writeSteps(steps))),
  ];
}

type RawStep = readonly [number, number, Uint8Array];

/** One entry of a burst in I-DATA. */
function part(distance: number, place: number, stream: number, mid: number, flags: number, length: number): number[] {
  return [distance | (place << 3), stream, mid, flags, length];
}

/** A peer's messages in I-DATA that alternate, are skipped, come backwards, contradict each other, or are very many. */
function interleavedSteps(sends: readonly RawStep[]): RawStep[][] {
  const begin = UNORDERED | BEGINS;
  const alternating = [
    part(0, 0, 2, 0, BEGINS, 9),
    part(1, 0, 4, 0, begin, 20),
    part(1, 1, 2, 0, ENDS, 7),
    part(1, 1, 4, 0, UNORDERED, 20),
    part(1, 2, 4, 0, UNORDERED | ENDS, 3),
  ];
  const backwards = Array.from({ length: 9 }, (_, i) =>
    part(1, 8 - i, 2, 0, i === 0 ? ENDS : i === 8 ? BEGINS : 0, 30),
  );
  const open = Array.from({ length: 40 }, (_, i) => part(1, 0, i, i & 7, begin, 249));
  const entries = [0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 1, 0, 0, 0, 3];
  const skip = chunk(I_FORWARD_TSN, 0, [...u32(4), ...entries]);
  const reset = chunk(130, 0, [0, 13, 0, 18, ...u32(0), ...u32(0), ...u32(2), 0, 2]);
  const burst = (...parts: number[][]): RawStep => [3, 0, Uint8Array.from(parts.flat())];
  return [
    [...sends, burst(...alternating), [8, 0, NONE], [6, 60, NONE], [6, 200, NONE]],
    [burst(...alternating.slice(0, 4)), [0, 0, skip], [0, 0, reset], burst(part(1, 0, 2, 0, BEGINS | ENDS, 5))],
    [burst(...backwards)],
    [burst(...open), burst(...open), burst(part(1, 1, 3, 3, UNORDERED | ENDS, 9)), [6, 60, NONE]],
    [burst(part(0, 1, 2, 0, 0, 9), part(1, 1, 2, 0, 0, 9))],
  ];
}
