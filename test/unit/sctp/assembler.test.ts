import { describe, expect, test } from "vitest";
import { PacketAssembler } from "../../../src/sctp/assembler.ts";
import { COMMON_HEADER_BYTES, DATA_HEADER_BYTES, HEARTBEAT_ACK, writeChunk } from "../../../src/sctp/packet.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { PACKET_SLOT_BYTES, RECORD_MARGIN_BYTES } from "../../../src/wasm/layout.ts";
import { messageNumber, SSN, tsn } from "../../../src/wire/serial.ts";
import { chunksOf } from "./support.ts";

const PACKET_SLOTS = 5;

/** An assembler of one connection among others that share the datapath's memory, and what it has sent. */
class Sender {
  readonly sent: Uint8Array[] = [];
  readonly assembler: PacketAssembler;
  onCommit: (offset: number, length: number) => void = () => {};
  #nextTsn = 1;

  constructor(datapath: Datapath, maxPacketBytes = 1178) {
    const transport = {
      maxPacketBytes,
      begin: () => datapath.nextTx() + RECORD_MARGIN_BYTES,
      commit: (_now: number, offset: number, length: number) => {
        this.sent.push(datapath.memory.slice(offset, offset + length));
        // What a record does: it is larger than its packet, on both sides.
        datapath.memory.fill(0xee, offset - RECORD_MARGIN_BYTES, offset + length + RECORD_MARGIN_BYTES);
        this.onCommit(offset, length);
      },
    };
    this.assembler = new PacketAssembler(datapath, transport, 5000, 5000);
  }

  send(fill: number, length = 100): void {
    const data = new Uint8Array(length).fill(fill);
    this.assembler.data(0, 3, tsn(this.#nextTsn++), 0, messageNumber(0, SSN), 53, data, 0, length);
  }

  /** The messages of each packet that was sent, each by its first byte, -1 where it is not as it was. */
  get packets(): number[][] {
    return this.sent.map((packet) =>
      chunksOf(packet)
        .filter(({ name }) => name === "DATA")
        .map(({ data }) => (data.every((byte) => byte === data[0]) ? data[0] : -1)),
    );
  }
}

function create(): Datapath {
  return new Datapath({ keySlots: 1, txSlots: 2, packetSlots: PACKET_SLOTS });
}

/** The packet slots that nobody has; they are given back. */
function freePackets(datapath: Datapath): number[] {
  const free: number[] = [];
  for (let slot = datapath.acquirePacket(); slot !== -1; slot = datapath.acquirePacket()) free.push(slot);
  for (const slot of free.toReversed()) datapath.releasePacket(slot);
  return free;
}

/** Where a SACK comes from that is `bytes` long, or as long as there is room. */
function sackSource(bytes: number) {
  return {
    sackBytes: bytes,
    writeSack(view: DataView, offset: number, room: number): number {
      const length = Math.min(bytes, room);
      view.setUint32(offset, (3 << 24) | length);
      for (let at = 4; at < length; at += 4) view.setUint32(offset + at, 0);
      this.sackBytes = 0;
      return length;
    },
  };
}

describe("packets under construction", () => {
  test("stay apart, while others send: what each connection gathered in a turn leaves at its flush", () => {
    const datapath = create();
    const senders = Array.from({ length: PACKET_SLOTS }, () => new Sender(datapath));
    const other = new Sender(datapath);
    for (const round of [0, 1, 2]) {
      senders.forEach((sender, i) => {
        sender.send(10 * i + round, 50 + 13 * i + round);
        for (let n = 0; n < 5; n++) other.assembler.alone(0, writeChunk(HEARTBEAT_ACK, 0, new Uint8Array(900)), 1);
      });
    }
    expect(senders.flatMap(({ sent }) => sent)).toEqual([]);
    for (const { assembler } of senders.toReversed()) assembler.flush(0, false);
    expect(senders.map(({ packets }) => packets)).toEqual(senders.map((_, i) => [[10 * i, 10 * i + 1, 10 * i + 2]]));
    expect(freePackets(datapath).length).toBe(PACKET_SLOTS);
  });

  test("beyond the number of slots leave at once, with the control chunks and the SACK in front", () => {
    const datapath = create();
    const holders = Array.from({ length: PACKET_SLOTS }, () => new Sender(datapath));
    for (const [i, holder] of holders.entries()) holder.send(i);
    const late = new Sender(datapath);
    late.assembler.sackSource = sackSource(24);
    late.assembler.control(writeChunk(HEARTBEAT_ACK, 0, new Uint8Array(7)));
    late.send(77);
    late.send(78);
    expect(late.sent.map((packet) => chunksOf(packet).map(({ name }) => name))).toEqual([
      ["HEARTBEAT ACK", "SACK", "DATA"],
      ["DATA"],
    ]);
    expect(late.packets).toEqual([[77], [78]]);
    holders[0].assembler.flush(0, false);
    // There is a slot again: two messages share a packet.
    late.send(79);
    late.send(80);
    late.assembler.flush(0, false);
    expect(late.packets.slice(2)).toEqual([[79, 80]]);
    for (const { assembler } of holders) assembler.flush(0, false);
    expect(holders.map(({ packets }) => packets)).toEqual(holders.map((_, i) => [[i]]));
  });

  test("hold no slot once they have left or the association is over", () => {
    const datapath = create();
    const sender = new Sender(datapath);
    sender.send(1);
    expect(freePackets(datapath).length).toBe(PACKET_SLOTS - 1);
    sender.assembler.flush(0, false);
    expect(freePackets(datapath).length).toBe(PACKET_SLOTS);
    sender.send(2);
    sender.assembler.discard();
    expect(freePackets(datapath).length).toBe(PACKET_SLOTS);
    sender.send(3);
    sender.assembler.flush(0, false);
    expect(sender.packets).toEqual([[1]]);
    expect(freePackets(datapath).length).toBe(PACKET_SLOTS);
  });

  test("hold no slot where the association ends while a full packet leaves for the next message", () => {
    const datapath = create();
    const sender = new Sender(datapath);
    sender.onCommit = () => sender.assembler.discard();
    sender.send(1, 1000);
    sender.send(2, 1000);
    expect(sender.packets).toEqual([[1]]);
    expect(freePackets(datapath).length).toBe(PACKET_SLOTS);
  });

  test("whose bytes the system holds on to are left alone until it holds on to others", () => {
    const datapath = create();
    const sender = new Sender(datapath);
    let held = { offset: 0, length: 0 };
    const hold = (offset: number, length: number) => {
      held = { offset, length };
      datapath.switchTx();
      sender.onCommit = () => {};
    };
    const bytes = () => datapath.memory.slice(held.offset, held.offset + held.length);
    // One that was open when it happened is sent as usual.
    const open = new Sender(datapath);
    open.send(5);
    for (const _ of [1, 2]) {
      sender.send(1);
      sender.onCommit = hold;
      sender.assembler.flush(0, false);
      datapath.memory.fill(0x11, held.offset, held.offset + held.length);
      const before = bytes();
      const others = Array.from({ length: PACKET_SLOTS + 1 }, () => new Sender(datapath));
      for (const round of [1, 2]) {
        for (const other of others) other.send(round, 1000);
        for (const { assembler } of others) assembler.flush(0, false);
      }
      expect(bytes()).toEqual(before);
    }
    open.assembler.flush(0, false);
    expect(open.packets).toEqual([[5]]);
    expect(freePackets(datapath).length).toBe(PACKET_SLOTS - 1);
    datapath.switchTx();
    expect(freePackets(datapath).length).toBe(PACKET_SLOTS);
  });

  test.each([1163, 1178, 1450, 9000])(
    "never reach beyond their slot, in packets of up to %i bytes",
    (maxPacketBytes) => {
      const datapath = create();
      const slots = freePackets(datapath);
      const [before, mine, behind, ...rest] = slots;
      for (const _ of slots) datapath.acquirePacket();
      datapath.releasePacket(mine);
      const others = [before, behind, ...rest];
      for (const slot of others) datapath.memory.fill(0x5a, slot, slot + PACKET_SLOT_BYTES);
      const largest = new Sender(datapath, maxPacketBytes).assembler.maxPayloadBytes;
      const capacity = largest + DATA_HEADER_BYTES;
      const controls = [0, 4, 100, 400, capacity - 20];
      const sacks = [0, 16, 20, 400];
      for (const control of controls) {
        for (const sack of sacks) {
          for (const length of [1, 100, 101, 700, largest]) {
            const sender = new Sender(datapath, maxPacketBytes);
            if (sack > 0) sender.assembler.sackSource = sackSource(sack);
            if (control > 0) sender.assembler.control(writeChunk(HEARTBEAT_ACK, 0, new Uint8Array(control - 4)));
            sender.send(1, length);
            sender.assembler.flush(0, true);
            expect(sender.packets.flat()).toEqual([1]);
            for (const packet of sender.sent) expect(packet.length).toBeLessThanOrEqual(COMMON_HEADER_BYTES + capacity);
          }
        }
      }
      for (const slot of others) {
        expect(datapath.memory.subarray(slot, slot + PACKET_SLOT_BYTES).every((byte) => byte === 0x5a)).toBe(true);
      }
    },
  );
});
