import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  Association,
  type AssociationCloseReason,
  type AssociationEvents,
  type AssociationOptions,
  type PacketTransport,
} from "../../../src/sctp/association.ts";
import { writeInit } from "../../../src/sctp/init.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { PACKET_SLOT_BYTES } from "../../../src/wasm/layout.ts";
import { equalBytes } from "../../../src/wire/bytes.ts";
import { DropCounters } from "../../../src/wire/drops.ts";
import { tsn } from "../../../src/wire/serial.ts";
import { Random } from "../../sim/random.ts";

const PACKET_BYTES = 1163;
const RECORD_OVERHEAD = 37;
const PLAINTEXT_AT = 21;
const PORTS = 0x1388_1388;

export const sctpDatapath = new Datapath({ keySlots: 8, txSlots: 16 });
const canary = sctpDatapath.acquireKey(new Uint8Array(16).fill(7), new Uint8Array(4));

/** The lowest packet slot, which nobody else gets. */
const packetSlots = sctpDatapath.acquirePacket();

/** A record around a packet that was put together in a packet slot stays within that slot. */
function checkSlot(offset: number, length: number): void {
  if (offset < packetSlots) return;
  const start = (offset - packetSlots) % PACKET_SLOT_BYTES;
  assert(start >= PLAINTEXT_AT, "a packet at the beginning of its slot");
  assert(start - PLAINTEXT_AT + length + RECORD_OVERHEAD <= PACKET_SLOT_BYTES, "a packet beyond the end of its slot");
}

/** A key slot lies right behind the transmit ring: a packet written past its end would change what the key makes. */
function canaryRecord(): Uint8Array {
  const at = sctpDatapath.nextTx();
  sctpDatapath.memory.fill(0, at, at + 64);
  return sctpDatapath.memory.slice(at, at + sctpDatapath.seal12(canary, at, 23, 1, 1, 27));
}
const canaryBefore = canaryRecord();

export function checkMemory(): void {
  assert(equalBytes(canaryRecord(), canaryBefore), "the memory of a key was written over");
}

/** One association with what it has said; packets are kept as they would be given to DTLS. */
export class SctpSide {
  readonly association: Association;
  readonly drops = new DropCounters();
  sent: Uint8Array[] = [];
  messages: { streamId: number; ppid: number; data: Uint8Array }[] = [];
  closedWith: AssociationCloseReason | undefined;
  isEstablished = false;

  /** @param events called besides what is kept here */
  constructor(
    seed: string,
    options: Partial<AssociationOptions> = {},
    events: Partial<AssociationEvents> = {},
    maxPacketBytes = PACKET_BYTES,
  ) {
    const transport: PacketTransport = {
      maxPacketBytes,
      begin: () => sctpDatapath.nextTx() + PLAINTEXT_AT,
      commit: (_now, offset, length) => {
        assert(length <= maxPacketBytes, `a packet of ${length} bytes`);
        assert(length >= 16 && length % 4 === 0, `a packet of ${length} bytes`);
        assert(length + RECORD_OVERHEAD <= sctpDatapath.txBytes);
        checkSlot(offset, length);
        this.sent.push(sctpDatapath.memory.slice(offset, offset + length));
        return true;
      },
    };
    const random = new Random(seed).bytes;
    this.association = new Association({ random, drops: this.drops, ...options }, sctpDatapath, transport, {
      established: () => {
        assert(!this.isEstablished, "established twice");
        this.isEstablished = true;
        events.established?.();
      },
      message: (streamId, ppid, data) => {
        this.messages.push({ streamId, ppid, data });
        events.message?.(streamId, ppid, data);
      },
      incomingStreamsReset: (streamIds) => events.incomingStreamsReset?.(streamIds),
      outgoingStreamsReset: (streamIds) => events.outgoingStreamsReset?.(streamIds),
      closed: (reason) => {
        assert.equal(this.closedWith, undefined, "closed twice");
        this.closedWith = reason;
        events.closed?.(reason);
      },
    });
  }

  /** Gives it a packet, then the turn ends. */
  handle(now: number, packet: Uint8Array): void {
    this.association.handlePacket(now, packet);
    this.association.flush(now);
    this.check();
  }

  take(): Uint8Array[] {
    const sent = this.sent;
    this.sent = [];
    return sent;
  }

  /** What must hold after any input. */
  check(): void {
    const { state, nextDeadline, stats } = this.association;
    assert(!Number.isNaN(nextDeadline));
    assert.equal(state === "closed", this.closedWith !== undefined);
    if (state === "closed") assert.equal(nextDeadline, Number.POSITIVE_INFINITY);
    for (const [name, value] of Object.entries(stats)) assert(value >= 0 && Number.isFinite(value), name);
  }
}

/** Carries packets both ways, edited on the way, until both are silent, and lets time pass for what waits for timers. */
export function converse(
  a: SctpSide,
  b: SctpSide,
  toB: (packet: Uint8Array) => Uint8Array[] = (packet) => [packet],
  start = 0,
  limitMs = 10_000,
): void {
  let now = start;
  for (let turns = 0; ; turns++) {
    assert(turns < 3_000, "they never stop talking");
    for (const side of [a, b]) side.association.flush(now);
    const fromA = a.take();
    const fromB = b.take();
    for (const packet of fromA.flatMap(toB)) b.handle(now, packet);
    for (const packet of fromB) a.handle(now, packet);
    if (fromA.length > 0 || fromB.length > 0) continue;
    if (a.association.needsFlush || b.association.needsFlush) continue;
    now = Math.max(now, Math.min(a.association.nextDeadline, b.association.nextDeadline));
    if (now > limitMs) return;
    for (const side of [a, b]) {
      if (side.association.nextDeadline > now) continue;
      side.association.handleTimeout(now);
      side.check();
      assert(side.association.nextDeadline > now, "a deadline that does not move on");
    }
  }
}

/** A packet around some chunks, with a right checksum. */
export function packetOf(tag: number, chunks: Uint8Array, ports = PORTS): Uint8Array {
  const packet = new Uint8Array(12 + chunks.length);
  const view = new DataView(packet.buffer);
  view.setUint32(0, ports);
  view.setUint32(4, tag);
  packet.set(chunks, 12);
  return withChecksum(packet);
}

/** The packet with the checksum its bytes have. */
export function withChecksum(packet: Uint8Array): Uint8Array {
  const { memory, rxOffset } = sctpDatapath;
  memory.set(packet, rxOffset);
  sctpDatapath.finishPacket(rxOffset, packet.length);
  return memory.slice(rxOffset, rxOffset + packet.length);
}

/** A recorded association: what the browser sent, and the numbers with which our side would have been its peer. */
export interface Recording {
  readonly name: string;
  /** The chunks of each packet of the browser, from the DCEP OPEN on. */
  readonly fromBrowser: readonly Uint8Array[];
  readonly browserInit: Uint8Array;
  readonly localTag: number;
  readonly localInitialTsn: number;
}

/** Reads a decrypted recording: pcap, little-endian, one SCTP packet a frame (linktype 248). */
export function readRecording(name: string): Recording {
  const file = new Uint8Array(readFileSync(new URL(`../../fixtures/sctp/${name}.sctp.pcap`, import.meta.url)));
  const view = new DataView(file.buffer);
  const packets: Uint8Array[] = [];
  for (let at = 24; at < file.length; ) {
    const length = view.getUint32(at + 8, true);
    packets.push(file.slice(at + 16, at + 16 + length));
    at += 16 + length;
  }
  const [init, initAck] = packets.map((packet) => new DataView(packet.buffer));
  const localTag = initAck.getUint32(16);
  const toUs = packets.filter((packet) => new DataView(packet.buffer).getUint32(4) === localTag);
  return {
    name,
    // Without the COOKIE ECHO, whose cookie is not ours.
    fromBrowser: toUs.filter((packet) => packet[12] !== 10).map((packet) => packet.subarray(12)),
    browserInit: packets[0].subarray(12, 12 + init.getUint16(14)),
    localTag,
    localInitialTsn: initAck.getUint32(28),
  };
}

/** Our side of a recorded association, established and ready for the browser's packets: in DATA, though Firefox lists I-DATA. */
export function sideOf(recording: Recording, options: Partial<AssociationOptions> = {}): SctpSide {
  const { localTag, localInitialTsn, browserInit, name } = recording;
  const side = new SctpSide(name, {
    initiateTag: localTag,
    initialTsn: localInitialTsn,
    interleaving: false,
    ...options,
  });
  assert(side.association.establishFromInit(0, browserInit));
  return side;
}

/** The INIT of a peer that supports everything but I-DATA, with more parameters behind. */
export function initChunk(...parameters: Uint8Array[]): Uint8Array {
  const init = writeInit({
    initiateTag: 0x01020304,
    receiveWindow: 1_000_000,
    outboundStreams: 1024,
    inboundStreams: 1024,
    initialTsn: tsn(1),
    interleaving: false,
  });
  const whole = new Uint8Array(init.length + parameters.reduce((sum, { length }) => sum + length, 0));
  whole.set(init);
  let at = init.length;
  for (const parameter of parameters) {
    whole.set(parameter, at);
    at += parameter.length;
  }
  whole[2] = whole.length >>> 8;
  whole[3] = whole.length;
  return whole;
}
